"""Send the Page's reactions to customers' messages. One row per message holds the last request.

A claim is committed before its call, and while a call is under way a newer request waits for its end: the last call
carries the last request. A call whose outcome is unknown is repeated: a second identical reaction changes nothing. A
wake only says that there are rows.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from channels_im.messenger import send_api
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.services.facebook import page_errors
from channels_im.services.facebook.page_errors import Call
from desk import wake
from desk.claims import LatestRequests
from desk.models import User
from desk.sentences import sentence
from tickets.models import Message, MessageChange, PageReaction
from tickets.rules import sending
from tickets.rules.emoji import is_emoji
from tickets.rules.sending import Refusal, Verdict
from tickets.services.conversation import message_changes, messages
from tickets.services.outgoing import replies
from tickets.services.outgoing.replies import ReplyError

logger = logging.getLogger(__name__)

JOB = "reactions"
MAX_RUN_S = 20
MAX_ATTEMPTS = 5  # a reaction that arrives much later is misleading
OWN_KEYS = ("message:", "postback:")  # prefixes of keys in place of a mid that Meta did not send (messenger/events.py)
INTERNAL_ERROR = sentence("An error occurred in Desk. The log has the details.")
NO_ANSWER = sentence("Facebook did not accept it. Try again later.")

State = PageReaction.State
requests = LatestRequests(PageReaction, wanted=("emoji",))


def may_be_reacted_to(message: Message) -> bool:
    """Return whether this is a customer's message that Meta knows and that was not withdrawn."""
    is_theirs = message.direction == Message.Direction.IN and message.kind == Message.Kind.MESSAGE
    has_mid_of_meta = message.mid is not None and message.mid != "" and not message.mid.startswith(OWN_KEYS)
    return is_theirs and has_mid_of_meta and message.withdrawn_at is None


def page_reaction(message: Message) -> str:
    """Return the Page's reaction that the customer sees, or ""."""
    return next((str(reaction["emoji"]) for reaction in message.reactions if reaction.get("by") == "page"), "")


def react(user: User, message: Message, emoji: str) -> None:
    """Request `emoji` as the Page's reaction to `message` ("" removes it). Raises ReplyError.

    The rules for a reply apply: whoever may not reply may not react.
    """
    if emoji and not is_emoji(emoji):
        raise replies.not_possible(sentence("A reaction is one emoji. Choose one from the list."))
    if not may_be_reacted_to(message):
        raise replies.not_possible(sentence("You cannot react to this message."))
    verdict = replies.may_send(user, message.conversation)
    if not verdict.allowed:
        raise ReplyError(verdict)
    with transaction.atomic():
        messages.lock(message.conversation)
        message.refresh_from_db(fields=["reactions"])
        row, is_new = PageReaction.objects.get_or_create(
            message=message, defaults={"author": user, "emoji": emoji, "due_at": timezone.now()}
        )
        was_waiting = row.state == State.WAITING
        was_tried = was_waiting and (row.attempts > 0 or row.claimed_until is not None)
        if emoji == page_reaction(message) and (is_new or not was_tried):
            row.delete()  # the customer sees this reaction already: nothing to send
        else:
            row.author, row.emoji, row.state, row.reason = user, emoji, State.WAITING, ""
            row.attempts, row.due_at = row.attempts if was_waiting else 0, timezone.now()
            row.save(update_fields=["author", "emoji", "state", "reason", "attempts", "due_at"])
            wake.wake(JOB)
        messages.announce(message.conversation)


def dismiss(message: Message) -> None:
    """Delete a request that was refused."""
    with transaction.atomic():
        messages.lock(message.conversation)
        if PageReaction.objects.filter(message=message, state=State.REFUSED).delete()[0]:
            messages.announce(message.conversation)


def due() -> QuerySet[PageReaction, PageReaction]:
    """Return the requests to send now: not claimed by a running call, and their Page not rate limited."""
    limited_until = "message__page__rate_limited_until"
    return requests.due().filter(Q(**{limited_until: None}) | Q(**{f"{limited_until}__lte": timezone.now()}))


def is_due() -> bool:
    """Return whether a reaction waits to be sent."""
    return due().exists()


def send_reactions() -> int:
    """Send the reactions that are due; return how many rows were tried."""
    return requests.work(_claim, _handle, max_run_s=MAX_RUN_S)


def _claim() -> PageReaction | None:
    related = ("author", "message__conversation__contact", "message__conversation__channel__page")
    return requests.claim_first(due().select_related(*related))


def _handle(row: PageReaction) -> None:
    verdict = _check(row)
    if verdict.allowed:
        _record(row, _send(row))
    else:
        _write(row, State.REFUSED, verdict.sentence)


def _check(row: PageReaction) -> Verdict:
    """Check again, just before the call, whether the author may write in this conversation."""
    facts = replies.send_facts(row.author, row.message.conversation, author_is_human=True, now=timezone.now())
    verdict = sending.may_send(facts)
    if verdict.code == Refusal.NOT_ASSOCIATED:
        return replies.not_possible(
            sentence("%(colleague)s can no longer reply in this conversation.", colleague=row.author)
        ).verdict
    return verdict


def _send(row: PageReaction) -> Exception | None:
    conversation = row.message.conversation
    page, payload = conversation.channel.page, {"message_id": _mid(row)}
    if row.emoji:
        payload["reaction"] = row.emoji
    action = "react" if row.emoji else "unreact"
    try:
        send_api.sender_action(page.page_token or "", page.page_id, conversation.contact.psid, action, payload)
    except GraphError as error:
        logger.warning("The %s was not sent: %s", row, error)
        return error
    except Exception as error:
        logger.exception("The %s could not be sent", row)
        return error
    return None


def _record(row: PageReaction, error: Exception | None) -> None:
    """Write the outcome of a call to its row, and to the Page when the error concerns it."""
    if error is None:
        _write(row, State.TOLD)
        return
    if not isinstance(error, GraphError):
        _write(row, State.REFUSED, INTERNAL_ERROR)
        return
    page, verdict = row.message.conversation.channel.page, error.verdict
    pause = sending.retry_pause(row.attempts, settings.DESK_RETRY_BASE_SECONDS)
    page_errors.record(page, error, Call.REPLY, token=page.page_token, pause=pause)
    if verdict.kind is ErrorKind.RATE_LIMITED:
        _write(row, State.WAITING, again_after=timedelta(0))
    elif verdict.retry or verdict.outcome_unknown:
        if row.attempts < MAX_ATTEMPTS:
            _write(row, State.WAITING, again_after=pause)
        else:
            _write(row, State.REFUSED, NO_ANSWER)
    else:
        _write(row, State.REFUSED, verdict.sentence)


def _write(row: PageReaction, state: str, reason: str = "", again_after: timedelta | None = None) -> None:
    """Write the outcome to a claimed row; a newer request stays as it is and is sent next."""
    conversation, now = row.message.conversation, timezone.now()
    with transaction.atomic():
        messages.lock(conversation)
        due_at = None if again_after is None else now + again_after
        if not requests.finish(row, state=state, reason=reason, due_at=due_at):
            wake.wake(JOB)
        if state == State.TOLD:
            _apply_to_message(row)
        messages.announce(conversation)


def _apply_to_message(row: PageReaction) -> None:
    """Store the sent reaction on the message, as Meta's own event would: when that event comes, it changes nothing."""
    message_changes.receive(
        row.message.conversation.channel.page,
        _mid(row),
        key=f"desk-reaction:{row.pk}:{row.claimed_by}",
        kind=MessageChange.Kind.REACTION,
        at=timezone.now(),
        by="page",
        emoji=row.emoji,
    )


def _mid(row: PageReaction) -> str:
    """Return the mid of the row's message, which `may_be_reacted_to` required when the row was made."""
    return row.message.mid or ""
