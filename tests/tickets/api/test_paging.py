"""Paging by cursor gives every row once, forwards and backwards, whatever comes in meanwhile."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests import factories
from tests.factories import NOON
from tickets.models import Conversation, Message

from .conftest import Shop

ORDERINGS = [("conversations", ordering) for ordering in ("-last_message_at", "last_message_at", "id", "-id")] + [
    ("messages", ordering) for ordering in ("-sent_at", "sent_at", "-id", "id")
]


@pytest.fixture
def rows(shop: Shop) -> None:
    """Conversations and messages of which many have the same time, and some conversations none at all."""
    for number in range(4):
        conversation = factories.make_conversation(shop.channel)
        factories.receive(conversation, at=NOON + timedelta(hours=number // 2))
        factories.receive(conversation, at=NOON + timedelta(hours=number // 2, microseconds=1000 * number))
    for _ in range(3):
        factories.make_conversation(shop.channel)


def walk(client: Client, address: str, link: str) -> list[dict[str, Any]]:
    """Every page from `address` on by way of `link`."""
    pages = []
    while address:
        pages.append(client.get(address).json())
        address = pages[-1][link]
        assert len(pages) < 50
    return pages


def ids_of(pages: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for page in pages for row in page["results"]]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ordering"), ORDERINGS)
@pytest.mark.parametrize("size", [1, 3])
def test_every_row_comes_once_forwards_and_backwards(
    rows: None, alice: APIClient, name: str, ordering: str, size: int
) -> None:
    whole = ids_of([alice.get(f"/api/v1/{name}/", {"ordering": ordering}).json()])
    forwards = walk(alice, f"/api/v1/{name}/?ordering={ordering}&page_size={size}", "next")
    assert ids_of(forwards) == whole
    assert len(set(whole)) == len(whole) >= 7
    assert forwards[0]["previous"] is None
    assert [len(page["results"]) for page in forwards[:-1]] == [size] * (len(forwards) - 1)

    backwards = walk(alice, forwards[-1]["previous"], "previous")
    assert ids_of(backwards[::-1]) + ids_of(forwards[-1:]) == whole
    again = alice.get(backwards[-1]["next"]).json()
    assert again == forwards[1]  # and so is all that follows


@pytest.mark.parametrize(
    ("name", "model", "field"), [("conversations", Conversation, "last_message_at"), ("messages", Message, "sent_at")]
)
def test_lists_begin_with_the_newest(rows: None, alice: APIClient, name: str, model: Any, field: str) -> None:
    times = [row[field] for row in alice.get(f"/api/v1/{name}/").json()["results"]]
    known = [time for time in times if time]
    assert known == sorted(known, reverse=True)
    assert times == known + [None] * (len(times) - len(known))
    assert len(times) == model.objects.count()


def test_what_comes_in_meanwhile_neither_repeats_nor_hides_a_row(rows: None, alice: APIClient, shop: Shop) -> None:
    whole = ids_of([alice.get("/api/v1/messages/").json()])
    first = alice.get("/api/v1/messages/?page_size=3").json()
    for hours in (-5, 0, 5):
        factories.receive(shop.conversation, at=NOON + timedelta(hours=hours))
    Message.objects.filter(pk=first["results"][-1]["id"]).delete()  # also not the row the cursor stands at
    rest = walk(alice, first["next"], "next")
    assert set(whole) <= set(ids_of([first, *rest]))
    assert len(set(ids_of([first, *rest]))) == len(ids_of([first, *rest]))


def test_the_addresses_keep_the_filters(rows: None, alice: APIClient) -> None:
    first = alice.get("/api/v1/messages/?page_size=2&direction=in&direction=out&state=received").json()
    assert first["next"].startswith("http://testserver/api/v1/messages/?")
    assert "page_size=2&direction=in&direction=out&state=received&cursor=" in first["next"]


def test_a_single_page_leads_nowhere(shop: Shop, alice: APIClient) -> None:
    answer = alice.get("/api/v1/messages/").json()
    assert list(answer) == ["next", "previous", "results"]
    assert answer["next"] is answer["previous"] is None


def test_an_empty_page_in_the_middle_leads_back_to_the_first(rows: None, alice: APIClient) -> None:
    first = alice.get("/api/v1/messages/?page_size=1").json()
    Message.objects.exclude(pk=first["results"][0]["id"]).delete()
    empty = alice.get(first["next"]).json()
    assert (empty["next"], empty["results"]) == (None, [])
    assert alice.get(empty["previous"]).json()["results"] == first["results"]


def test_fifty_rows_make_a_page_when_nothing_else_is_asked(shop: Shop, alice: APIClient) -> None:
    template = {"conversation": shop.conversation, "page": shop.channel.page, "direction": "out", "source": "agent"}
    Message.objects.bulk_create(Message(**template, sent_at=NOON, state="sent") for _ in range(60))
    assert len(alice.get("/api/v1/messages/").json()["results"]) == 50
    assert len(alice.get("/api/v1/messages/", {"page_size": 200}).json()["results"]) == 61


def packed(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


TIME = "2026-11-20T12:00:00+00:00"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!!",
        "é",
        "%00",
        packed(),
        packed("-sent_at", False, TIME),
        packed("-sent_at", False, TIME, 1, 1),
        packed("-sent_at", "false", TIME, 1),
        packed("-sent_at", False, "soon", 1),
        packed("-sent_at", False, 5, 1),
        packed("-sent_at", False, "2026-11-20T12:00:00", 1),
        packed("-sent_at", False, "0001-01-01T00:00:00+14:00", 1),
        packed("-sent_at", False, TIME, "1"),
        packed("-sent_at", False, TIME, True),
        packed("-sent_at", False, TIME, 2**63),
        packed("-sent_at", False, TIME, -1),
        packed(["-sent_at"], False, TIME, 1),
        packed("page__page_token", False, "x", 1),
        packed("id", False, 1, 1),  # of another ordering
        base64.urlsafe_b64encode(b"[" * 100_000).decode()[:6000],
        base64.urlsafe_b64encode(b'{"a": 1}').decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused_with_a_sentence(shop: Shop, alice: APIClient, cursor: str) -> None:
    answer = alice.get("/api/v1/messages/", {"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["cursor"][0].startswith("This cursor is invalid")


def test_a_cursor_shows_nothing_one_may_not_see(rows: None, shop: Shop, alice: APIClient, bob: APIClient) -> None:
    address = alice.get("/api/v1/messages/?page_size=1").json()["next"]
    assert bob.get(address).json()["results"] == []
