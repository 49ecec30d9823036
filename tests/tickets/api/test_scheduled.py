"""Scheduled replies through the API: create, list, change, send now, cancel."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from channels_im.models import MessageTemplate
from tests import factories
from tests.http import ApiResponse
from tests.tickets.api.conftest import Shop, body_of
from tickets.models import Message, ScheduledReply

pytestmark = pytest.mark.usefixtures("_stopped")
ADDRESS = "/api/v1/scheduled-replies/"
AT = "2026-11-20T14:00:00Z"


@pytest.fixture
def _stopped() -> Any:
    with time_machine.travel(factories.NOON + timedelta(minutes=5), tick=False):
        yield


def schedule(client: APIClient, shop: Shop, **fields: Any) -> ApiResponse:
    files = "multipart" if "files" in fields else "json"
    body = {"conversation": shop.conversation.pk, "text": "Good morning", "send_at": AT, **fields}
    return client.post(ADDRESS, body, format=files)


def test_a_reply_is_scheduled_listed_changed_and_sent(alice: APIClient, shop: Shop) -> None:
    created = schedule(alice, shop, cancel_if_customer_writes=True)
    row = created.json()
    assert created.status_code == 201
    assert row == {
        "id": row["id"],
        "conversation": shop.conversation.pk,
        "author": "alice",
        "text": "Good morning",
        "files": [],
        "sticker_id": None,
        "template": None,
        "reply_to": None,
        "send_at": "2026-11-20T14:00:00.000Z",
        "cancel_if_customer_writes": True,
        "state": "scheduled",
        "reason": None,
    }
    assert alice.get(f"{ADDRESS}?conversation={shop.conversation.pk}&state=scheduled").json()["results"] == [row]
    assert alice.get(f"{ADDRESS}?state=sent").json()["results"] == []
    address = f"{ADDRESS}{row['id']}/"
    changed = alice.patch(address, {"send_at": "2026-11-21T08:00:00Z", "text": "Hello"}, format="json").json()
    assert (changed["send_at"], changed["text"]) == ("2026-11-21T08:00:00.000Z", "Hello")
    assert changed["cancel_if_customer_writes"] is True
    [message] = alice.post(f"{address}send/", {}, format="json").json()["results"]
    assert (message["text"], message["state"]) == ("Hello", "queued")
    assert alice.get(address).json()["state"] == "sent"
    for answer in (alice.delete(address), alice.post(f"{address}send/"), alice.patch(address, {"text": "x"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "not_possible")


def test_the_same_key_schedules_once(alice: APIClient, shop: Shop) -> None:
    first, second = (schedule(alice, shop, client_key="k1").json()["id"] for _ in range(2))
    assert (first == second, ScheduledReply.objects.count()) == (True, 1)


def test_files_can_be_downloaded_and_go_with_it(alice: APIClient, bob: APIClient, shop: Shop) -> None:
    png = factories.png()
    row = schedule(alice, shop, files=[SimpleUploadedFile("offer.png", png)]).json()
    url = row["files"][0]["url"]
    assert body_of(alice.get(url)) == png
    assert bob.get(url).status_code == 404
    alice.delete(f"{ADDRESS}{row['id']}/")
    assert not ScheduledReply.objects.exists()
    assert alice.get(url).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"send_at": "2026-12-20T14:00:00Z"}, 409, "window_closed"),
        ({"send_at": "2026-11-20T11:00:00Z"}, 409, "not_possible"),
        ({"text": " "}, 422, "text_blank"),
        ({"text": "x" * 1601}, 422, "text_too_long"),
        ({"reply_to": "m_nothing"}, 409, "not_possible"),
    ],
)
def test_what_a_rule_forbids(alice: APIClient, shop: Shop, fields: dict[str, Any], status: int, code: str) -> None:
    answer = schedule(alice, shop, **fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not ScheduledReply.objects.exists()


def test_a_change_that_is_refused_changes_nothing(alice: APIClient, shop: Shop) -> None:
    address = f"{ADDRESS}{schedule(alice, shop).json()['id']}/"
    assert alice.patch(address, {"text": "x" * 1601}, format="json").status_code == 422
    assert alice.patch(address, {"send_at": "2026-12-20T14:00:00Z"}, format="json").status_code == 409
    assert alice.patch(address, {}, format="json").status_code == 400
    row = ScheduledReply.objects.get()
    assert (row.text, row.due_at) == ("Good morning", datetime(2026, 11, 20, 14, tzinfo=UTC))


def test_strangers_find_nothing(alice: APIClient, bob: APIClient, shop: Shop) -> None:
    pk = schedule(alice, shop).json()["id"]
    assert schedule(bob, shop).status_code == 404
    assert bob.get(ADDRESS).json()["results"] == []
    answers = [
        bob.get(f"{ADDRESS}{pk}/"),
        bob.patch(f"{ADDRESS}{pk}/", {"text": "x"}, format="json"),
        bob.delete(f"{ADDRESS}{pk}/"),
        bob.post(f"{ADDRESS}{pk}/send/"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert not Message.objects.filter(direction="out").exists()


def test_a_sticker_and_a_template_are_scheduled_with_their_own_windows(alice: APIClient, shop: Shop) -> None:
    MessageTemplate.objects.create(
        page=shop.channel.page, name="left", language="de", body="Hi {{1}}", state=MessageTemplate.State.APPROVED
    )
    use = {"name": "left", "language": "de", "values": ["Eva"]}
    far = "2026-12-20T14:00:00Z"
    made = schedule(alice, shop, text="", template=use, send_at=far).json()
    assert (made["text"], made["template"], made["sticker_id"]) == ("Hi Eva", use, None)
    sticker = schedule(alice, shop, text="", sticker_id="369239263222822").json()
    assert (sticker["text"], sticker["template"], sticker["sticker_id"]) == ("", None, "369239263222822")
    address = f"{ADDRESS}{sticker['id']}/"
    for answer, status, code in (
        (schedule(alice, shop, text="", sticker_id="369239263222822", send_at=far), 409, "sticker_refused"),
        (schedule(alice, shop, text="", sticker_id="x"), 409, "not_possible"),
        (schedule(alice, shop, sticker_id="369239263222822"), 409, "not_possible"),
        (schedule(alice, shop, text="", template={**use, "values": []}), 422, "template_refused"),
        (alice.patch(address, {"text": "x"}, format="json"), 409, "not_possible"),
        (alice.patch(address, {"send_at": far}, format="json"), 409, "sticker_refused"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ScheduledReply.objects.count() == 2
    [message] = alice.post(f"{address}send/", {}, format="json").json()["results"]
    assert (message["sticker_id"], message["state"]) == ("369239263222822", "queued")
    assert alice.get(address).json()["sticker_id"] is None
