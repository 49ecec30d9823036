"""Parse webhook deliveries of `object: "page"` into typed events. Pure.

Source: Meta, "Messenger Platform webhook events". Meta adds kinds and shapes at any time, so what cannot be parsed
becomes `Unknown` or the default of a field; only a delivery that cannot be read at all raises. The dataclasses are in
`event_types.py`, the parsers of the items in `event_parsers.py`, the cards in `cards.py`; import events from here.
"""

import logging
from collections.abc import Iterator
from typing import Any

from channels_im.messenger.card_types import Card, Choice
from channels_im.messenger.cards import cards_for
from channels_im.messenger.event_parsers import PARSERS, parse_call, parse_template_status
from channels_im.messenger.event_types import (
    AccountLinking,
    AnsweredContent,
    AttachmentRef,
    Call,
    CallPermission,
    Delivered,
    Echo,
    Event,
    Feedback,
    MessageContent,
    MessageEdited,
    MessageReceived,
    NotRecovered,
    OptIn,
    Order,
    PolicyEnforcement,
    Postback,
    Reaction,
    Read,
    Referral,
    ReferralInfo,
    TemplateStatus,
    ThreadControl,
    Unknown,
)
from channels_im.messenger.values import (
    TooDeepError,
    as_account_id,
    as_bool,
    as_dict,
    as_list,
    as_text,
    digest,
    load_json,
)
from channels_im.messenger.webhook_items import Item
from desk.sentences import sentence

__all__ = [  # English only: names
    "AccountLinking",
    "AnsweredContent",
    "AttachmentRef",
    "Call",
    "CallPermission",
    "Card",
    "Choice",
    "Delivered",
    "Echo",
    "Event",
    "Feedback",
    "MessageContent",
    "MessageEdited",
    "MessageReceived",
    "NotRecovered",
    "OptIn",
    "Order",
    "PolicyEnforcement",
    "Postback",
    "Reaction",
    "Read",
    "Referral",
    "ReferralInfo",
    "TemplateStatus",
    "ThreadControl",
    "Unknown",
    "UnreadableDeliveryError",
    "cards_for",
    "parse_delivery",
]

logger = logging.getLogger(__name__)

TEMPLATE_STATUS = "message_template_status_update"

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
        raise UnreadableDeliveryError(sentence("The delivery has no list “entry”."))
    return [event for entry in entries for event in _entry_events(entry)]


def _load(body: bytes) -> dict[str, Any]:
    try:
        data = load_json(body, prune=True)
    except TooDeepError:
        raise UnreadableDeliveryError(sentence("The delivery is nested too deeply.")) from None
    except ValueError:
        raise UnreadableDeliveryError(sentence("The delivery is not JSON.")) from None
    if not isinstance(data, dict):
        raise UnreadableDeliveryError(sentence("The delivery is not a JSON object."))
    return data


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
    for raw in as_list(as_dict(entry).get("calls")):
        has_content = True
        yield _call(raw, page_id)
    changes = as_dict(entry).get("changes")
    for change in as_list(changes):
        has_content = True
        calls = as_list(as_dict(as_dict(change).get("value")).get("calls"))
        if as_dict(change).get("field") == "calls" and calls:
            yield from (_call(raw, page_id) for raw in calls)
            continue
        field = as_text(as_dict(change).get("field")) or "change"
        if field == TEMPLATE_STATUS:
            told = parse_template_status(as_dict(as_dict(change).get("value")), page_id, as_dict(entry).get("time"))
            if told is not None:
                yield told
                continue
        yield _unknown_outside_item(change, page_id, f"changes:{field[:64]}")
    if not has_content:
        yield _unknown_outside_item(entry, page_id, "entry")


def _call(raw: Any, page_id: str) -> Event:
    return parse_call(raw, page_id) if isinstance(raw, dict) else _unknown_outside_item(raw, page_id, "call")


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
    item = Item(raw, page_id, sender, recipient, standby)
    kinds = [kind for kind in PARSERS if raw.get(kind) is not None]
    for kind in kinds:
        yield _parse(item, kind)
    if not kinds:
        names = [name for name in raw if name not in _ENVELOPE_KEYS]
        yield item.unknown(names[0][:64] if names else "item")


def _parse(item: Item, kind: str) -> Event:
    content = item.raw.get(kind)
    if not isinstance(content, dict):
        return item.unknown(kind)
    try:
        return PARSERS[kind](item, content) or item.unknown(kind)
    except Exception:
        # A bug in a parser must cost one event, not the others: it stays visible as a card and in the log.
        logger.exception("Could not parse a %s event", kind)
        return item.unknown(kind)
