"""Instant Messaging → Health: what Meta last said about every Page that has a channel."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from channels_im.services.facebook import daily_check
from channels_im.setup import presenters
from channels_im.setup.access import CHANGE_CHANNEL, SEE_CHANNELS, SetupRequest, may, page, setup_view


@setup_view(*SEE_CHANNELS)
@require_safe
def show(request: SetupRequest) -> HttpResponse:
    """Show the last check of every Page with a channel."""
    rows = [
        {
            "channel": channel,
            "chip": presenters.chip(channel),
            "ticks": presenters.ticks(channel.page),
            "troubles": presenters.troubles(channel.page),
            "healing": presenters.healing(channel.page),
            "checking": presenters.is_checking(channel.page),
        }
        for channel in presenters.channels()
    ]
    return page(
        request,
        "health.html",
        "Health",
        rows=rows,
        checking=any(row["checking"] for row in rows),
        may_change=may(request.user, CHANGE_CHANNEL),
    )


@setup_view(CHANGE_CHANNEL)
@require_POST
def check_all(request: SetupRequest) -> HttpResponse:
    """Request a check of every Page and Facebook login."""
    daily_check.check_all()
    messages.success(request, "Desk is checking every Page with Facebook.")
    return redirect("setup:health")
