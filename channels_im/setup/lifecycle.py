"""Deactivate, activate and delete a channel: each is confirmed on its own page or in a dialog over the list."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext

from channels_im.models import Channel
from channels_im.services import channels as service
from channels_im.services.journal import store
from channels_im.setup.access import CHANGE_CHANNEL, DELETE_CHANNEL, page, setup_view, wants_fragment
from desk import audit_log
from desk.accounts.reauthentication import recent_password_required
from desk.languages import translated
from desk.models import User
from desk.requests import UserRequest
from desk.sentences import counted


@setup_view(CHANGE_CHANNEL)
def deactivate(request: UserRequest, pk: int) -> HttpResponse:
    """Confirm, then deactivate a channel (POST)."""
    return _confirm(
        request,
        pk,
        act=service.deactivate,
        done=gettext(
            "The channel “%(name)s” has been deactivated. It receives and sends nothing until you activate it again."
        ),
        already=gettext("The channel “%(name)s” was already deactivated."),
        context={
            "title": gettext("Deactivate channel"),
            "stops": [
                gettext(
                    "Messages from customers are not received. Facebook keeps what they write, and they can be "
                    "answered in the Page inbox."
                ),
                gettext("Agents cannot reply, and waiting replies are held."),
                gettext("An import of earlier messages waits."),
            ],
            "stays": [
                gettext("All conversations and tickets stay readable and searchable."),
                gettext("Agents, department and Page stay as they are."),
                gettext(
                    "You can activate the channel again at any time. Desk then reads from Facebook what was written "
                    "meanwhile: of each conversation the newest 20 messages."
                ),
            ],
            "button": gettext("Deactivate"),
        },
    )


@setup_view(CHANGE_CHANNEL)
def activate(request: UserRequest, pk: int) -> HttpResponse:
    """Confirm, then activate a channel (POST)."""
    return _confirm(
        request,
        pk,
        act=service.activate,
        done=gettext("The channel “%(name)s” is active again."),
        already=gettext("The channel “%(name)s” was already active."),
        context={
            "title": gettext("Activate channel"),
            "starts": [
                gettext("Messages from customers are received again."),
                gettext("Agents can reply again."),
                gettext(
                    "What was written since the deactivation is read from Facebook, of each conversation the newest 20 "
                    "messages. They are marked as recovered; of others the conversation says how many are missing."
                ),
            ],
            "button": gettext("Activate"),
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
        done=gettext("The channel “%(name)s” has been deleted. Its conversations stay readable."),
        already=gettext("The channel “%(name)s” was already deleted."),
        context={
            "title": gettext("Delete channel"),
            "stops": [
                gettext("No more messages are sent or received. This cannot be undone."),
                gettext("An import of earlier messages ends."),
                gettext("Nobody can reply in its conversations, or transfer, assign or block them."),
            ],
            "stays": [
                gettext("All conversations and tickets stay readable and searchable."),
                gettext("The Page is free for a new channel."),
            ],
            "button": gettext("Yes, Delete"),
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
            if count:
                audit_log.record(request.user, channel, audit_log.CHANGE, _imported(count))
        begun = ngettext("%(count)s delivery is being imported.", "%(count)s deliveries are being imported.", count)
        messages.success(request, begun % {"count": count})
    return redirect("setup:messenger_edit", pk=pk)


def _imported(count: int) -> str:
    return counted(
        "Imported %(count)s delivery that had waited.", "Imported %(count)s deliveries that had waited.", count
    )


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
            messages.error(request, translated(str(refusal)))
        else:
            message = done if changed else already
            messages.add_message(
                request, messages.SUCCESS if changed else messages.INFO, message % {"name": channel.name}
            )
            if act is service.activate and changed and service.parked_count(channel):
                return redirect("setup:messenger_edit", pk=pk)
        return redirect("setup:messenger")
    if channel.is_deleted:
        messages.info(
            request, already % {"name": channel.name} if act is service.delete else gettext("This channel is deleted.")
        )
        return redirect("setup:messenger")
    context = context | {
        "channel": channel,
        "parked": service.parked_count(channel),
        "facts": service.open_work(channel),
    }
    if wants_fragment(request):
        return render(request, "channels_im/_confirm.html", context)
    return page(request, "confirm.html", **context)
