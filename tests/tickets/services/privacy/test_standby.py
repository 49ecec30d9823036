"""Deliveries that mix `messaging` and `standby`: the person goes from both lists, the neighbours stay in both."""

import json
from typing import Any

import pytest
from django.test import Client

from channels_im.models import Channel, Page, WebhookDelivery
from desk.models import User
from tests.factories import make_admin, make_channel, post_webhook, text_item
from tickets.models import Conversation
from tickets.services.privacy import erasure

pytestmark = pytest.mark.django_db

PERSON, NEIGHBOUR = "5550001234567", "5550007654321"


@pytest.fixture
def admin() -> User:
    return make_admin()


@pytest.fixture
def channel() -> Channel:
    return make_channel()


def mixed(page: Page) -> dict[str, Any]:
    entry = {
        "id": page.page_id,
        "time": 1,
        "messaging": [
            text_item(page, PERSON, "active secret", mid="m_1"),
            text_item(page, NEIGHBOUR, "one", mid="m_2"),
        ],
        "standby": [text_item(page, NEIGHBOUR, "two", mid="m_3"), text_item(page, PERSON, "standby secret", mid="m_4")],
    }
    return {"object": "page", "entry": [entry]}


def test_standby_items_of_a_mixed_delivery_are_redacted(client: Client, channel: Channel, admin: User) -> None:
    from channels_im.tasks import drain_journal

    post_webhook(client, mixed(channel.page))
    drain_journal()
    erasure.erase(admin, Conversation.objects.get(contact__psid=PERSON).contact)

    delivery = WebhookDelivery.objects.get()
    left = bytes(delivery.body).decode()
    assert PERSON not in left
    assert "secret" not in left
    (entry,) = json.loads(left)["entry"]
    assert [one["message"]["text"] for one in entry["messaging"]] == ["one"]
    assert [one["message"]["text"] for one in entry["standby"]] == ["two"]
    assert json.loads(left)["desk_redacted_events"] == 2
