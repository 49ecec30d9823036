"""Prepare one call to the Send API from a claimed row, and write its outcome to the row. `outbox` runs the calls."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from channels_im.messenger import files as file_rules
from channels_im.messenger import send_api, template_texts
from channels_im.messenger.errors import ErrorKind, GraphError, GraphUnreachable, Verdict
from channels_im.messenger.send_api import SendResult
from channels_im.messenger.send_policy import RESPONSE, SendPolicy
from channels_im.models import Page
from channels_im.services.facebook import connection, message_templates, page_errors
from channels_im.services.facebook.page_errors import Call
from desk import logs, metrics
from desk.sentences import sentence
from tickets.models import Conversation, Message
from tickets.rules import sending, sent_as, text_length
from tickets.rules.window import policy, window
from tickets.services.conversation import access, messages, notices
from tickets.services.conversation.times import now_ms
from tickets.services.outgoing import confirmations, delivery_status, replies, template_replies
from tickets.services.outgoing.confirmations import Answer
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

State = Message.State
FILE_IS_GONE = sentence("The file is no longer in Desk's storage. Attach it again.")
STORAGE_IS_AWAY = sentence("The storage for files does not answer. Desk will try again.")
PREPARING_FAILED = sentence("An error occurred in Desk before sending. Desk will try again.")
TRY_LATER = sentence("Try it again later.")
AD_WINDOW_CLOSED = sentence("Facebook says that the longer messaging window after an ad has closed.")
SENT_AS_A_PERSON = sentence("Desk sends the reply as one of a person.")
WAIT_FOR_CUSTOMER = sentence("You can reply again when the customer writes.")
TEMPLATE_REFUSED = sentence(
    "Facebook did not accept the template: it is not approved, was deleted, or its values do not fit. "
    "Choose another one."
)
STICKER_REFUSED = sentence("Facebook did not accept this sticker. Send another one, or a text or picture instead.")
UNEXPECTED = sentence("An error occurred in Desk while sending. Desk finds out whether the message arrived.")
# Errors that an administrator, another app or time resolves: the message itself is fine and is held to be released.
HOLDING_ERRORS = frozenset(
    {
        ErrorKind.WINDOW_CLOSED,
        ErrorKind.OTHER_APP_CONTROLS,
        ErrorKind.REAUTHENTICATE,
        ErrorKind.PAGE_RESTRICTED,
        ErrorKind.APP_MISCONFIGURED,
    }
)


@dataclass(frozen=True)
class SendCall:
    """Everything a thread needs to send one part without a query. Meta returns `metadata` in the echo."""

    message: Message = field(repr=False)
    token: str = field(repr=False)
    page_id: str
    psid: str
    policy: SendPolicy
    metadata: str
    file: IO[bytes] | None = field(default=None, repr=False)
    filename: str = ""
    content_type: str = ""
    attachment_type: str = ""
    template: sent_as.TemplateUse | None = field(default=None, repr=False)
    parameters: list[dict[str, Any]] = field(default_factory=list, repr=False)
    is_by_ad: bool = False  # only an ad keeps the window open in which this reply is sent

    def make(self) -> SendResult:
        """Call Meta and return its answer. Raises the errors of `messenger.client.GraphClient`."""
        common: dict[str, Any] = {
            "policy": self.policy,
            "metadata": self.metadata,
            "reply_to_mid": self.message.reply_to_mid or None,
        }
        if sticker_id := sent_as.sticker_in(self.message.sent_as):
            return send_api.send_sticker(self.token, self.page_id, self.psid, sticker_id, **common)
        if self.template is not None:
            name, language, parameters = self.template.name, self.template.language, self.parameters
            return send_api.send_template(self.token, self.page_id, self.psid, name, language, parameters, **common)
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


def prepare(message: Message, facts_by_author: dict[int, access.UserFacts]) -> SendCall | None:
    """Check again whether a claimed row may be sent, and return the call; None when it was held or failed instead.

    `message` was read after the claim, with its conversation, contact, channel, Page and author. `facts_by_author`
    caches the facts of authors, by user id, for the other rows of the same claim.
    """
    conversation, author = message.conversation, message.author
    is_human = message.source == Message.Source.AGENT
    if author is not None and author.pk not in facts_by_author:
        facts_by_author[author.pk] = access.facts_for(author)
    facts = replies.send_facts(
        author,
        conversation,
        author_is_human=is_human,
        now=timezone.now(),
        user_facts=facts_by_author[author.pk] if author is not None else None,
        form=message.sent_as,
    )
    verdict = sending.may_send(facts)
    send_policy = sending.send_policy(facts)
    if not verdict.allowed or send_policy is None:
        reason = verdict.sentence
        if verdict.code == sending.Refusal.NOT_ASSOCIATED:
            reason = sentence(
                "%(colleague)s can no longer reply in this conversation. Another agent of it can send the reply.",
                colleague=message.author,
            )
        _fail_or_hold(message, State.HELD, reason)
        return None
    page = conversation.channel.page
    metadata = sending.metadata_for(message.pk)
    is_by_ad = facts.window.is_by_ad and send_policy == RESPONSE and not _wrote_within_a_day(conversation)
    call = SendCall(
        message,
        page.page_token or "",
        page.page_id,
        conversation.contact.psid,
        send_policy,
        metadata,
        is_by_ad=is_by_ad,
    )
    if use := sent_as.template_in(message.sent_as):
        template = template_replies.template_of(page, use)
        if template is None or len(use.values) != len(template_texts.placeholders(template.body)):
            _fail_or_hold(message, State.FAILED, TEMPLATE_REFUSED)
            return None
        return replace(call, template=use, parameters=template_texts.parameters(template.body, use.values))
    attachment = next(iter(message.attachments.all()), None)  # they were read with the row
    if attachment is None or message.sent_as:
        return call
    try:
        file = attachment.file.storage.open(attachment.file.name or "", "rb")
    except (FileNotFoundError, ValueError):
        logger.exception("The file of message %s is gone", message.pk)
        _fail_or_hold(message, State.FAILED, FILE_IS_GONE)
        return None
    except OSError:
        logger.exception("The file of message %s cannot be read now", message.pk)
        _retry_later(message, STORAGE_IS_AWAY, _pause(message))
        return None
    return replace(
        call,
        file=file,
        filename=attachment.name,
        content_type=attachment.content_type,
        attachment_type=file_rules.ATTACHMENT_TYPES[attachment.kind],
    )


def _wrote_within_a_day(conversation: Conversation) -> bool:
    return window(conversation.last_customer_message_at, timezone.now(), human_agent=False).is_open


def record(outcomes: Sequence[tuple[SendCall, SendResult | Exception]]) -> None:
    """Write the outcomes of calls to their rows, unless a row was settled meanwhile (by its echo)."""
    answers = []
    for call, outcome in outcomes:
        if isinstance(outcome, SendResult):
            metrics.SENDS.add("sent")
            answers.append(Answer(call.message, outcome.mid))
    confirmations.confirm_answers(answers, now_ms())
    for page in {answer.message.page_id: answer.message.conversation.channel.page for answer in answers}.values():
        connection.clear_trouble(page, *page_errors.TROUBLES)
    for call, outcome in outcomes:
        if not isinstance(outcome, SendResult):
            with working_on(call.message):
                _record_failure(call, outcome)


def working_on(message: Message) -> AbstractContextManager[None]:
    """Add the ids of the message and its conversation to what is logged inside."""
    return logs.working_on(message_id=message.pk, conversation_id=message.conversation_id)


def _record_failure(call: SendCall, outcome: Exception) -> None:
    message = call.message
    if isinstance(outcome, GraphError):
        logger.warning("Message %s was not sent: %s", message.pk, outcome)
        _record_error(call, outcome, outcome.verdict)
    else:
        logger.error("Message %s: unexpected error while sending", message.pk, exc_info=outcome)
        _mark_unsure(message, UNEXPECTED)


def release_claim(message: Message) -> None:
    """Queue a claimed row again whose call was not made."""
    _retry_later(message, PREPARING_FAILED, _pause(message))


def give_back(calls: Sequence[SendCall]) -> None:
    """Queue claimed rows again as if they had not been claimed: their calls were not made."""
    for call in calls:
        if call.file is not None:
            call.file.close()
    delivery_status.CLAIMS.release([call.message for call in calls], retry_after=None)


def _record_error(call: SendCall, error: GraphError, verdict: Verdict) -> None:
    message, page = call.message, call.message.conversation.channel.page
    details = {"error_code": error.code, "error_subcode": error.subcode, "fbtrace_id": error.fbtrace_id or ""}
    if verdict.outcome_unknown:
        _mark_unsure(message, verdict.sentence, **details)
    elif verdict.kind == ErrorKind.RATE_LIMITED:
        page_errors.record(page, error, Call.REPLY, token=call.token, pause=_pause(message))
        _retry_later(message, verdict.sentence, timedelta(0), **details)
    elif verdict.kind == ErrorKind.TRANSIENT:
        # When Meta cannot be reached, retries go on until the window closes: that is no refusal.
        if message.attempts >= sending.MAX_ATTEMPTS and not isinstance(error, GraphUnreachable):
            reason = f"{verdict.final_sentence} {TRY_LATER}"
            _fail_or_hold(message, State.FAILED, reason, **details)
        else:
            _retry_later(message, verdict.sentence, _pause(message), **details)
    elif verdict.kind == ErrorKind.REAUTHENTICATE and _has_another_token(page, call.token):
        _retry_later(message, "", timedelta(0))
    elif call.template is not None and message_templates.is_permission_error(error):
        _fail_or_hold(message, State.FAILED, message_templates.PERMISSION_MISSING, **details)
    elif call.template is not None and verdict.kind == ErrorKind.PERMANENT:
        _fail_or_hold(message, State.FAILED, TEMPLATE_REFUSED, **details)
    elif verdict.kind == ErrorKind.WINDOW_CLOSED and call.is_by_ad:
        _close_window_of_ad(message, **details)
    elif verdict.kind in HOLDING_ERRORS:
        page_errors.record(page, error, Call.REPLY, token=call.token)
        if verdict.kind == ErrorKind.OTHER_APP_CONTROLS:
            _note_other_app(message)
        _fail_or_hold(message, State.HELD, verdict.sentence, **details)
    elif sent_as.sticker_in(message.sent_as) and verdict.kind == ErrorKind.PERMANENT:
        _fail_or_hold(message, State.FAILED, STICKER_REFUSED, **details)
    else:
        reason = text_length.length_refusal(message.text, error.code, error.subcode) or verdict.sentence
        _fail_or_hold(message, State.FAILED, reason, **details)


def _close_window_of_ad(message: Message, **details: Any) -> None:
    """End the window of the ad in this conversation; send the reply under the ordinary rules, or hold it."""
    Conversation.objects.filter(pk=message.conversation_id).update(opened_by_ad_at=None)
    message.conversation.opened_by_ad_at = None
    ordinary = replies.window_of(message.conversation)
    if policy(ordinary, author_is_human=message.source == Message.Source.AGENT):
        _retry_later(message, f"{AD_WINDOW_CLOSED} {SENT_AS_A_PERSON}", timedelta(0), **details)
    else:
        _fail_or_hold(message, State.HELD, f"{AD_WINDOW_CLOSED} {WAIT_FOR_CUSTOMER}", **details)


def _note_other_app(message: Message) -> None:
    """Store that an app holds the conversation, when no event said so: the agent may take control then."""
    free = Conversation.objects.filter(pk=message.conversation_id, thread_owner_app_id="")
    free.update(thread_owner_app_id=Conversation.UNKNOWN_APP)


def _has_another_token(page: Page, token: str) -> bool:
    """Return whether the Page was re-authenticated while the call with its old token was under way."""
    page.refresh_from_db()
    return page.is_connected and page.page_token not in (None, token)


def _pause(message: Message) -> timedelta:
    return sending.retry_pause(message.attempts, settings.DESK_RETRY_BASE_SECONDS)


def _mark_unsure(message: Message, sentence: str, **details: Any) -> None:
    metrics.SENDS.add("unsure")
    first_lookup = timezone.now() + delivery_status.first_lookup_delay()
    delivery_status.mark_unsure(message.pk, message.claimed_by, sentence, first_lookup=first_lookup, **details)


def _retry_later(message: Message, sentence: str, pause: timedelta, **details: Any) -> None:
    metrics.SENDS.add("retry")
    with transaction.atomic():
        retry_after = timezone.now() + pause if pause else None
        if delivery_status.CLAIMS.held([message]).update(
            state=State.QUEUED, reason=sentence, retry_after=retry_after, **details
        ):
            events.messages_updated(message.conversation, [message.pk], "state", "reason")
            messages.announce(message.conversation)


def _fail_or_hold(message: Message, state: str, sentence: str, **details: Any) -> None:
    """Fail or hold a row, and hold the queued rows after it in its conversation."""
    metrics.SENDS.add(str(state))
    with transaction.atomic():
        conversation = delivery_status.lock_conversation_of(message.pk)
        changed = delivery_status.CLAIMS.held([message]).update(
            state=state, reason=sentence, retry_after=None, **details
        )
        if conversation is None or not changed:
            return
        events.messages_updated(conversation, [message.pk], "state", "reason")
        delivery_status.hold_following(conversation, message, delivery_status.AFTER_UNSENT)
        notices.reply_failed(conversation, message)
        messages.announce(conversation)
