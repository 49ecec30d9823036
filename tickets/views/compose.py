"""What an agent writes (replies with files, notes, drafts), and what they do with a reply that was not sent."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from channels_im.messenger.attachment_cards import THUMBS_UP
from channels_im.messenger.files import FileError, check_outgoing_head, safe_name
from channels_im.messenger.template_texts import MAX_VALUE_CHARS
from desk.errors import Refused
from desk.live import versions
from desk.models import User
from desk.text import cut, is_blank
from tickets.models import Conversation, Message
from tickets.rules import sent_as
from tickets.rules.sending import clean_text
from tickets.services.conversation import access
from tickets.services.inbox import actions, canned_files, canned_replies, drafts
from tickets.services.outgoing import replies, stickers, template_replies, undelivered
from tickets.services.outgoing.collision import AnsweredMeanwhileError, author_in_words
from tickets.services.outgoing.replies import ReplyError
from tickets.views import pages, thread_items
from tickets.views.base import AgentRequest, agent_page, conversation_url, parse_id, parse_ids, refuse, wants_part
from tickets.views.inbox import show_conversation

HEAD_BYTES = 65_536  # static/desk/js/files.js sends as many
PLAIN_TEXT = "text/plain; charset=utf-8"
CAME_BEFORE = "Your first attempt was delivered: “{}”. Your later edits were not sent."


@require_POST
@agent_page
def check_file(request: AgentRequest) -> HttpResponse:
    """Check whether a file that was just chosen can be sent: 204, 200 with its new name, or 422 with the reason.

    `head` holds its first bytes (at most HEAD_BYTES are read), `name` its name, `size` its bytes. Nothing is stored.
    """
    head, size = request.FILES.get("head"), request.POST.get("size", "")
    if head is None or not (size.isascii() and size.isdecimal() and len(size) < 16):
        return HttpResponse("Name the file, its size and its first bytes.", status=400, content_type=PLAIN_TEXT)
    try:
        name = request.POST.get("name", "")
        file = check_outgoing_head(head.read(HEAD_BYTES), int(size), name)
    except FileError as refused:
        return HttpResponse(refused.sentence, status=422, content_type=PLAIN_TEXT)
    if file.name != safe_name(name):
        return HttpResponse(f"It is a {file.type.label}: sent as “{file.name}”.", content_type=PLAIN_TEXT)
    return HttpResponse(status=204)


@require_POST
@agent_page
def reply(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Queue a reply: `text`, `files`, `reply_to_mid`. The same `client_key` twice makes one message.

    `canned_file` are ids of files of canned replies: copies of them are sent, before `files`. `canned` are the ids of
    the inserted canned replies. With `hold`, a reply that has to wait for the customer's next message is held until
    then; with `close`, the ticket is closed. With `kind` "note", add an internal note instead. 422 with the reason when
    the reply is refused: nothing was queued, and the composer still has everything that was typed. `seen` is the id of
    the newest message that the page shows: 409 when somebody else answered after it, so that the agent can read that
    answer first. With `sticker_id`, the reply is that sticker; with `template` (id) and `template_value`, it is made
    from that template of the Page. What was typed stays the agent's draft then.
    """
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    text = request.POST.get("text", "")
    try:
        if request.POST.get("kind") == "note":
            actions.add_note(request.user, conversation, text, request.POST.get("client_key") or None)
        else:
            special = _special_part(request, conversation)
            with _canned_files(request, conversation) as canned:
                parts = replies.queue_reply(
                    request.user,
                    conversation,
                    text=text,
                    files=[*canned, *request.FILES.getlist("files")],
                    reply_to_mid=request.POST.get("reply_to_mid", ""),
                    client_key=request.POST.get("client_key") or None,
                    hold="hold" in request.POST,
                    seen=_newest_seen(request),
                    special=special,
                )
            if special is None:
                if not is_blank(text) and parts[0].text != clean_text(text):
                    return _refused(request, conversation, CAME_BEFORE.format(cut(parts[0].text, 200)), text)
                drafts.discard(request.user, conversation)
                canned_replies.count_use(request.user, conversation, parse_ids(request.POST.getlist("canned")))
            if "close" in request.POST:
                actions.close(request.user, conversation)
    except (ReplyError, Refused) as refused:
        return _refused(request, conversation, str(refused), text)
    except AnsweredMeanwhileError as meanwhile:
        return _ask_first(request, conversation, meanwhile.message, text)
    return show_fresh(request, conversation)


def _canned_files(
    request: AgentRequest, conversation: Conversation
) -> AbstractContextManager[Sequence[replies.NamedFile]]:
    """Open the files of canned replies that the reply has; none when it was queued already."""
    if replies.is_queued(conversation, request.POST.get("client_key")):
        return nullcontext(())
    usable = canned_replies.usable(request.user, conversation)
    return canned_files.opened(usable, parse_ids(request.POST.getlist("canned_file")))


def _special_part(request: AgentRequest, conversation: Conversation) -> replies.SpecialPart | None:
    """Return the sticker or template that the reply consists of; None for text and files."""
    sticker_id, template_id = request.POST.get("sticker_id", ""), request.POST.get("template", "")
    if sticker_id:
        return stickers.part_of(request.user, sticker_id)
    if template_id:
        values = request.POST.getlist("template_value")
        return template_replies.part_by_id(conversation, parse_id(template_id), values)
    return None


@require_GET
@agent_page
def template_choice(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show the approved templates of the Page with a field for each placeholder, filled in where it is known."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    context = {
        "conversation": conversation,
        "templates": template_replies.choices(conversation),
        "value_limit": MAX_VALUE_CHARS,
    }
    return render(request, "tickets/_templates.html", context)


@require_GET
@agent_page
def sticker_choice(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show the stickers that can be sent, for the composer's picker."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    verdict = replies.may_send(request.user, conversation, form=sent_as.of_sticker(next(iter(THUMBS_UP))))
    context = {
        "thumbs": list(THUMBS_UP.items()),
        "stickers": stickers.seen(request.user),
        "refusal": verdict.sentence,
    }
    return render(request, "tickets/_stickers.html", context)


def _newest_seen(request: AgentRequest) -> int | None:
    return parse_id(request.POST.get("seen", ""))


def _ask_first(request: AgentRequest, conversation: Conversation, answer: Message, text: str) -> HttpResponse:
    """Show the answer of somebody else instead of sending; the agent then decides whether to send."""
    context = {"answer": answer, "who": author_in_words(answer)}
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


def show_fresh(request: AgentRequest, conversation: Conversation) -> HttpResponse:
    """Show the conversation after a change: its new state for an open page, else a redirect to the page itself."""
    if not wants_part(request):
        return redirect(conversation_url(conversation.pk))
    version = versions.version()
    fresh = access.get_conversation(request.user, conversation.pk, request.facts)
    context = {
        **pages.state_context(request.user, request.facts, fresh, version),
        "page": thread_items.newest_page(fresh),
    }
    return render(request, "tickets/_changed_thread.html", context)


@require_http_methods(["GET", "POST"])
@agent_page
def draft(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """POST: save what was typed so far. GET: return the user's draft as plain text."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    if request.method == "GET":
        return HttpResponse(drafts.read(request.user, conversation), content_type=PLAIN_TEXT)
    drafts.save(request.user, conversation, request.POST.get("text", ""))
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
        raise Http404("There is no such choice.")
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    outgoing = conversation.messages.filter(direction=Message.Direction.OUT, kind=Message.Kind.MESSAGE)
    message = outgoing.select_related("conversation").filter(pk=message_id).first()
    if message is None:
        raise Http404("There is no such reply in this conversation.")
    try:
        if choice in SENDS:
            SENDS[choice](request.user, message, _newest_seen(request))
        else:
            CHOICES[choice](request.user, message)
    except AnsweredMeanwhileError as meanwhile:
        return _ask_again(request, conversation, message, choice, meanwhile.message)
    except ReplyError as refused:
        return refuse(request, str(refused), conversation_url(conversation.pk))
    if choice == "edit":
        typed = drafts.read(request.user, conversation)
        drafts.save(request.user, conversation, f"{typed.rstrip()}\n\n{message.text}" if typed else message.text)
    return show_fresh(request, conversation)


def _ask_again(
    request: AgentRequest, conversation: Conversation, message: Message, choice: str, answer: Message
) -> HttpResponse:
    """Show the answer given since the reply was written instead of sending; the agent decides whether it still fits."""
    asked = {"message": message, "choice": choice, "answer": answer, "who": author_in_words(answer)}
    if wants_part(request):
        return render(request, "tickets/_reply_collision_question.html", {"asked": asked}, status=409)
    query = pages.list_query(request)
    context = {**pages.conversation_context(request, conversation, query), "asked": asked}
    return show_conversation(request, query, context, status=409)
