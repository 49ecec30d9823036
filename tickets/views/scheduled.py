"""Scheduled replies in the thread: send now, edit, cancel; and their files."""

from collections.abc import Callable

from django.db import transaction
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from tickets.models import Conversation, ScheduledReply, ScheduledReplyFile
from tickets.rules.scheduling import Choice
from tickets.services.conversation import access
from tickets.services.inbox import drafts
from tickets.services.outgoing import scheduled_replies, scheduled_times
from tickets.services.outgoing.replies import ReplyError
from tickets.views.base import AgentRequest, agent_page, conversation_url, refuse
from tickets.views.compose import show_fresh
from tickets.views.files import SHOWN_INLINE, serve


@require_POST
@agent_page
def act(request: AgentRequest, conversation_id: int, scheduled_id: int, choice: str) -> HttpResponse:
    """Send a scheduled reply now, take it back into the composer ("edit"), change its time, or cancel it.

    "edit" adds its text to the draft. A reply with files or a quote stays in the thread, taken back, until the edited
    one replaces it: nothing of it is lost when the page is closed. A sticker or a template has no text to edit: "time"
    schedules it for `later_at_<id>` in the agent's time zone.
    """
    if choice not in CHOICES:
        raise Http404("There is no such choice.")  # English only: no page shows it
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    row = ScheduledReply.objects.filter(conversation=conversation, pk=scheduled_id).first()
    try:
        if row is None:
            raise scheduled_replies.not_possible(scheduled_replies.GONE)
        CHOICES[choice](request, conversation, row)
    except ReplyError as refused:
        return refuse(request, str(refused), conversation_url(conversation.pk))
    return show_fresh(request, conversation)


def _send(request: AgentRequest, conversation: Conversation, row: ScheduledReply) -> None:
    scheduled_replies.send_now(request.user, row)


def _edit(request: AgentRequest, conversation: Conversation, row: ScheduledReply) -> None:
    with transaction.atomic():
        taken = scheduled_replies.take_back(request.user, row)
        typed = drafts.read(request.user, conversation)
        if taken.text and f"\n\n{taken.text}\n\n" not in f"\n\n{typed.strip()}\n\n":  # not as a part of a word
            drafts.save(request.user, conversation, f"{typed.rstrip()}\n\n{taken.text}" if typed else taken.text)
        if not taken.reply_to_mid and not taken.files.exists():
            scheduled_replies.discard_replaced(request.user, conversation, taken.pk)


def _change_time(request: AgentRequest, conversation: Conversation, row: ScheduledReply) -> None:
    wall, zone = request.POST.get(f"later_at_{row.pk}", ""), timezone.get_current_timezone()
    send_at = scheduled_times.time_of_choice(conversation, Choice.TIME, wall, zone, form=row.sent_as)
    scheduled_replies.change(request.user, row, scheduled_replies.Changes(send_at=send_at))


def _cancel(request: AgentRequest, conversation: Conversation, row: ScheduledReply) -> None:
    scheduled_replies.cancel(request.user, row)


CHOICES: dict[str, Callable[[AgentRequest, Conversation, ScheduledReply], None]] = {
    "send": _send,
    "edit": _edit,
    "time": _change_time,
    "cancel": _cancel,
}


@require_GET
@agent_page
def file(request: AgentRequest, conversation_id: int, file_id: int) -> HttpResponseBase:
    """Send a file of a scheduled reply."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    row = ScheduledReplyFile.objects.filter(reply__conversation=conversation, pk=file_id).exclude(file="").first()
    if row is None:
        raise Http404("There is no such file, or you may not see it.")  # English only: no page shows it
    inline = row.content_type in SHOWN_INLINE and "download" not in request.GET
    return serve(request, row.file, row.content_type, name=row.name, inline=inline)
