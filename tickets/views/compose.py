"""What an agent writes (replies with files, notes, drafts), and what they do with a reply that was not sent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from channels_im.messenger.files import FileError, check_outgoing_head, safe_name
from desk.errors import Refused
from desk.languages import translated
from desk.live import versions
from desk.models import User
from desk.text import cut, is_blank
from tickets.models import Conversation, Message
from tickets.rules.mentions import AGENT, MAX_TARGETS, Target, parse_key
from tickets.rules.sending import clean_text
from tickets.services.conversation import access
from tickets.services.conversation.mentions import Wanted
from tickets.services.inbox import actions, canned_files, canned_replies, drafts, notes, snoozes
from tickets.services.outgoing import (
    replies,
    scheduled_files,
    scheduled_replies,
    scheduled_times,
    undelivered,
)
from tickets.services.outgoing.collision import AnsweredMeanwhileError
from tickets.services.outgoing.replies import ReplyError
from tickets.services.outgoing.scheduled_specials import TooLateError
from tickets.templatetags.desk import who_answered
from tickets.views import assign_question, pages, thread_pages
from tickets.views.base import (
    AgentRequest,
    agent_page,
    conversation_url,
    page_of,
    parse_id,
    parse_ids,
    refuse,
    wants_part,
)
from tickets.views.inbox import show_conversation
from tickets.views.special_replies import special_part

HEAD_BYTES = 65_536  # static/desk/js/files.js sends as many
PLAIN_TEXT = "text/plain; charset=utf-8"
LONGEST_AGE_S = 30 * 86_400  # static/desk/js/kept.js keeps what waits for as long


@require_POST
@agent_page
def check_file(request: AgentRequest) -> HttpResponse:
    """Check whether a file that was just chosen can be sent: 204, 200 with its new name, or 422 with the reason.

    `head` holds its first bytes (at most HEAD_BYTES are read), `name` its name, `size` its bytes. Nothing is stored.
    """
    head, size = request.FILES.get("head"), request.POST.get("size", "")
    if head is None or not (size.isascii() and size.isdecimal() and len(size) < 16):
        reason = "Name the file, its size and its first bytes."  # English only: no page of Desk sends such a request
        return HttpResponse(reason, status=400, content_type=PLAIN_TEXT)
    try:
        name = request.POST.get("name", "")
        file = check_outgoing_head(head.read(HEAD_BYTES), int(size), name)
    except FileError as refused:
        return HttpResponse(translated(refused.sentence), status=422, content_type=PLAIN_TEXT)
    if file.name != safe_name(name):
        note = gettext("It is a %(type)s: sent as “%(name)s”.")
        return HttpResponse(note % {"type": translated(file.type.label), "name": file.name}, content_type=PLAIN_TEXT)
    return HttpResponse(status=204)


@require_POST
@agent_page
def reply(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Queue a reply: `text`, `files`, `reply_to_mid`. The same `client_key` twice makes one message.

    `canned_file` are ids of files of canned replies: copies of them are sent, before `files`. `canned` are the ids of
    the inserted canned replies. With `hold`, a reply that has to wait for the customer's next message is held until
    then; with `close`, the ticket is closed. With `kind` "note", add an internal note instead, with the `files`:
    `mention` are the keys of whom it mentions, `access` of whom it gives access, `told` of whom the agent knows that
    they are not notified. 422 with the reason when the message is refused: nothing was queued, and the composer still
    has everything that was typed. `seen` is the id of the newest message that the page shows: 409 when somebody else
    answered after it, so that the agent can read that answer first. With `sticker_id`, the reply is that sticker; with
    `template` (id) and `template_value`, it is made from that template of the Page. What was typed stays the agent's
    draft then. `writer` is the id of the user who wrote it: 403 for anybody else, who may have logged in meanwhile.
    With `waited`, the reply waited for the connection (static/desk/js/outbox.js), and a draft of something else stays.

    With `later` (a choice of the menu; `later_at` is the time of "time"), the reply is scheduled, also a sticker or a
    template, and with `cancel_if_customer_writes` cancelled when they write before; `later_age` is how many seconds ago
    the agent chose the time (or snooze), if the request waited. `scheduled` is the id of a scheduled reply that was
    taken back to edit: this one replaces it, with those of its files that are in `scheduled_file`. With `snooze` (a
    choice of that menu), the conversation is snoozed.
    """
    if request.POST.get("writer", str(request.user.pk)) != str(request.user.pk):
        return HttpResponse(status=403)
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    text, is_note = request.POST.get("text", ""), request.POST.get("kind") == "note"
    try:
        if is_note:
            notes.add_note(
                request.user,
                conversation,
                text,
                request.POST.get("client_key") or None,
                files=request.FILES.getlist("files"),
                wanted=wanted_of(request),
            )
        else:
            special = special_part(request, conversation)
            if later := _later(request):
                _schedule(request, conversation, text, later, special)
            else:
                parts = _queue(request, conversation, text, special)
                if special is None and not is_blank(text) and parts[0].text != clean_text(text):
                    return _refused(request, conversation, _came_before(parts[0].text), text)
            if special is None:
                if "waited" in request.POST:
                    drafts.discard_sent(request.user, conversation, text)
                else:
                    drafts.discard(request.user, conversation)
                canned_replies.count_use(request.user, conversation, parse_ids(request.POST.getlist("canned")))
            if "close" in request.POST:
                actions.close(request.user, conversation)
            if "snooze" in request.POST:
                _snooze(request, conversation)
    except TooLateError as too_late:
        return _too_late(request, conversation, too_late, text)
    except (ReplyError, Refused) as refused:
        return _refused(request, conversation, str(refused), text)
    except AnsweredMeanwhileError as meanwhile:
        return _ask_first(request, conversation, meanwhile.message, text)
    return show_fresh(request, conversation, is_after_reply=not is_note)


def _queue(
    request: AgentRequest, conversation: Conversation, text: str, special: replies.SpecialPart | None
) -> list[Message]:
    """Put the reply into the outbox; it takes the place of a scheduled one that was taken back."""
    with _stored_files(request, conversation) as stored:
        parts = replies.queue_reply(
            request.user,
            conversation,
            text=text,
            files=[*stored, *request.FILES.getlist("files")],
            reply_to_mid=request.POST.get("reply_to_mid", ""),
            client_key=request.POST.get("client_key") or None,
            hold="hold" in request.POST,
            seen=_newest_seen(request),
            special=special,
        )
    replaced = parse_id(request.POST.get("scheduled", ""))
    if special is None and conversation.has_scheduled:
        scheduled_replies.discard_replaced(request.user, conversation, replaced, request.POST.get("client_key"))
    return parts


def _later(request: AgentRequest) -> str:
    """Return the choice of *Send later*; "" when the reply is sent now.

    A time without a choice is one too: in a browser without scripts, Enter in that field presses the first button.
    """
    return request.POST.get("later", "") or ("time" if request.POST.get("later_at") else "")


def _schedule(
    request: AgentRequest, conversation: Conversation, text: str, later: str, special: replies.SpecialPart | None
) -> None:
    if scheduled_replies.is_known(conversation, request.POST.get("client_key")):
        return  # a repeated request: its time may be over by now
    zone = timezone.get_current_timezone()
    wall, age = request.POST.get("later_at", ""), _later_age(request)
    form = special.form if special else None
    send_at = scheduled_times.time_of_choice(conversation, later, wall, zone, age, form)
    with _stored_files(request, conversation) as stored:
        scheduled_replies.schedule(
            request.user,
            conversation,
            send_at,
            text=text,
            files=[*stored, *request.FILES.getlist("files")],
            reply_to_mid=request.POST.get("reply_to_mid", ""),
            client_key=request.POST.get("client_key") or None,
            cancel_if_customer_writes="cancel_if_customer_writes" in request.POST,
            replaces=None if special else parse_id(request.POST.get("scheduled", "")),
            special=special,
        )


def _later_age(request: AgentRequest) -> timedelta:
    """Return how long ago the agent chose when to send it; none when the page does not say so."""
    seconds = parse_id(request.POST.get("later_age", "")) or 0
    return timedelta(seconds=min(seconds, LONGEST_AGE_S))


def _snooze(request: AgentRequest, conversation: Conversation) -> None:
    """Snooze after sending. The reply is on its way: a refusal, as of a closed ticket, is none of it."""
    with suppress(Refused):
        zone = timezone.get_current_timezone()
        snoozes.snooze_by_choice(request.user, conversation, request.POST["snooze"], "", zone, _later_age(request))


def _too_late(request: AgentRequest, conversation: Conversation, too_late: TooLateError, text: str) -> HttpResponse:
    """Say when the window closes, in the agent's time zone, and offer the latest time."""
    context = {"closes_at": too_late.closes_at, "latest": too_late.latest}
    if wants_part(request):
        return render(request, "tickets/_too_late.html", context, status=422)
    words = render_to_string("tickets/_too_late_sentence.html", context).strip()
    return _show_again(request, conversation, words, text, status=422)


def wanted_of(request: AgentRequest) -> Wanted:
    """Return what the agent chose about the mentions of a note."""
    given = targets_of(request.POST.getlist("access"))
    return Wanted(
        targets_of(request.POST.getlist("mention")),
        frozenset(target.pk for target in given if target.kind == AGENT),
        frozenset(targets_of(request.POST.getlist("told"))),
    )


def targets_of(keys: list[str]) -> tuple[Target, ...]:
    """Return the targets that these keys name, without those that name none."""
    return tuple(target for key in keys[: 2 * MAX_TARGETS] if (target := parse_key(key)) is not None)


def _came_before(words: str) -> str:
    """Return the sentence for a reply that was changed after its first attempt, which had come through."""
    reason = gettext("Your first attempt was delivered: “%(text)s”. Your later edits were not sent.")
    return reason % {"text": cut(words, 200)}


@contextmanager
def _stored_files(request: AgentRequest, conversation: Conversation) -> Iterator[Sequence[replies.NamedFile]]:
    """Open the files of a scheduled reply and of canned replies that the reply has; none when it is stored already."""
    key = request.POST.get("client_key")
    if replies.is_queued(conversation, key):
        yield ()
        return
    usable = canned_replies.usable(request.user, conversation)
    kept = scheduled_files.opened(conversation, parse_ids(request.POST.getlist("scheduled_file")))
    with kept as scheduled, canned_files.opened(usable, parse_ids(request.POST.getlist("canned_file"))) as canned:
        yield [*scheduled, *canned]


def _newest_seen(request: AgentRequest) -> int | None:
    return parse_id(request.POST.get("seen", ""))


def _ask_first(request: AgentRequest, conversation: Conversation, answer: Message, text: str) -> HttpResponse:
    """Show the answer of somebody else instead of sending; the agent then decides whether to send."""
    context = {"answer": answer, "who": who_answered(answer)}
    if wants_part(request):
        return render(request, "tickets/_reply_collision.html", context, status=409)
    sentence = render_to_string("tickets/_reply_collision_sentence.html", context).strip()
    return _show_again(request, conversation, sentence, text, status=409)


def _refused(request: AgentRequest, conversation: Conversation, sentence: str, text: str) -> HttpResponse:
    if wants_part(request):
        return render(request, "tickets/_refusal.html", {"sentence": sentence}, status=422)
    return _show_again(request, conversation, sentence, text, status=422)


def _show_again(
    request: AgentRequest, conversation: Conversation, sentence: str, text: str, status: int
) -> HttpResponse:
    """Show the whole page with what was typed, for browsers without scripts."""
    drafts.save(request.user, conversation, text)
    query = pages.list_query(request)
    context = {**pages.conversation_context(request, conversation, query), "refusal": sentence, "draft": text}
    return show_conversation(request, query, context, status=status)


def show_fresh(request: AgentRequest, conversation: Conversation, *, is_after_reply: bool = False) -> HttpResponse:
    """Show the conversation after a change: its new state for an open page, else a redirect to the page itself."""
    if not wants_part(request):
        asks = is_after_reply and assign_question.asks(request, conversation)
        return redirect(page_of(request, conversation.pk) + (f"?{assign_question.AFTER_REPLY}=1" if asks else ""))
    version = versions.version()
    fresh = access.get_conversation(request.user, conversation.pk, request.facts)
    context = {
        **pages.state_context(request.user, request.facts, fresh, version),
        "page": thread_pages.newest_page(fresh),
        "asks_to_assign": is_after_reply and assign_question.asks(request, fresh),
        "asked_to_assign": is_after_reply,
    }
    return render(request, "tickets/_changed_thread.html", context)


@require_http_methods(["GET", "POST"])
@agent_page
def draft(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """POST: save what was typed so far. GET: return the user's draft as plain text.

    `known` are the texts of the draft that the page knows: 409 with the draft when it is none of them.
    """
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    if request.method == "GET":
        return HttpResponse(drafts.read(request.user, conversation), content_type=PLAIN_TEXT)
    known = request.POST.getlist("known") if "known" in request.POST else None
    other = drafts.save(request.user, conversation, request.POST.get("text", ""), known)
    if other is not None:
        return HttpResponse(other, status=409, content_type=PLAIN_TEXT)
    return HttpResponse(status=204)


SENDS: dict[str, Callable[[User, Message, int | None], Message]] = {
    "retry": undelivered.retry,
    "release": undelivered.release,
    "resend": undelivered.resend,
    "send-as-two": undelivered.send_as_two,
}
CHOICES: dict[str, Callable[[User, Message], object]] = {
    "wait": undelivered.hold_until_customer_writes,
    "edit": undelivered.cancel,
    "cancel": undelivered.cancel,
    "arrived": undelivered.mark_arrived,
}


@require_POST
@agent_page
def settle(request: AgentRequest, conversation_id: int, message_id: int, choice: str) -> HttpResponse:
    """Do what the agent chose for a reply that failed, is held or unsure.

    "edit" cancels it and adds its text to the draft.

    409 when the choice sends the reply and somebody else answered after it was written; the page asks the agent, and
    requests this again with the id of that answer as `seen`.
    """
    if choice not in SENDS and choice not in CHOICES:
        raise Http404("There is no such choice.")  # English only: no page shows it
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    outgoing = conversation.messages.filter(direction=Message.Direction.OUT, kind=Message.Kind.MESSAGE)
    message = outgoing.select_related("conversation").filter(pk=message_id).first()
    if message is None:
        raise Http404("There is no such reply in this conversation.")  # English only: no page shows it
    try:
        if choice in SENDS:
            SENDS[choice](request.user, message, _newest_seen(request))
        else:
            CHOICES[choice](request.user, message)
    except AnsweredMeanwhileError as meanwhile:
        return _ask_again(request, conversation, message, choice, meanwhile.message)
    except ReplyError as refused:
        return refuse(request, str(refused), page_of(request, conversation.pk))
    if choice == "edit":
        typed = drafts.read(request.user, conversation)
        drafts.save(request.user, conversation, f"{typed.rstrip()}\n\n{message.text}" if typed else message.text)
        if not wants_part(request):
            return redirect(conversation_url(conversation.pk))  # the text is in its composer
    return show_fresh(request, conversation)


def _ask_again(
    request: AgentRequest, conversation: Conversation, message: Message, choice: str, answer: Message
) -> HttpResponse:
    """Show the answer given since the reply was written instead of sending; the agent decides whether it still fits."""
    asked = {"message": message, "choice": choice, "answer": answer, "who": who_answered(answer)}
    if wants_part(request):
        return render(request, "tickets/_reply_collision_question.html", {"asked": asked}, status=409)
    query = pages.list_query(request)
    context = {**pages.conversation_context(request, conversation, query), "asked": asked}
    return show_conversation(request, query, context, status=409)
