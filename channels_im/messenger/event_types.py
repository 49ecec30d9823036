"""Frozen dataclasses for the events of a Page, one per kind in Meta's webhook reference. Pure.

`events.py` creates them; nothing here reads JSON.
"""

from dataclasses import dataclass, field
from typing import Any

from channels_im.messenger.card_types import Choice

# Types whose `url` is Meta's own copy of a file. Any other url was shared by the customer: never fetch it.
FILE_TYPES = frozenset({"image", "video", "audio", "file", "sticker"})


@dataclass(frozen=True, kw_only=True)
class AttachmentRef:
    """An attachment of a message; `raw` is what Meta sent."""

    type: str
    url: str | None = None
    title: str | None = None
    sticker_id: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_file(self) -> bool:
        """Return whether `url` is a file to download (from allowed hosts only); otherwise it is a link to show."""
        return self.type in FILE_TYPES


@dataclass(frozen=True, kw_only=True)
class ReferralInfo:
    """Where a customer came from: an m.me link (`SHORTLINK`), an ad (`ADS`), a shop's product or a lead form.

    `details` describes the fields that Desk does not know.
    """

    ref: str | None = None
    source: str | None = None
    type: str | None = None
    ad_id: str | None = None
    referer_uri: str | None = None
    ad_title: str | None = None
    photo_url: str | None = None
    video_url: str | None = None
    post_id: str | None = None
    product_id: str | None = None
    lead: tuple[tuple[str, str], ...] = ()
    details: str = ""

    @property
    def is_click_to_messenger_ad(self) -> bool:
        """Return whether an ad opened the conversation: Meta names its id, and it is no form of a lead ad."""
        is_ad = (self.source or "ADS").upper() == "ADS" and (self.type or "OPEN_THREAD").upper() == "OPEN_THREAD"
        return bool(self.ad_id) and is_ad and not self.lead


@dataclass(frozen=True, kw_only=True)
class AnsweredContent:
    """What a message answers besides another message: a story, or another object of Facebook (`kind`)."""

    kind: str
    id: str | None = None
    url: str | None = None
    details: str = ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """The fields of all events.

    `page_id` is "" when the delivery names none. `psid` is the customer, whoever sent the message. `timestamp_ms` is
    Meta's time in milliseconds, None when absent or out of range (`original_timestamp` is the value as sent). `key`
    identifies the event within its Page: the same event delivered again has the same key. `standby`: another app owns
    the thread. `raw` is the item with all strings cleaned.
    """

    page_id: str
    psid: str | None
    timestamp_ms: int | None
    original_timestamp: Any = field(default=None, compare=False)
    key: str
    standby: bool = False
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class MessageContent(Event):
    """The common fields of a customer's message and an echo. `mid` is None in malformed messages: use `key` then.

    `quick_replies` are those that the message offers; `quick_reply_payload` is that of the one the customer tapped.
    """

    mid: str | None = None
    text: str | None = None
    attachments: tuple[AttachmentRef, ...] = ()
    reply_to_mid: str | None = None
    answered: tuple[AnsweredContent, ...] = ()
    quick_replies: tuple[Choice, ...] = ()
    quick_reply_payload: str | None = None
    referral: ReferralInfo | None = None
    is_deleted: bool = False
    is_unsupported: bool = False
    commands: tuple[str, ...] = ()
    # Set when a lead ad created the message: the customer does not see it in the thread.
    hop_app_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class MessageReceived(MessageContent):
    """A customer sent a message. With `is_deleted` the customer deleted the message `mid`."""


@dataclass(frozen=True, kw_only=True)
class Echo(MessageContent):
    """The Page sent a message: this app (`metadata` is ours), another app, or the Page inbox. Never customer input."""

    app_id: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, kw_only=True)
class MessageEdited(Event):
    """The customer changed the text of `mid`; `num_edit` counts from 1."""

    mid: str
    text: str | None = None
    num_edit: int = 0


@dataclass(frozen=True, kw_only=True)
class Reaction(Event):
    """A reaction to `mid` was added ("react") or removed ("unreact"), by the customer or `by_page`."""

    mid: str
    action: str
    reaction: str | None = None
    emoji: str | None = None
    by_page: bool = False


@dataclass(frozen=True, kw_only=True)
class Read(Event):
    """The customer read everything sent at or before `watermark_ms`."""

    watermark_ms: int


@dataclass(frozen=True, kw_only=True)
class Delivered(Event):
    """Everything sent at or before `watermark_ms` was delivered; Meta names `mids` only sometimes."""

    watermark_ms: int | None = None
    mids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Postback(Event):
    """A button, Get Started, persistent menu or ice breaker was tapped. In standby there is no `payload`."""

    mid: str | None = None
    title: str | None = None
    payload: str | None = None
    referral: ReferralInfo | None = None


@dataclass(frozen=True, kw_only=True)
class Referral(Event):
    """A customer came back to an existing thread through a link or an ad."""

    referral: ReferralInfo


@dataclass(frozen=True, kw_only=True)
class OptIn(Event):
    """A customer agreed to further messages, or changed or withdrew that (`is_opt_out`, or by `notification_status`).

    `title` is the topic. `status` is Meta's `user_token_status`, `expires_ms` when the agreement ends.
    """

    is_opt_out: bool = False
    type: str | None = None
    title: str | None = None
    payload: str | None = None
    ref: str | None = None
    status: str | None = None
    notification_status: str | None = None
    frequency: str | None = None
    expires_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class AccountLinking(Event):
    """A customer linked or unlinked an account; `status` is "linked" or "unlinked"."""

    status: str | None = None


@dataclass(frozen=True, kw_only=True)
class ThreadControl(Event):
    """A change of the app that may send: `action` is "pass", "take", "request" or "app_roles".

    `new_owner_app_id` is None when Meta does not name the app, as in the old form of the events: it is some app.
    """

    action: str
    previous_owner_app_id: str | None = None
    new_owner_app_id: str | None = None
    metadata: str | None = None
    roles: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class PolicyEnforcement(Event):
    """Meta warned, blocked or unblocked the Page (`action`); there is no sender."""

    action: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Feedback(Event):
    """A rating of one of our messages (`rating`, `mid`) or the answers to a feedback form."""

    rating: str | None = None
    mid: str | None = None
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Order(Event):
    """A customer sent a cart; `products` are lines of text."""

    products: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Call(Event):
    """A call between customer and Page; `status` and `direction` are Meta's words in lower case."""

    call_id: str | None = None
    status: str | None = None
    direction: str | None = None
    is_video: bool = False
    duration_s: int | None = None


@dataclass(frozen=True, kw_only=True)
class CallPermission(Event):
    """The customer answered the question whether the Page may call; `response` is Meta's word in lower case."""

    response: str | None = None
    expires_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class NotRecovered(Event):
    """Messages of which Meta gives the time only; Desk writes this event itself (recovery, history import)."""

    count: int
    first_ms: int
    last_ms: int
    is_import: bool = False


@dataclass(frozen=True, kw_only=True)
class TemplateStatus(Event):
    """Meta has approved, rejected, paused or deleted a message template; `status` is Meta's word in capitals."""

    template_id: str
    name: str
    language: str
    status: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Unknown(Event):
    """An event of an unknown kind, or a malformed one of a known kind. `kind` is the key under which Meta sent it."""

    kind: str
