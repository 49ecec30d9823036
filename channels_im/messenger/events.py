"""Parse webhook deliveries of `object: "page"` into typed events. Pure.

Source: Meta, "Messenger Platform webhook events". Meta adds kinds and shapes at any time, so what cannot be parsed
becomes `Unknown` or the default of a field; only a delivery that cannot be read at all raises. The dataclasses are in
`event_types.py`, the cards in `cards.py`; import them from here.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from channels_im.messenger.attachments import parse_attachments, parse_products, parse_referral
from channels_im.messenger.cards import Card, card_for, card_for_attachment
from channels_im.messenger.event_types import (
    AccountLinking,
    AttachmentRef,
    Delivered,
    Echo,
    Event,
    Feedback,
    MessageContent,
    MessageEdited,
    MessageReceived,
    OptIn,
    Order,
    PolicyEnforcement,
    Postback,
    Reaction,
    Read,
    Referral,
    ReferralInfo,
    ThreadControl,
    Unknown,
)
from channels_im.messenger.values import (
    TooDeepError,
    as_account_id,
    as_bool,
    as_dict,
    as_id,
    as_int,
    as_list,
    as_text,
    as_timestamp_ms,
    as_watermark_ms,
    digest,
    load_json,
)

__all__ = [
    "AccountLinking",
    "AttachmentRef",
    "Card",
    "Delivered",
    "Echo",
    "Event",
    "Feedback",
    "MessageContent",
    "MessageEdited",
    "MessageReceived",
    "OptIn",
    "Order",
    "PolicyEnforcement",
    "Postback",
    "Reaction",
    "Read",
    "Referral",
    "ReferralInfo",
    "ThreadControl",
    "Unknown",
    "UnreadableDeliveryError",
    "card_for",
    "card_for_attachment",
    "parse_delivery",
]

logger = logging.getLogger(__name__)

# Keys of an item that name people and time, not the kind of event.
_ENVELOPE_KEYS = frozenset({"sender", "recipient", "timestamp", "hop_context", "lead", "prior_message"})


class UnreadableDeliveryError(Exception):
    """A delivery from which no event can be read. `reason` is one sentence for the journal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_delivery(body: bytes) -> list[Event]:
    """Return the events of one webhook POST in their order.

    `body` are the bytes whose signature was checked. Raises UnreadableDeliveryError when they are not JSON, not an
    object, or have no list `entry`. What is more than 64 levels deep is left out. Nothing inside an entry raises, and
    one item never hides another.
    """
    entries = _load(body).get("entry")
    if not isinstance(entries, list):
        raise UnreadableDeliveryError("The delivery has no list “entry”.")
    return [event for entry in entries for event in _entry_events(entry)]


def _load(body: bytes) -> dict[str, Any]:
    try:
        data = load_json(body, prune=True)
    except TooDeepError:
        raise UnreadableDeliveryError("The delivery is nested too deeply.") from None
    except ValueError:
        raise UnreadableDeliveryError("The delivery is not JSON.") from None
    if not isinstance(data, dict):
        raise UnreadableDeliveryError("The delivery is not a JSON object.")
    return data


@dataclass(frozen=True)
class _Item:
    """One item of `messaging` or `standby`, with the fields that all parsers need."""

    raw: dict[str, Any]
    page_id: str
    sender: str | None
    recipient: str | None
    standby: bool

    @property
    def from_page(self) -> bool:
        return self.sender is not None and self.sender == self.page_id

    def base(self, key: str, *, from_page: bool = False) -> dict[str, Any]:
        """Return the fields of Event; a `key` that is too long becomes a digest."""
        original = self.raw.get("timestamp")
        return {
            "page_id": self.page_id,
            "psid": self.recipient if from_page or self.from_page else self.sender,
            "timestamp_ms": as_timestamp_ms(original),
            "original_timestamp": original,
            "key": as_id(key) or digest(key),
            "standby": self.standby,
            "raw": self.raw,
        }

    def content_key(self, kind: str) -> str:
        """Return a key made of Page, people, timestamp and content, for events without an id from Meta."""
        identity = [self.page_id, self.sender, self.recipient, self.raw.get("timestamp"), self.raw.get(kind)]
        return f"{kind}:{digest(identity)}"

    def unknown(self, kind: str) -> Unknown:
        return Unknown(**self.base(self.content_key(kind)), kind=kind)


def _entry_events(entry: Any) -> Iterator[Event]:
    page_id = as_account_id(as_dict(entry).get("id")) or ""
    has_content = False
    for name in ("messaging", "standby"):
        items = as_dict(entry).get(name)
        if items is None:
            continue
        has_content = True
        for raw in as_list(items) if isinstance(items, dict | list) else [items]:
            yield from _item_events(raw, page_id, standby=name == "standby")
    changes = as_dict(entry).get("changes")
    for change in as_list(changes):
        has_content = True
        field = as_text(as_dict(change).get("field")) or "change"
        yield _unknown_outside_item(change, page_id, f"changes:{field[:64]}")
    if not has_content:
        yield _unknown_outside_item(entry, page_id, "entry")


def _unknown_outside_item(value: Any, page_id: str, kind: str) -> Unknown:
    raw = value if isinstance(value, dict) else {"value": value}
    return Unknown(page_id=page_id, psid=None, timestamp_ms=None, key=f"{kind}:{digest(raw)}", raw=raw, kind=kind)


def _item_events(raw: Any, page_id: str, *, standby: bool) -> Iterator[Event]:
    if not isinstance(raw, dict):
        yield _unknown_outside_item(raw, page_id, "item")
        return
    sender = as_account_id(as_dict(raw.get("sender")).get("id"))
    recipient = as_account_id(as_dict(raw.get("recipient")).get("id"))
    if not page_id:
        is_echo = as_bool(as_dict(raw.get("message")).get("is_echo"))
        page_id = (sender if is_echo else recipient) or ""
    item = _Item(raw, page_id, sender, recipient, standby)
    kinds = [kind for kind in _PARSERS if raw.get(kind) is not None]
    for kind in kinds:
        yield _parse(item, kind)
    if not kinds:
        names = [name for name in raw if name not in _ENVELOPE_KEYS]
        yield item.unknown(names[0][:64] if names else "item")


def _parse(item: _Item, kind: str) -> Event:
    content = item.raw.get(kind)
    if not isinstance(content, dict):
        return item.unknown(kind)
    try:
        return _PARSERS[kind](item, content) or item.unknown(kind)
    except Exception:
        # A bug in a parser must cost one event, not the others: it stays visible as a card and in the log.
        logger.exception("Could not parse a %s event", kind)
        return item.unknown(kind)


def _message(item: _Item, content: dict[str, Any]) -> Event:
    mid = as_id(content.get("mid"))
    is_echo = as_bool(content.get("is_echo")) or item.from_page
    is_deleted = as_bool(content.get("is_deleted"))
    reply_to = as_dict(content.get("reply_to"))
    commands = (as_text(as_dict(command).get("name")) for command in as_list(content.get("commands")))
    prefix = "echo" if is_echo else "message"
    prefix = f"deleted-{prefix}" if is_deleted else prefix
    fields = {
        **item.base(f"{prefix}:{mid}" if mid else item.content_key("message"), from_page=is_echo),
        "mid": mid,
        "text": as_text(content.get("text")),
        "attachments": parse_attachments(content),
        "reply_to_mid": as_id(reply_to.get("mid")),
        "quick_reply_payload": as_text(as_dict(content.get("quick_reply")).get("payload")),
        "referral": parse_referral(content.get("referral")),
        "is_deleted": is_deleted,
        "is_unsupported": as_bool(content.get("is_unsupported")),
        "commands": tuple(name for name in commands if name),
        "hop_app_id": _hop_app_id(item.raw.get("hop_context")),
    }
    if is_echo:
        return Echo(**fields, app_id=as_account_id(content.get("app_id")), metadata=as_text(content.get("metadata")))
    return MessageReceived(**fields)


def _hop_app_id(hop_context: Any) -> str | None:
    hops = (as_account_id(as_dict(hop).get("app_id")) for hop in as_list(hop_context))
    return next((hop for hop in hops if hop), None)


def _message_edit(item: _Item, content: dict[str, Any]) -> Event | None:
    mid = as_id(content.get("mid"))
    if mid is None:
        return None
    count = as_int(content.get("num_edit")) or 0
    # Without a count the text distinguishes one edit from the next.
    edit_id = count or digest([item.raw.get("timestamp"), content.get("text")])
    return MessageEdited(
        **item.base(f"edit:{mid}:{edit_id}"), mid=mid, text=as_text(content.get("text")), num_edit=max(0, count)
    )


def _reaction(item: _Item, content: dict[str, Any]) -> Event | None:
    mid = as_id(content.get("mid"))
    if mid is None:
        return None
    action = "unreact" if as_text(content.get("action")) == "unreact" else "react"
    content_digest = digest([item.sender, content, item.raw.get("timestamp")])
    return Reaction(
        **item.base(f"reaction:{mid}:{content_digest}"),
        mid=mid,
        action=action,
        reaction=as_text(content.get("reaction")),
        emoji=as_text(content.get("emoji")),
        by_page=item.from_page,
    )


def _read(item: _Item, content: dict[str, Any]) -> Event | None:
    watermark = as_watermark_ms(content.get("watermark"))
    if watermark is None:
        return None
    return Read(**item.base(f"read:{item.sender}:{watermark}"), watermark_ms=watermark)


def _delivery(item: _Item, content: dict[str, Any]) -> Event | None:
    watermark = as_watermark_ms(content.get("watermark"))
    raw_mids = content.get("mids")
    mids = tuple(mid for mid in map(as_id, raw_mids) if mid) if isinstance(raw_mids, list) else ()
    if watermark is None and not mids:
        return None
    key = f"delivery:{item.sender}:{watermark}:{digest(mids)}"
    return Delivered(**item.base(key), watermark_ms=watermark, mids=mids)


def _postback(item: _Item, content: dict[str, Any]) -> Event:
    mid = as_id(content.get("mid"))
    return Postback(
        **item.base(f"postback:{mid}" if mid else item.content_key("postback")),
        mid=mid,
        title=as_text(content.get("title")),
        payload=as_text(content.get("payload")),
        referral=parse_referral(content.get("referral")),
    )


def _referral(item: _Item, content: dict[str, Any]) -> Event | None:
    info = parse_referral(content, item.raw.get("lead"))
    return Referral(**item.base(item.content_key("referral")), referral=info) if info else None


def _optin(item: _Item, content: dict[str, Any]) -> Event:
    return OptIn(
        **item.base(item.content_key("optin")),
        type=as_text(content.get("type")),
        title=as_text(content.get("title")),
        payload=as_text(content.get("payload")),
        ref=as_text(content.get("ref")),
    )


def _account_linking(item: _Item, content: dict[str, Any]) -> Event:
    return AccountLinking(**item.base(item.content_key("account_linking")), status=as_text(content.get("status")))


def _thread_control(action: str, kind: str) -> Callable[[_Item, dict[str, Any]], Event]:
    def parse(item: _Item, content: dict[str, Any]) -> Event:
        new_owner = content.get("new_owner_app_id") or content.get("requested_owner_app_id")
        return ThreadControl(
            **item.base(item.content_key(kind)),
            action=action,
            previous_owner_app_id=as_account_id(content.get("previous_owner_app_id")),
            new_owner_app_id=as_account_id(new_owner),
            metadata=as_text(content.get("metadata")),
        )

    return parse


def _app_roles(item: _Item, content: dict[str, Any]) -> Event:
    roles = []
    for app_id, names in content.items():
        texts = (as_text(name) for name in names) if isinstance(names, list) else ()
        roles.append((app_id, tuple(text for text in texts if text)))
    return ThreadControl(**item.base(item.content_key("app_roles")), action="app_roles", roles=tuple(roles))


def _policy(item: _Item, content: dict[str, Any]) -> Event:
    return PolicyEnforcement(
        **item.base(item.content_key("policy_enforcement")),
        action=as_text(content.get("action")),
        reason=as_text(content.get("reason")),
    )


def _response_feedback(item: _Item, content: dict[str, Any]) -> Event:
    return Feedback(
        **item.base(item.content_key("response_feedback")),
        rating=as_text(content.get("feedback")),
        mid=as_id(content.get("mid")),
    )


def _messaging_feedback(item: _Item, content: dict[str, Any]) -> Event:
    answers = []
    for screen in as_list(content.get("feedback_screens")):
        for name, question in as_dict(as_dict(screen).get("questions")).items():
            fields = as_dict(question)
            parts = (as_text(fields.get("payload")), as_text(as_dict(fields.get("follow_up")).get("payload")))
            answers.append((name, " – ".join(part for part in parts if part)))
    return Feedback(**item.base(item.content_key("messaging_feedback")), answers=tuple(answers))


def _order(item: _Item, content: dict[str, Any]) -> Event:
    return Order(
        **item.base(item.content_key("order")), products=parse_products(content), note=as_text(content.get("note"))
    )


_PARSERS: dict[str, Callable[[_Item, dict[str, Any]], Event | None]] = {
    "message": _message,
    "message_edit": _message_edit,
    "reaction": _reaction,
    "read": _read,
    "delivery": _delivery,
    "postback": _postback,
    "referral": _referral,
    "optin": _optin,
    "account_linking": _account_linking,
    "pass_thread_control": _thread_control("pass", "pass_thread_control"),
    "take_thread_control": _thread_control("take", "take_thread_control"),
    "request_thread_control": _thread_control("request", "request_thread_control"),
    "app_roles": _app_roles,
    "policy_enforcement": _policy,
    "response_feedback": _response_feedback,
    "messaging_feedback": _messaging_feedback,
    "order": _order,
}
