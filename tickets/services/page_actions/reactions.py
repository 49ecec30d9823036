"""The Page's reactions to what customers wrote. One row per message holds the last wish; the queue is only a nudge.

A claim is committed before its call, and while a call is under way a newer wish waits for its end: what Meta hears last
is what was wished last. A call whose outcome is unknown is made again, since reacting twice is reacting once.
"""

import logging
import time
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from channels_im.messenger import send_api
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.models import Page
from channels_im.services.facebook import connection
from desk.models import User
from desk.queue import enqueue
from tickets.models import Message, MessageChange, PageReaction
from tickets.rules import sending
from tickets.rules.emoji import is_emoji
from tickets.rules.sending import Refusal, Verdict
from tickets.services.conversation import message_changes, messages
from tickets.services.outgoing import replies
from tickets.services.outgoing.replies import ReplyError

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.send_reactions"
LONGEST_RUN_S = 20
MOST_TRIES = 5  # a reaction that comes much later says something else
OWN_KEYS = ("message:", "postback:")  # what stands for a mid that Meta did not give (messenger/events.py)
BROKEN = "Something went wrong in Desk itself; the log says what."
NO_ANSWER = "Facebook did not take it. Try it again later."

State = PageReaction.State


def may_be_reacted_to(message: Message) -> bool:
    """Say whether Meta knows this as a message of the customer that is still there."""
    is_theirs = message.direction == Message.Direction.IN and message.kind == Message.Kind.MESSAGE
    return is_theirs and bool(message.mid) and not message.mid.startswith(OWN_KEYS) and message.withdrawn_at is None


def shown(message: Message) -> str:
    """Return the Page's reaction that the customer sees, or ""."""
    return next((str(each["emoji"]) for each in message.reactions if each.get("by") == "page"), "")


def react(user: User, message: Message, emoji: str) -> None:
    """Wish for `emoji` as the Page's reaction to `message` ("": none). Raises ReplyError.

    The rules of a reply decide: whoever may not answer here may not react either.
    """
    if emoji and not is_emoji(emoji):
        raise ReplyError(_no("A reaction is one emoji. Choose one from the list."))
    if not may_be_reacted_to(message):
        raise ReplyError(_no("This message cannot be reacted to."))
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
        if emoji == shown(message) and (is_new or not was_tried):
            row.delete()  # the customer sees it so already: Meta has nothing to hear
        else:
            row.author, row.emoji, row.state, row.reason = user, emoji, State.WAITING, ""
            row.attempts, row.due_at = row.attempts if was_waiting else 0, timezone.now()
            row.save(update_fields=["author", "emoji", "state", "reason", "attempts", "due_at"])
            enqueue(TASK)
        messages.announce(message.conversation)


def dismiss(message: Message) -> None:
    """Forget a wish that was refused."""
    with transaction.atomic():
        messages.lock(message.conversation)
        if PageReaction.objects.filter(message=message, state=State.REFUSED).delete()[0]:
            messages.announce(message.conversation)


def due() -> QuerySet[PageReaction, PageReaction]:
    """Return the wishes Meta can be told of now: no call for them is under way and their Page is not limited."""
    now = timezone.now()
    return PageReaction.objects.filter(
        Q(claimed_until=None) | Q(claimed_until__lte=now),
        Q(message__page__rate_limited_until=None) | Q(message__page__rate_limited_until__lte=now),
        due_at__lte=now,
    )


def is_due() -> bool:
    """Say whether a reaction waits to be sent."""
    return due().exists()


def send_reactions() -> int:
    """Tell Meta of all that is due; return how many rows that were. Stops after a while, nudging itself."""
    began, count = time.monotonic(), 0
    while row := _claim():
        count += 1
        verdict = _ask(row)
        if verdict.allowed:
            _settle(row, _send(row))
        else:
            _write(row, State.REFUSED, verdict.sentence)
        if time.monotonic() - began > LONGEST_RUN_S:
            enqueue(TASK)
            break
    return count


def _claim() -> PageReaction | None:
    related = ("author", "message__conversation__contact", "message__conversation__channel__page")
    for row in due().select_related(*related).order_by("due_at", "pk")[:20]:
        claim, until = uuid.uuid4().hex, timezone.now() + timedelta(seconds=settings.DESK_CLAIM_SECONDS)
        same = PageReaction.objects.filter(pk=row.pk, claimed_by=row.claimed_by, emoji=row.emoji, due_at=row.due_at)
        if same.update(claimed_by=claim, claimed_until=until, attempts=F("attempts") + 1):
            row.claimed_by = claim
            row.attempts += 1
            return row
    return None


def _ask(row: PageReaction) -> Verdict:
    """Ask once more, just before the call, whether this author may say something here."""
    facts = replies.facts_of(row.author, row.message.conversation, author_is_human=True, now=timezone.now())
    verdict = sending.may_send(facts)
    if verdict.code == Refusal.NOT_ASSOCIATED:
        return _no(f"{row.author} can no longer reply in this conversation.")
    return verdict


def _send(row: PageReaction) -> Exception | None:
    conversation = row.message.conversation
    page, payload = conversation.channel.page, {"message_id": row.message.mid}
    if row.emoji:
        payload["reaction"] = row.emoji
    action = "react" if row.emoji else "unreact"
    try:
        send_api.sender_action(page.page_token, page.page_id, conversation.contact.psid, action, payload)
    except GraphError as error:
        logger.warning("The %s was not sent: %s", row, error)
        return error
    except Exception as error:
        logger.exception("The %s could not be sent", row)
        return error
    return None


def _settle(row: PageReaction, error: Exception | None) -> None:
    if error is None:
        _write(row, State.TOLD)
        return
    if not isinstance(error, GraphError):
        _write(row, State.REFUSED, BROKEN)
        return
    page, verdict = row.message.conversation.channel.page, error.verdict
    pause = sending.retry_pause(row.attempts, settings.DESK_RETRY_BASE_SECONDS)
    if verdict.kind is ErrorKind.RATE_LIMITED:
        connection.limit_rate(page, timedelta(seconds=error.retry_after_s) if error.retry_after_s else pause)
        _write(row, State.WAITING, again_after=timedelta(0))
    elif verdict.retry or verdict.outcome_unknown:
        if row.attempts < MOST_TRIES:
            _write(row, State.WAITING, again_after=pause)
        else:
            _write(row, State.REFUSED, NO_ANSWER)
    else:
        if verdict.kind is ErrorKind.REAUTHENTICATE:
            connection.require_reauth(page, verdict.reason, Page.DetectedBy.SEND, token=page.page_token)
        _write(row, State.REFUSED, verdict.sentence)


def _write(row: PageReaction, state: str, reason: str = "", again_after: timedelta | None = None) -> None:
    """Write what came of a claimed row; a newer wish stays as it is, and is told next."""
    conversation, now = row.message.conversation, timezone.now()
    with transaction.atomic():
        messages.lock(conversation)
        claimed = PageReaction.objects.filter(pk=row.pk, claimed_by=row.claimed_by)
        due_at = None if again_after is None else now + again_after
        done = claimed.filter(emoji=row.emoji).update(
            state=state, reason=reason, due_at=due_at, claimed_by="", claimed_until=None
        )
        if not done and claimed.update(claimed_by="", claimed_until=None):
            enqueue(TASK)
        if state == State.TOLD:
            _show(row)
        messages.announce(conversation)


def _show(row: PageReaction) -> None:
    """The customer sees it now: the same way as Meta would tell of it, so that what it tells later does no harm."""
    message_changes.receive(
        row.message.conversation.channel.page,
        row.message.mid,
        key=f"desk-reaction:{row.pk}:{row.claimed_by}",
        kind=MessageChange.Kind.REACTION,
        at=timezone.now(),
        by="page",
        emoji=row.emoji,
    )


def _no(sentence: str) -> Verdict:
    return Verdict(False, Refusal.NOT_POSSIBLE, sentence)
