"""Setup → Messenger → Go live → Send yourself a test: choose who gets it, send it, and follow it."""

from uuid import uuid4

from django.contrib import admin, messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext

from channels_im.models import Channel
from channels_im.setup.access import CHANGE_CHANNEL, setup_view, wants_fragment
from desk.errors import Refused
from desk.requests import UserRequest
from tickets.models import Message
from tickets.services.conversation import access
from tickets.services.outgoing import going_live as service
from tickets.views.base import parse_id

MAX_KEY_CHARACTERS = 40


@setup_view(CHANGE_CHANNEL)
def choose(request: UserRequest) -> HttpResponse:
    """Show who wrote to a Page within 24 hours, and send the test to one of them (POST `conversation`)."""
    if request.method == "POST":
        return _send(request)
    channels = service.channels()
    channel = _chosen(request, channels)
    people = service.people(request.user, channel) if channel else []
    context: dict[str, object] = {
        "channels": channels,
        "channel": channel,
        "people": people,
        "client_key": uuid4().hex,
        "refresh_url": request.get_full_path() if channel and not people else "",
        "text": service.TEXT,
    }
    return _answer(request, "choose", gettext("Send yourself a test"), context)


@setup_view(CHANGE_CHANNEL)
def show(request: UserRequest, pk: int) -> HttpResponse:
    """Show the stages of a test message in a conversation that the user may see."""
    visible = access.conversations_for(request.user)
    message = Message.objects.filter(pk=pk, direction=Message.Direction.OUT, conversation__in=visible)
    found = message.select_related("conversation__contact", "conversation__channel").first()
    if found is None:
        raise Http404(gettext("There is no such message, or you may not see it."))
    context: dict[str, object] = {
        "message": found,
        "stages": service.stages(found),
        "refresh_url": request.path if service.may_change(found) else "",
    }
    return _answer(request, "stages", gettext("Your test message"), context)


def _send(request: UserRequest) -> HttpResponse:
    conversation_id = parse_id(request.POST.get("conversation", ""))
    if conversation_id is None:
        raise Http404(gettext("There is no such conversation, or you may not see it."))
    key = request.POST.get("client_key", "")[:MAX_KEY_CHARACTERS]
    try:
        message = service.send(request.user, conversation_id, key)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("go_live_test")
    return redirect(reverse("go_live_test_message", args=[message.pk]))


def _chosen(request: UserRequest, channels: list[Channel]) -> Channel | None:
    wanted = request.GET.get("channel", "")
    return next((channel for channel in channels if str(channel.pk) == wanted), channels[0] if channels else None)


def _answer(request: UserRequest, part: str, title: str, context: dict[str, object]) -> HttpResponse:
    """Return the page, or only its part that changes, for the script that asks again."""
    if wants_fragment(request):
        return render(request, f"tickets/setup/_test_{part}.html", context)
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"tickets/setup/test_{part}.html", context)
