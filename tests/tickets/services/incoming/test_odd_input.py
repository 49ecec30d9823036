"""Odd times, odd people and deliveries without sense."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from time_machine import TimeMachineFixture

from channels_im.models import Page, WebhookDelivery
from tests.factories import NOON, body_of, deliver, delivery, ms, text_item
from tests.tickets.services.incoming.stored import texts
from tickets.models import Contact, Message

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    "timestamp", [ms(NOON) // 1000, str(ms(NOON)), str(ms(NOON) // 1000), float(ms(NOON))], ids=str
)
def test_timestamps_in_seconds_or_as_text_are_understood(client: Client, fb_page: Page, timestamp: float | str) -> None:
    odd = text_item(fb_page, "7001") | {"timestamp": timestamp}
    deliver(client, delivery(fb_page, odd))
    assert Message.objects.get().sent_at == NOON


@pytest.mark.parametrize("timestamp", [None, "yesterday", -5, 0, 10**30, [], {"a": 1}], ids=str)
def test_an_absent_or_absurd_timestamp_becomes_the_time_of_receipt_and_is_kept(
    client: Client, fb_page: Page, timestamp: Any
) -> None:
    odd = text_item(fb_page, "7001") | {"timestamp": timestamp}
    deliver(client, delivery(fb_page, odd))
    message = Message.objects.get()
    assert message.sent_at == WebhookDelivery.objects.get().received_at
    assert message.original_timestamp == ("" if timestamp is None else str(timestamp))


def test_a_missing_timestamp_becomes_the_time_of_receipt(client: Client, fb_page: Page) -> None:
    odd = text_item(fb_page, "7001")
    del odd["timestamp"]
    deliver(client, delivery(fb_page, odd))
    assert Message.objects.get().sent_at == WebhookDelivery.objects.get().received_at


def test_five_minutes_ahead_is_believed_and_more_is_not(
    client: Client, fb_page: Page, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON, tick=False)
    ahead, too_far = NOON + 5 * MINUTE, NOON + 5 * MINUTE + timedelta(milliseconds=1)
    deliver(client, delivery(fb_page, text_item(fb_page, "1", at=ahead), text_item(fb_page, "2", at=too_far)))
    assert Message.objects.get(conversation__contact__psid="1").sent_at == ahead
    message = Message.objects.get(conversation__contact__psid="2")
    assert (message.sent_at, message.original_timestamp) == (NOON, str(ms(too_far)))


@pytest.mark.parametrize("sender", [None, {}, {"id": ""}, {"user_ref": "abc"}, "7001"], ids=str)
def test_a_message_without_sender_fails_with_a_reason_and_stops_no_neighbour(
    client: Client, fb_page: Page, sender: dict[str, str] | str | None
) -> None:
    orphan = text_item(fb_page, "7001", "orphan") | {"sender": sender}
    deliver(client, delivery(fb_page, orphan, text_item(fb_page, "7002", "fine")))
    assert texts() == ["fine"]
    failed = WebhookDelivery.objects.get()
    assert failed.state == "failed"
    assert "names no sender" in failed.error


def test_a_number_as_sender_is_the_same_person_as_its_text(client: Client, fb_page: Page) -> None:
    number = text_item(fb_page, "7001", "as number") | {"sender": {"id": 7001}}
    deliver(client, delivery(fb_page, number), delivery(fb_page, text_item(fb_page, "7001", "as text")))
    assert Contact.objects.get().psid == "7001"


def test_nul_and_half_surrogates_are_made_storable(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a\0b \ud800 c")))
    assert texts() == ["ab \ufffd c"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"object":"page"}', "entry"),
    ],
    ids=["text", "list", "deep", "no entry"],
)
def test_a_delivery_without_sense_is_failed_at_once_with_the_reason(
    client: Client, fb_page: Page, body: bytes, reason: str
) -> None:
    deliver(client, body)
    kept = WebhookDelivery.objects.get()
    assert (kept.state, kept.attempts) == ("failed", 1)
    assert reason in kept.error


@pytest.mark.parametrize("where", ["beside the message", "in the message", "as an item", "as an entry"])
def test_an_item_nested_too_deeply_takes_none_of_its_neighbours_with_it(
    client: Client, fb_page: Page, where: str
) -> None:
    odd = text_item(fb_page, "7001", "odd")
    whole = delivery(fb_page, text_item(fb_page, "7001", "before"), odd, text_item(fb_page, "7002", "after"))
    match where:
        case "beside the message":
            odd["something_new"] = "DEEP"
        case "in the message":
            odd["message"]["something_new"] = "DEEP"
        case "as an item":
            whole["entry"][1]["messaging"] = ["DEEP"]
        case "as an entry":
            whole["entry"][1] = "DEEP"
    deliver(client, body_of(whole).replace(b'"DEEP"', b'{"a":[' * 3000 + b"1" + b"]}" * 3000))
    expected = {"before", "after"} | ({"odd"} if where.endswith("message") else set())
    assert set(texts()) == expected
