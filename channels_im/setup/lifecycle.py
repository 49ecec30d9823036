"""Deactivate, activate and delete a channel: each is confirmed on its own page or in a dialog over the list."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from channels_im.models import Channel
from channels_im.services import channels as service
from channels_im.services.journal import store
from channels_im.setup.access import CHANGE_CHANNEL, DELETE_CHANNEL, page, setup_view, wants_fragment
from desk import audit_log
from desk.accounts.reauthentication import recent_password_required
from desk.models import User
from desk.requests import UserRequest


@setup_view(CHANGE_CHANNEL)
def deactivate(request: UserRequest, pk: int) -> HttpResponse:
    """Confirm, then deactivate a channel (POST)."""
    return _confirm(
        request,
        pk,
        act=service.deactivate,
        done="The channel “{}” has been deactivated. It receives and sends nothing until you activate it again.",
        already="The channel “{}” was already deactivated.",
        context={
            "title": "Deactivate channel",
            "stops": [
                "Messages from customers are not received. Facebook keeps what they write, and they can be answered in "
                "the Page inbox.",
                "Agents cannot reply, and waiting replies are held.",
                "An import of earlier messages waits.",
            ],
            "stays": [
                "All conversations and tickets stay readable and searchable.",
                "Agents, department and Page stay as they are.",
                "You can activate the channel again at any time. Desk then reads from Facebook what was written "
                "meanwhile: of each conversation the newest 20 messages.",
            ],
            "button": "Deactivate",
        },
    )


@setup_view(CHANGE_CHANNEL)
def activate(request: UserRequest, pk: int) -> HttpResponse:
    """Confirm, then activate a channel (POST)."""
    return _confirm(
        request,
        pk,
        act=service.activate,
        done="The channel “{}” is active again.",
        already="The channel “{}” was already active.",
        context={
            "title": "Activate channel",
            "starts": [
                "Messages from customers are received again.",
                "Agents can reply again.",
                "What was written since the deactivation is read from Facebook, of each conversation the newest 20 "
                "messages. They are marked as recovered; of others the conversation says how many are missing.",
            ],
            "button": "Activate",
        },
    )


@setup_view(DELETE_CHANNEL)
@recent_password_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Confirm, then delete a channel (POST)."""
    return _confirm(
        request,
        pk,
        act=service.delete,
        done="The channel “{}” has been deleted. Its conversations stay readable.",
        already="The channel “{}” was already deleted.",
        context={
            "title": "Delete channel",
            "stops": [
                "No more messages are sent or received. This cannot be undone.",
                "An import of earlier messages ends.",
                "Nobody can reply in its conversations, or transfer, assign or block them.",
            ],
            "stays": [
                "All conversations and tickets stay readable and searchable.",
                "The Page is free for a new channel.",
            ],
            "button": "Yes, Delete",
            "is_deletion": True,
        },
    )


@setup_view(CHANGE_CHANNEL)
def take_in(request: UserRequest, pk: int) -> HttpResponse:
    """Import what arrived while the channel was off (POST)."""
    channel = get_object_or_404(Channel.objects.existing(), pk=pk)
    if request.method == "POST" and channel.is_active:
        with transaction.atomic():
            count = store.import_parked(channel.page)
            deliveries = f"{count} {'delivery' if count == 1 else 'deliveries'}"
            if count:
                audit_log.record(request.user, channel, audit_log.CHANGE, f"Imported {deliveries} that had waited.")
        messages.success(request, f"{deliveries} {'is' if count == 1 else 'are'} being imported.")
    return redirect("setup:messenger_edit", pk=pk)


def _confirm(
    request: UserRequest,
    pk: int,
    *,
    act: Callable[[User, Channel], bool],
    done: str,
    already: str,
    context: dict[str, Any],
) -> HttpResponse:
    channel = get_object_or_404(Channel.objects.select_related("page", "department"), pk=pk)
    if request.method == "POST":
        try:
            changed = act(request.user, channel)
        except service.ChannelError as refusal:
            messages.error(request, str(refusal))
        else:
            message = done if changed else already
            messages.add_message(request, messages.SUCCESS if changed else messages.INFO, message.format(channel.name))
            if act is service.activate and changed and service.parked_count(channel):
                return redirect("setup:messenger_edit", pk=pk)
        return redirect("setup:messenger")
    if channel.is_deleted:
        messages.info(request, already.format(channel.name) if act is service.delete else "This channel is deleted.")
        return redirect("setup:messenger")
    context = context | {
        "channel": channel,
        "parked": service.parked_count(channel),
        "facts": service.open_work(channel),
    }
    if wants_fragment(request):
        return render(request, "channels_im/_confirm.html", context)
    return page(request, "confirm.html", **context)
