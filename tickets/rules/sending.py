"""Decide whether a message may be sent, clean and count its text, and derive its state from receipts. Pure.

The composer, the queue, the sender and the API all use `may_send`. `may_send` in tickets/services/outgoing/replies.py
loads the facts for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from channels_im.messenger import values
from channels_im.messenger.send_policy import RESPONSE, UTILITY, SendPolicy
from desk.sentences import counted, sentence
from desk.text import is_blank
from tickets.rules.window import Window, policy

MAX_TEXT_CHARACTERS = 1600  # Unicode code points
MAX_RETRY_PAUSE = timedelta(minutes=15)
MAX_ATTEMPTS = 10
METADATA_PREFIX = "desk:"


class Refusal(StrEnum):
    """Why a message may not be sent: the codes of the API. People read the sentence of the Verdict."""

    CHANNEL_DELETED = "channel_deleted"
    CHANNEL_INACTIVE = "channel_inactive"
    REAUTH_REQUIRED = "reauth_required"
    NOT_ASSOCIATED = "not_associated"
    CONTACT_BLOCKED = "contact_blocked"
    CONTACT_ERASED = "contact_erased"
    WINDOW_CLOSED = "window_closed"
    PERSON_ONLY = "person_only"
    TEXT_BLANK = "text_blank"
    TEXT_TOO_LONG = "text_too_long"
    FILE_REFUSED = "file_refused"
    STICKER_REFUSED = "sticker_refused"
    TEMPLATE_REFUSED = "template_refused"
    ANSWERED_MEANWHILE = "answered_meanwhile"
    NOT_POSSIBLE = "not_possible"


class Action(StrEnum):
    """What resolves a refusal, for the interface to offer; NONE when nothing does."""

    NONE = ""
    ACTIVATE_CHANNEL = "activate_channel"
    REAUTHENTICATE = "reauthenticate"
    ASSOCIATE = "associate"
    UNBLOCK = "unblock"
    WAIT_FOR_CUSTOMER = "wait_for_customer"
    SHORTEN = "shorten"
    CHANGE_FILES = "change_files"


@dataclass(frozen=True)
class Verdict:
    """The answer of `may_send`.

    `code` is a Refusal, or "" when allowed; `sentence` is for people; `action` is what resolves the refusal.
    """

    allowed: bool
    code: str = ""
    sentence: str = ""
    action: str = Action.NONE

    @property
    def waits_for_customer(self) -> bool:
        """Return whether only the customer's next message is missing: such a reply may be held until then."""
        return self.action == Action.WAIT_FOR_CUSTOMER


ALLOWED = Verdict(True)


@dataclass(frozen=True, kw_only=True)
class SendFacts:
    """The facts on which `may_send` decides.

    `reauth_reason` is "" while the Page is connected, else the reason in words, without a full stop. `is_associated`
    says whether the author may answer in this conversation, `is_mentioned` that they may read it because a note
    mentions them. `text` is None when only the conversation is checked, else the cleaned text; `file_count` counts the
    files and `file_refusals` has a sentence for each refused one.
    """

    window: Window
    channel_deleted: bool = False
    channel_active: bool = True
    reauth_reason: str = ""
    contact_blocked: bool = False
    contact_erased: bool = False
    is_associated: bool = True
    is_mentioned: bool = False
    author_is_human: bool = True
    text: str | None = None
    file_count: int = 0
    file_refusals: Sequence[str] = ()
    is_sticker: bool = False
    is_template: bool = False


def send_policy(facts: SendFacts) -> SendPolicy | None:
    """Return the policy under which Meta accepts the message now, or None. A template needs no open window."""
    if facts.is_template:
        return UTILITY
    used = policy(facts.window, facts.author_is_human)
    return None if facts.is_sticker and used != RESPONSE else used


def may_send(facts: SendFacts) -> Verdict:
    """Return whether the message may be sent. The conversation is checked first, then the message itself."""
    return _conversation_refusal(facts) or _message_refusal(facts) or ALLOWED


def may_hold(facts: SendFacts) -> Verdict:
    """Return the verdict of `may_send`, but report a fault of the message before a closed window."""
    verdict = may_send(facts)
    return _message_refusal(facts) or verdict if verdict.waits_for_customer else verdict


def may_act(facts: SendFacts) -> Verdict:
    """Return whether the author may do something in the conversation that needs no open messaging window."""
    return _access_refusal(facts) or ALLOWED


def _conversation_refusal(facts: SendFacts) -> Verdict | None:
    if facts.is_template:
        return _access_refusal(facts)
    return _access_refusal(facts) or _window_refusal(facts.window, facts.author_is_human) or _sticker_refusal(facts)


def _access_refusal(facts: SendFacts) -> Verdict | None:
    if facts.channel_deleted:
        return _refuse(
            Refusal.CHANNEL_DELETED, sentence("This channel was deleted. Its conversations can be read only.")
        )
    if not facts.channel_active:
        return _refuse(
            Refusal.CHANNEL_INACTIVE,
            sentence("This channel is deactivated. You can reply when an administrator activates it again."),
            Action.ACTIVATE_CHANNEL,
        )
    if facts.reauth_reason:
        return _refuse(
            Refusal.REAUTH_REQUIRED,
            sentence(
                "The Page must be re-authenticated. %(reason_text)s. You can reply when an administrator has done so.",
                reason_text=facts.reauth_reason,
            ),
            Action.REAUTHENTICATE,
        )
    if not facts.is_associated and facts.is_mentioned:
        return _refuse(
            Refusal.NOT_ASSOCIATED,
            sentence(
                "A note mentions you: you can read this conversation and write notes until the ticket closes, but not "
                "reply."
            ),
        )
    if not facts.is_associated:
        return _refuse(
            Refusal.NOT_ASSOCIATED,
            sentence("You are not an agent of this channel. Ask an administrator to associate you with it."),
            Action.ASSOCIATE,
        )
    if facts.contact_erased:
        return _refuse(
            Refusal.CONTACT_ERASED,
            sentence("The data of this customer was erased. If they write again, a new conversation begins."),
        )
    if facts.contact_blocked:
        return _refuse(
            Refusal.CONTACT_BLOCKED,
            sentence("This customer is blocked. Unblock them before you reply."),
            Action.UNBLOCK,
        )
    return None


def _window_refusal(window: Window, author_is_human: bool) -> Verdict | None:
    if policy(window, author_is_human):
        return None
    if window.is_open:
        return _refuse(
            Refusal.PERSON_ONLY,
            sentence(
                "More than 24 hours after the customer's last message only a person may reply, not an automatic "
                "message."
            ),
            Action.WAIT_FOR_CUSTOMER,
        )
    if window.closes_at is None:
        reason = sentence("The customer has not written yet. You can reply when they write.")
    else:
        reason = sentence(
            "The messaging window closed on %(time)s UTC. You can reply again when the customer writes.",
            time=f"{window.closes_at:%-d %B %Y at %H:%M}",
        )
    return _refuse(Refusal.WINDOW_CLOSED, reason, Action.WAIT_FOR_CUSTOMER)


def _sticker_refusal(facts: SendFacts) -> Verdict | None:
    if send_policy(facts):
        return None
    return _refuse(
        Refusal.STICKER_REFUSED,
        sentence(
            "Facebook accepts stickers only in the first 24 hours after the customer's last message. Write a text "
            "instead."
        ),
    )


def _message_refusal(facts: SendFacts) -> Verdict | None:
    if facts.text is None and not facts.file_count:
        return None
    text = facts.text or ""
    if is_blank(text) and not facts.file_count:
        return _refuse(Refusal.TEXT_BLANK, sentence("There is nothing to send. Write something or attach a file."))
    if len(text) > MAX_TEXT_CHARACTERS:
        return _refuse(
            Refusal.TEXT_TOO_LONG,
            counted(
                "The text has %(count)s character; at most %(most)s go into one message. Shorten it or send it as "
                "several messages.",
                "The text has %(count)s characters; at most %(most)s go into one message. Shorten it or send it as "
                "several messages.",
                len(text),
                count=f"{len(text):,}",
                most=f"{MAX_TEXT_CHARACTERS:,}",
            ),
            Action.SHORTEN,
        )
    if facts.file_refusals:
        return _refuse(Refusal.FILE_REFUSED, " ".join(facts.file_refusals), Action.CHANGE_FILES)
    return None


def _refuse(code: Refusal, reason: str, action: Action = Action.NONE) -> Verdict:
    return Verdict(False, code, reason, action)


# --- text -------------------------------------------------------------------------------------------------------------
def clean_text(text: str) -> str:
    """Return the text as it is counted, stored and sent: LF line ends, no NUL, no lone surrogates, stripped."""
    return values.clean_text(text.replace("\r\n", "\n").replace("\r", "\n")).strip()


# --- metadata ---------------------------------------------------------------------------------------------------------
def metadata_for(message_id: int) -> str:
    """Return the `metadata` of the Send API for this outbox row: "desk:<id>". Meta returns it in the echo."""
    return f"{METADATA_PREFIX}{message_id}"


def message_id_in(metadata: str) -> int | None:
    """Return the id of the outbox row in an echo's metadata, or None when Desk did not write it."""
    number = metadata.removeprefix(METADATA_PREFIX)
    is_ours = metadata.startswith(METADATA_PREFIX) and number.isascii() and number.isdigit() and len(number) <= 18
    return int(number) if is_ours else None


# --- states -----------------------------------------------------------------------------------------------------------
SENT_STATES = ("sent", "delivered", "read")


def receipt_state(sent_at: datetime, delivered_watermark: datetime | None, read_watermark: datetime | None) -> str:
    """Return the state of a message sent at `sent_at`: a watermark covers everything sent at or before it."""
    if read_watermark is not None and sent_at <= read_watermark:
        return "read"
    if delivered_watermark is not None and sent_at <= delivered_watermark:
        return "delivered"
    return "sent"


def retry_pause(attempts: int, base_seconds: float) -> timedelta:
    """Return how long to wait after attempt number `attempts` (from 1): the base, doubled each time, at most 15 min."""
    return min(timedelta(seconds=base_seconds * 2 ** min(max(attempts - 1, 0), 20)), MAX_RETRY_PAUSE)
