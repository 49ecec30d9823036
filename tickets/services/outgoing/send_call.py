"""One call to the Send API: made from a claimed row, and its outcome written back. The loop around it is `outbox`."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, BinaryIO

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from channels_im.messenger import files as file_rules
from channels_im.messenger import send_api
from channels_im.messenger.errors import ErrorKind, GraphError, GraphUnreachable, Verdict
from channels_im.messenger.send_api import SendResult
from channels_im.messenger.send_policy import SendPolicy
from channels_im.models import Page
from channels_im.services.facebook import connection
from tickets.models import Message
from tickets.rules import sending
from tickets.rules.window import policy
from tickets.services.conversation import access, messages
from tickets.services.conversation.times import now_ms
from tickets.services.outgoing import delivery_status, replies
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

State = Message.State
FILE_IS_GONE = "The file is no longer in Desk's storage. Attach it again."
PREPARING_FAILED = "Something went wrong in Desk before sending. It will be tried again."
UNEXPECTED = "Something went wrong in Desk while sending. It finds out whether the message arrived."
# What an administrator, the customer's app or time heals: the message itself is good and is kept to be released.
HEALS_ELSEWHERE = frozenset(
    {
        ErrorKind.WINDOW_CLOSED,
        ErrorKind.OTHER_APP_CONTROLS,
        ErrorKind.REAUTHENTICATE,
        ErrorKind.PAGE_RESTRICTED,
        ErrorKind.APP_MISCONFIGURED,
    }
)
TROUBLES = (ErrorKind.PAGE_RESTRICTED, ErrorKind.APP_MISCONFIGURED)


@dataclass(frozen=True)
class SendCall:
    """Everything a thread needs to send one part; it asks no database. `metadata` comes back in the echo."""

    message: Message = field(repr=False)
    token: str = field(repr=False)
    page_id: str
    psid: str
    policy: SendPolicy
    metadata: str
    file: BinaryIO | None = field(default=None, repr=False)
    filename: str = ""
    content_type: str = ""
    attachment_type: str = ""

    def make(self) -> SendResult:
        """Call Meta. Raises the errors of `messenger.client.GraphClient`."""
        common: dict[str, Any] = {
            "policy": self.policy,
            "metadata": self.metadata,
            "reply_to_mid": self.message.reply_to_mid or None,
        }
        if self.file is None:
            return send_api.send_text(self.token, self.page_id, self.psid, self.message.text, **common)
        with self.file as file:
            return send_api.send_file(
                self.token,
                self.page_id,
                self.psid,
                file=file,
                filename=self.filename,
                content_type=self.content_type,
                attachment_type=self.attachment_type,
                **common,
            )


def prepare(message: Message, seen_by: dict[int, access.UserFacts]) -> SendCall | None:
    """Ask once more whether a claimed row may be sent, and return the call; None when it was held or failed instead.

    `message` was read after the claim, with its conversation, contact, channel, Page and author. `seen_by` keeps what
    authors may see (by their id) for the other rows of the same claim.
    """
    conversation, author = message.conversation, message.author
    is_human = message.source == Message.Source.AGENT
    if author is not None and author.pk not in seen_by:
        seen_by[author.pk] = access.facts_for(author)
    sees = seen_by[author.pk] if author is not None else None
    facts = replies.facts_of(author, conversation, author_is_human=is_human, now=timezone.now(), sees=sees)
    verdict = sending.may_send(facts)
    under = policy(facts.window, is_human)
    if not verdict.allowed or under is None:
        sentence = verdict.sentence
        if verdict.code == sending.Refusal.NOT_ASSOCIATED:
            sentence = (
                f"{message.author} can no longer reply in this conversation. Another agent of it can send the reply."
            )
        _fail_or_hold(message, State.HELD, sentence)
        return None
    page = conversation.channel.page
    metadata = sending.metadata_of(message.pk)
    call = SendCall(message, page.page_token, page.page_id, conversation.contact.psid, under, metadata)
    attachment = message.attachments.first()
    if attachment is None:
        return call
    try:
        file = attachment.file.storage.open(attachment.file.name, "rb")
    except (OSError, ValueError):
        logger.exception("The file of message %s cannot be read", message.pk)
        _fail_or_hold(message, State.FAILED, FILE_IS_GONE)
        return None
    return SendCall(
        **{
            **vars(call),
            "file": file,
            "filename": attachment.name,
            "content_type": attachment.content_type,
            "attachment_type": file_rules.ATTACHMENT_TYPES[attachment.kind],
        }
    )


def record(call: SendCall, outcome: SendResult | Exception) -> None:
    """Write what became of a call on its row, unless the row was settled meanwhile (by its echo)."""
    message = call.message
    if isinstance(outcome, SendResult):
        delivery_status.confirm(message.pk, mid=outcome.mid, sent_at=now_ms(), proof=delivery_status.Evidence.ANSWER)
        connection.clear_trouble(message.conversation.channel.page, *TROUBLES)
    elif isinstance(outcome, GraphError):
        logger.warning("Message %s was not sent: %s", message.pk, outcome)
        _refused(call, outcome, outcome.verdict)
    else:
        logger.error("Message %s: an error nobody expected", message.pk, exc_info=outcome)
        _mark_unsure(message, UNEXPECTED)


def put_back(message: Message) -> None:
    """Queue a claimed row again that has not been given to Meta."""
    _retry_later(message, PREPARING_FAILED, _pause(message))


def _refused(call: SendCall, error: GraphError, verdict: Verdict) -> None:
    message, page = call.message, call.message.conversation.channel.page
    numbers = {"error_code": error.code, "error_subcode": error.subcode, "fbtrace_id": error.fbtrace_id or ""}
    if verdict.outcome_unknown:
        _mark_unsure(message, verdict.sentence, **numbers)
    elif verdict.kind == ErrorKind.RATE_LIMITED:
        _limit(page, message, error.retry_after_s)
        _retry_later(message, verdict.sentence, timedelta(0), **numbers)
    elif verdict.kind == ErrorKind.TRANSIENT:
        # Without a connection it is not Meta that refuses: that may last, and the window ends it.
        if message.attempts >= sending.MAX_ATTEMPTS and not isinstance(error, GraphUnreachable):
            _fail_or_hold(message, State.FAILED, f"{verdict.final_sentence} Try it again later.", **numbers)
        else:
            _retry_later(message, verdict.sentence, _pause(message), **numbers)
    elif verdict.kind == ErrorKind.REAUTHENTICATE and _has_another_token(page, call.token):
        _retry_later(message, "", timedelta(0))
    elif verdict.kind in HEALS_ELSEWHERE:
        if verdict.kind == ErrorKind.REAUTHENTICATE:
            connection.require_reauth(page, verdict.reason, Page.DetectedBy.SEND, token=call.token)
        elif verdict.kind in TROUBLES:
            connection.note_trouble(page, verdict.kind, verdict.sentence)
        _fail_or_hold(message, State.HELD, verdict.sentence, **numbers)
    else:
        _fail_or_hold(message, State.FAILED, verdict.sentence, **numbers)


def _has_another_token(page: Page, token: str) -> bool:
    """Say whether the Page was re-authenticated while the call with its old token was under way."""
    page.refresh_from_db()
    return page.is_connected and page.page_token not in (None, token)


def _pause(message: Message) -> timedelta:
    return sending.retry_pause(message.attempts, settings.DESK_RETRY_BASE_SECONDS)


def _limit(page: Page, message: Message, retry_after_s: int | None) -> None:
    """Let nothing more of this Page out until Meta allows it: the minutes of its header, else our own pause."""
    pause = timedelta(seconds=retry_after_s) if retry_after_s else _pause(message)
    connection.limit_rate(page, pause)


def _claimed_row(message: Message) -> Any:
    """Return the row if it is still in our hands: a claim is the state and who claimed it."""
    return Message.objects.filter(pk=message.pk, state=State.SENDING, claimed_by=message.claimed_by)


def _mark_unsure(message: Message, sentence: str, **numbers: Any) -> None:
    first_look = timezone.now() + delivery_status.grace()
    delivery_status.mark_unsure(message.pk, message.claimed_by, sentence, first_look=first_look, **numbers)


def _retry_later(message: Message, sentence: str, pause: timedelta, **numbers: Any) -> None:
    with transaction.atomic():
        retry_after = timezone.now() + pause if pause else None
        if _claimed_row(message).update(state=State.QUEUED, reason=sentence, retry_after=retry_after, **numbers):
            events.messages_updated(message.conversation, [message.pk], "state", "reason")
            messages.announce(message.conversation)


def _fail_or_hold(message: Message, state: str, sentence: str, **numbers: Any) -> None:
    """Fail or hold a row; what waits behind it in its conversation is held with it."""
    with transaction.atomic():
        conversation = delivery_status.lock_conversation_of(message.pk)
        changed = _claimed_row(message).update(state=state, reason=sentence, retry_after=None, **numbers)
        if conversation is None or not changed:
            return
        events.messages_updated(conversation, [message.pk], "state", "reason")
        delivery_status.hold_behind(conversation, message, delivery_status.BEHIND)
        messages.announce(conversation)
