"""Instant Messaging → Health: every Page that has a channel, the figures of the last 24 hours, and e-mail."""

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.models import Channel
from channels_im.services.facebook import daily_check, recovery_requests
from channels_im.setup import figures, page_checks, presenters, recovery_view
from channels_im.setup.access import CHANGE_CHANNEL, SEE_CHANNELS, may, page, setup_view
from desk import audit_log, mail
from desk.languages import translated
from desk.requests import UserRequest
from desk.sentences import sentence


@setup_view(*SEE_CHANNELS)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """Show the last check of every Page with a channel, what failed, and how fast messages were."""
    channels = list(presenters.channels())
    recoveries = recovery_view.of_all(channels)
    shown, pages = figures.of(request.user), {channel.page_id for channel in channels}
    rows = [
        {
            "channel": channel,
            "chip": presenters.chip(channel),
            "checks": page_checks.of_channel(channel),
            "recovery": recoveries[channel.pk],
            "totals": shown.totals.get(channel.page_id),
            "failures": shown.failures.get(channel.page_id),
        }
        for channel in channels
    ]
    return page(
        request,
        "health.html",
        gettext("Health"),
        rows=rows,
        figures=shown,
        other_failures=[failures for pk, failures in shown.failures.items() if pk not in pages],
        checking=any(presenters.is_check_near(channel.page) for channel in channels)
        or any(map(recovery_view.is_open, recoveries.values())),
        may_change=may(request.user, CHANGE_CHANNEL),
        mail_problem=mail.problem() or ("" if mail.administrator_addresses() else mail.NO_ADDRESS),
        mail_server=f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}" if settings.EMAIL_HOST else "",
        may_send_mail=may(request.user, CHANGE_CHANNEL) and not mail.problem(),
    )


@setup_view(CHANGE_CHANNEL)
@require_POST
def check_all(request: UserRequest) -> HttpResponse:
    """Request a check of every Page and Facebook login."""
    daily_check.check_all()
    messages.success(request, gettext("Desk is checking every Page with Facebook."))
    return redirect("setup:health")


@setup_view(CHANGE_CHANNEL)
@require_POST
def recover(request: UserRequest, pk: int) -> HttpResponse:
    """Request the recovery of missed messages of a channel's Page."""
    channel = get_object_or_404(Channel.objects.existing().select_related("page"), pk=pk)
    if channel.is_active and channel.page.is_connected:
        with transaction.atomic():
            recovery_requests.request_on_demand(channel.page)
            audit_log.record(
                request.user, channel, audit_log.CHANGE, sentence("Requested the recovery of missed messages.")
            )
        messages.success(
            request, gettext("Desk is looking for missed messages of %(page)s.") % {"page": channel.page.name}
        )
    else:
        then = gettext("Then Desk recovers missed messages by itself.")
        messages.error(request, f"{recovery_view.obstacle(channel)} {then}")
    return redirect("setup:health")


@setup_view(CHANGE_CHANNEL)
@require_POST
def send_test_mail(request: UserRequest) -> HttpResponse:
    """Send a test message to the user, and say what the mail server answered."""
    user = request.user
    problem = mail.send_test(user)
    audit_log.record(user, user, audit_log.CHANGE, _sent_test(user.email, problem))
    if problem:
        messages.error(request, " ".join((gettext("The test message could not be sent."), translated(problem))))
    else:
        accepted = gettext("The mail server accepted a test message to %(address)s. Look into your inbox.")
        messages.success(request, accepted % {"address": user.email})
    return redirect("setup:health")


def _sent_test(address: str, problem: str) -> str:
    if not problem:
        return sentence("A test message to %(address)s was accepted by the mail server.", address=address)
    if not address:
        return sentence("A test message was not sent: %(problem_text)s", problem_text=problem)
    return sentence("A test message to %(address)s failed: %(problem_text)s", address=address, problem_text=problem)
