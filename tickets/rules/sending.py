"""May this be sent, how text is counted, and how the state of a sent message moves. Pure.

Composer, queue, sender and API all ask `may_send`; `may_send` of tickets/services/outgoing/replies.py loads the facts.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from channels_im.messenger import values
from tickets.rules.window import Window, policy

MAX_TEXT_CHARACTERS = 1600  # seed, Messenger: sending; Unicode code points
MAX_RETRY_PAUSE = timedelta(minutes=15)
MAX_ATTEMPTS = 10
METADATA_PREFIX = "desk:"


class Refusal(StrEnum):
    """Why something may not be sent; programs decide on these, people read the sentence."""

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
    ANSWERED_MEANWHILE = "answered_meanwhile"
    NOT_POSSIBLE = "not_possible"


class Action(StrEnum):
    """What heals a refusal, for the interface to offer; NONE when nothing does."""

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
    """The answer of `may_send`. `code` is "" when allowed; `sentence` is for people, `action` what heals it."""

    allowed: bool
    code: str = ""
    sentence: str = ""
    action: str = Action.NONE

    @property
    def waits_for_customer(self) -> bool:
        """Say whether the customer's next message is all that is missing: such a reply may be held until then."""
        return self.action == Action.WAIT_FOR_CUSTOMER


ALLOWED = Verdict(True)


@dataclass(frozen=True, kw_only=True)
class SendFacts:
    """What decides whether something may be sent.

    `reauth_reason` is "" while the page is connected, else the reason in words, without a full stop. `is_associated`
    says whether the author may answer here. `text` is None when only the conversation is asked about, else the cleaned
    text; `file_count` counts the files and `file_refusals` has a sentence for each refused one.
    """

    window: Window
    channel_deleted: bool = False
    channel_active: bool = True
    reauth_reason: str = ""
    contact_blocked: bool = False
    contact_erased: bool = False
    is_associated: bool = True
    author_is_human: bool = True
    text: str | None = None
    file_count: int = 0
    file_refusals: Sequence[str] = ()


def may_send(facts: SendFacts) -> Verdict:
    """Return whether this may be sent: first what concerns the conversation, then the message itself."""
    return _conversation_refusal(facts) or _message_refusal(facts) or ALLOWED


def may_hold(facts: SendFacts) -> Verdict:
    """Return `may_send`'s verdict, but what is wrong with the message itself before that the customer must write."""
    verdict = may_send(facts)
    return _message_refusal(facts) or verdict if verdict.waits_for_customer else verdict


def _conversation_refusal(facts: SendFacts) -> Verdict | None:
    if facts.channel_deleted:
        return _refuse(Refusal.CHANNEL_DELETED, "This channel was deleted. Its conversations can be read only.")
    if not facts.channel_active:
        return _refuse(
            Refusal.CHANNEL_INACTIVE,
            "This channel is deactivated. You can reply when an administrator activates it again.",
            Action.ACTIVATE_CHANNEL,
        )
    if facts.reauth_reason:
        return _refuse(
            Refusal.REAUTH_REQUIRED,
            f"The Page must be re-authenticated. {facts.reauth_reason}. "
            "You can reply when an administrator has done so.",
            Action.REAUTHENTICATE,
        )
    if not facts.is_associated:
        return _refuse(
            Refusal.NOT_ASSOCIATED,
            "You are not an agent of this channel. Ask an administrator to associate you with it.",
            Action.ASSOCIATE,
        )
    if facts.contact_erased:
        return _refuse(
            Refusal.CONTACT_ERASED,
            "The data of this customer was erased. If they write again, a new conversation begins.",
        )
    if facts.contact_blocked:
        return _refuse(
            Refusal.CONTACT_BLOCKED, "This contact is blocked. Unblock them before you reply.", Action.UNBLOCK
        )
    return _window_refusal(facts.window, facts.author_is_human)


def _window_refusal(window: Window, author_is_human: bool) -> Verdict | None:
    if policy(window, author_is_human):
        return None
    if window.is_open:
        return _refuse(
            Refusal.PERSON_ONLY,
            "More than 24 hours after the customer's last message only a person may reply, not an automatic message.",
            Action.WAIT_FOR_CUSTOMER,
        )
    if window.closes_at is None:
        sentence = "The customer has not written yet. You can reply when they write."
    else:
        sentence = (
            f"The messaging window closed on {window.closes_at:%-d %B %Y at %H:%M} UTC. "
            "You can reply again when the customer writes."
        )
    return _refuse(Refusal.WINDOW_CLOSED, sentence, Action.WAIT_FOR_CUSTOMER)


def _message_refusal(facts: SendFacts) -> Verdict | None:
    if facts.text is None and not facts.file_count:
        return None
    text = facts.text or ""
    if is_blank(text) and not facts.file_count:
        return _refuse(Refusal.TEXT_BLANK, "There is nothing to send. Write something or attach a file.")
    if len(text) > MAX_TEXT_CHARACTERS:
        return _refuse(
            Refusal.TEXT_TOO_LONG,
            f"The text has {len(text):,} characters; at most {MAX_TEXT_CHARACTERS:,} go into one message. "
            "Shorten it or send it as several messages.",
            Action.SHORTEN,
        )
    if facts.file_refusals:
        return _refuse(Refusal.FILE_REFUSED, " ".join(facts.file_refusals), Action.CHANGE_FILES)
    return None


def _refuse(code: Refusal, sentence: str, action: Action = Action.NONE) -> Verdict:
    return Verdict(False, code, sentence, action)


# --- text -------------------------------------------------------------------------------------------------------------
def clean_text(text: str) -> str:
    """Return what is counted, stored and sent: line ends as LF, no NUL, half surrogates replaced, no space around."""
    return values.clean_text(text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def is_blank(text: str) -> bool:
    """Say whether a person would see nothing: only spaces, controls and invisible format characters."""
    return all(unicodedata.category(character)[0] in "ZC" for character in text)


# --- metadata ---------------------------------------------------------------------------------------------------------
def metadata_of(row: int) -> str:
    """Return what goes out with the part of row `row`: Meta returns it in the echo (design, section 10)."""
    return f"{METADATA_PREFIX}{row}"


def row_of_metadata(metadata: str) -> int | None:
    """Return the id of the row in an echo's metadata, or None when it is not of ours."""
    number = metadata.removeprefix(METADATA_PREFIX)
    is_ours = metadata.startswith(METADATA_PREFIX) and number.isascii() and number.isdigit() and len(number) <= 18
    return int(number) if is_ours else None


# --- states -----------------------------------------------------------------------------------------------------------
SENT_STATES = ("sent", "delivered", "read")
UNSENT_STATES = ("queued", "sending", "failed", "unsure", "held")
_RANK = {"queued": 0, "held": 0, "failed": 0, "sending": 1, "unsure": 1, "sent": 2, "delivered": 3, "read": 4}


def forward(current: str, seen: str) -> str:
    """Return the later of two states: queued < sending < sent < delivered < read. Nothing ever moves back by news."""
    return seen if _RANK[seen] > _RANK[current] else current


def receipt_state(sent_at: datetime, delivered_watermark: datetime | None, read_watermark: datetime | None) -> str:
    """Return the state of a message that went out at `sent_at`: everything at or before a watermark has got there."""
    if read_watermark is not None and sent_at <= read_watermark:
        return "read"
    if delivered_watermark is not None and sent_at <= delivered_watermark:
        return "delivered"
    return "sent"


def retry_pause(attempts: int, base_seconds: float) -> timedelta:
    """Return how long to wait after the `attempts`-th try (from 1): the base, doubling, at most 15 minutes."""
    return min(timedelta(seconds=base_seconds * 2 ** min(max(attempts - 1, 0), 20)), MAX_RETRY_PAUSE)
