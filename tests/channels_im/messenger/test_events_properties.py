"""Whatever a delivery contains, parsing it raises nothing but UnreadableDeliveryError and loses no neighbour."""

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_im.messenger.attachment_cards import _KINDS
from channels_im.messenger.events import (
    Event,
    MessageContent,
    Unknown,
    UnreadableDeliveryError,
    cards_for,
    parse_delivery,
)
from channels_im.messenger.templates import _MAKERS
from channels_im.messenger.values import as_dict
from desk.text import is_blank
from tests.channels_im.messenger.deliveries import AT, EVERY_KIND, delivery, item, text_message

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**20, 10**40, -(10**400), 10**4000])
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["", "\0", "\ud83d", "javascript:alert(1)", "https://", "http://[", "../../etc", str(AT), "Europe"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "mid",
                    "type",
                    "payload",
                    "url",
                    "title",
                    "data",
                    "elements",
                    "buttons",
                    "product",
                    "questions",
                    "name",
                    "template_type",
                    "options",
                    "images",
                    "coordinates",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """Return a copy of `value` with `junk` at `path`."""
    if not path:
        return junk
    whole = copy.deepcopy(value)
    holder = whole
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = junk
    return whole


def check(event: Event) -> None:
    """Check what all events promise, whatever they were made of."""
    assert isinstance(event.page_id, str)
    assert len(event.page_id) <= 64
    assert event.psid is None or 0 < len(event.psid) <= 64
    assert event.timestamp_ms is None or 10**12 < event.timestamp_ms < 10**13
    assert 0 < len(event.key) <= 255
    assert isinstance(event.raw, dict)
    storable = json.dumps(event.raw, ensure_ascii=False, allow_nan=False).encode()
    assert b"\\u0000" not in storable
    for ref in getattr(event, "attachments", ()):
        assert ref.url is None or ref.url.lower().startswith(("https://", "http://"))
    cards = cards_for(event, own_app_id="5")
    for card in cards:
        assert not is_blank(card.title)
        assert isinstance(card.text, str)
        for url in (card.url, card.picture_url, *(choice.url for choice in card.choices)):
            assert url is None or url.lower().startswith(("https://", "http://"))
        assert all(not is_blank(choice.title) for choice in card.choices)
    if isinstance(event, MessageContent) and not event.is_deleted:
        has_file = any(ref.is_file and ref.url for ref in event.attachments)
        assert cards or has_file or not is_blank(event.text or "")
    hash(event)


def parsed(body: bytes) -> list[Event] | None:
    """Return the events, or None when the delivery is unreadable."""
    with contextlib.suppress(UnreadableDeliveryError):
        return parse_delivery(body)
    return None


@given(data=st.data(), junk=JUNK)
def test_junk_in_any_place_costs_at_most_its_own_item(data: st.DataObject, junk: Any) -> None:
    good = data.draw(st.sampled_from(EVERY_KIND))
    bad = replaced(good, data.draw(st.sampled_from(places(good))), junk)
    first, *middle, last = parse_delivery(delivery(text_message("m_a"), bad, text_message("m_b")))
    assert (first.key, last.key) == ("message:m_a", "message:m_b")
    for event in middle:
        check(event)


@pytest.mark.slow
@given(data=st.data(), junk=JUNK)
def test_junk_in_any_place_of_a_delivery_raises_nothing_else(data: st.DataObject, junk: Any) -> None:
    whole = json.loads(delivery(*data.draw(st.lists(st.sampled_from(EVERY_KIND), min_size=1, max_size=3))))
    body = json.dumps(replaced(whole, data.draw(st.sampled_from(places(whole))), junk)).encode()
    for event in parsed(body) or []:
        check(event)


@given(junk=JUNK)
def test_any_json_is_read_or_unreadable(junk: Any) -> None:
    events = parsed(json.dumps(junk).encode())
    assert events is None or isinstance(junk, dict)


@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    parsed(body)


@given(data=st.data(), junk=JUNK)
def test_no_junk_reaches_the_net_that_catches_our_own_mistakes(data: st.DataObject, junk: Any) -> None:
    good = data.draw(st.sampled_from(EVERY_KIND))
    (kind,) = set(good) - {"sender", "recipient", "timestamp", "lead", "hop_context"}
    inner = [
        path for path in places(good) if len(path) > 1 and path[0] == kind and path[-1] not in ("mid", "watermark")
    ]
    if not inner:
        return
    events = parse_delivery(delivery(replaced(good, data.draw(st.sampled_from(inner)), junk)))
    is_empty_referral = kind == "referral"
    assert is_empty_referral or not any(isinstance(event, Unknown) for event in events)


@pytest.mark.slow
@given(junk=JUNK)
def test_a_message_of_any_json_has_something_to_read(junk: Any) -> None:
    contents = [junk, *({name: junk} for name in ("text", "attachments", "reply_to", "referral", "poll", "hologram"))]
    contents += [
        {"attachments": [{"type": kind, "payload": junk}]} for kind in (*_KINDS, "template", "image", "sticker")
    ]
    contents += [
        {"attachments": [{"type": "template", "payload": {"template_type": kind, **as_dict(junk)}}]} for kind in _MAKERS
    ]
    for event in parse_delivery(delivery(*(item(message=content) for content in contents if content is not None))):
        check(event)
        assert not isinstance(event, Unknown) or cards_for(event)
