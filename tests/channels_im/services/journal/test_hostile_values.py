"""Whatever values a delivery contains: its neighbours are processed, and it is not tried for ever."""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels_im import tasks
from channels_im.messenger.webhook import check_post
from channels_im.models import Page, WebhookDelivery
from tests import factories as make
from tests.channels_im.messenger.test_events_properties import places, replaced
from tests.factories import NOON, delivery, text_item
from tickets.models import Message

pytestmark = pytest.mark.django_db

State = WebhookDelivery.State
MARK = "@@{}@@"
# Written into the JSON as they are: some of them no JSON library would write.
RAW = [
    "9" * 5000, "-" + "9" * 5000, "1" + "0" * 18, "9223372036854775808", "-1", "40000", "2147483648", "1e400", "-1e400",
    "1e308", "1e18", "0.1", "NaN", "Infinity", "-Infinity", "null", "true", '""', r'"\ud800"', r'"a\u0000b"',
    r'"\udfff\ud800"', '"' + "x" * 70_000 + '"', '"' + "9" * 5000 + '"', "[]", "{}", "[" * 60 + "]" * 60,
    '{"id": ' + "9" * 5000 + "}", "253402300800000", "-62135596800001", '"1e400"', '"٣"',
]  # fmt: skip


@pytest.fixture
def fb_page() -> Page:
    return make.make_channel().page


def items(fb_page: Page) -> list[dict[str, Any]]:
    people = {"sender": {"id": "7001"}, "recipient": {"id": fb_page.page_id}, "timestamp": make.ms(NOON)}
    mine = {"sender": {"id": fb_page.page_id}, "recipient": {"id": "7001"}, "timestamp": make.ms(NOON)}
    file = {"type": "image", "payload": {"url": "https://x.fbcdn.net/a.png", "title": "a", "sticker_id": 5}}
    order = {"products": [{"id": "1", "name": "Mug", "quantity": 2, "unit_price": 5}], "note": "soon"}
    return [
        text_item(fb_page, "7001", "edited", NOON),
        {**people, "message": {"mid": "m_file", "attachments": [file], "reply_to": {"mid": "m_x"}}},
        {**people, "message_edit": {"mid": "m_edited", "text": "new", "num_edit": 1}},
        {**people, "reaction": {"mid": "m_edited", "action": "react", "reaction": "love", "emoji": "❤"}},
        {**people, "read": {"watermark": make.ms(NOON)}},
        {**people, "delivery": {"watermark": make.ms(NOON), "mids": ["m_1"]}},
        {**people, "postback": {"mid": "m_post", "title": "Start", "payload": "GO", "referral": {"ref": "r"}}},
        {**people, "order": order},
        {**people, "policy_enforcement": {"action": "warn", "reason": "x"}},
        {**mine, "message": {"mid": "m_echo", "is_echo": True, "text": "hi", "app_id": 5, "metadata": "m"}},
    ]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_stops_its_neighbours_or_is_tried_for_ever(fb_page: Page, data: st.DataObject) -> None:
    hostile = copy.deepcopy(items(fb_page))
    raws = []
    for number in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from([path for path in places(hostile) if len(path) > 1]))
        hostile = replaced(hostile, place, MARK.format(number))
        raws.append(data.draw(st.sampled_from(RAW)))
    unique = str(WebhookDelivery.objects.count())
    neighbours = [text_item(fb_page, f"800{n}", f"innocent {n} of {unique}", NOON) for n in range(2)]
    text = json.dumps(delivery(fb_page, neighbours[0], *hostile, neighbours[1]))
    for number, raw in enumerate(raws):
        text = text.replace(json.dumps(MARK.format(number)), raw)
    WebhookDelivery.objects.all().delete()
    kept = make.journal(text.encode())
    tasks.drain_journal()
    kept.refresh_from_db()
    assert Message.objects.filter(text__endswith=f" of {unique}", text__startswith="innocent").count() >= 2
    assert "Traceback" not in kept.error, kept.error
    assert kept.state in (State.DONE, State.FAILED)
    Message.objects.filter(text__startswith="innocent").update(text="earlier")


@pytest.mark.parametrize("raw", RAW)
def test_every_value_in_the_place_of_a_timestamp_an_id_or_a_count(fb_page: Page, raw: str) -> None:
    edited = text_item(fb_page, "7001", "before", NOON)
    mid = edited["message"]["mid"]
    edit = {**edited, "message_edit": {"mid": mid, "text": "after", "num_edit": MARK}}
    del edit["message"]
    odd_time = {**text_item(fb_page, "7002", "at an odd time", NOON), "timestamp": MARK}
    odd_id = {**text_item(fb_page, "7003", "with an odd id", NOON + timedelta(seconds=1))}
    odd_id["message"] = {"mid": MARK, "text": "with an odd id"}
    body = json.dumps(delivery(fb_page, edited, edit, odd_time, odd_id)).replace(json.dumps(MARK), raw).encode()
    assert check_post(body, {}, [""]).status == 403
    kept = make.journal(body)
    tasks.drain_journal()
    kept.refresh_from_db()
    assert (kept.state, kept.error) == (State.DONE, "")
    assert {"after", "at an odd time"} <= set(Message.objects.values_list("text", flat=True))


def test_edits_beyond_what_the_column_holds_are_ordered_by_time(fb_page: Page) -> None:
    first = text_item(fb_page, "7001", "first", NOON)
    mid = first["message"].pop("mid")
    message = {**first, "message": {"mid": mid, "text": "first"}}
    del first["message"]
    edits = [
        {**first, "timestamp": make.ms(NOON) + n * 1000, "message_edit": {"mid": mid, "text": text, "num_edit": number}}
        for n, (number, text) in enumerate([(3, "third"), (40_000, "late"), (40_001, "latest"), (2, "second")])
    ]
    make.journal(delivery(fb_page, message, *edits))
    tasks.drain_journal()
    assert Message.objects.get().text == "latest"
