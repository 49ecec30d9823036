"""Filters narrow a list; one that makes no sense is a 400 with a sentence."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from channels_im.models import Channel, Page
from tests import factories
from tests.factories import NOON
from tickets.api.paging import MAX_ID
from tickets.models import Conversation, Message, Ticket

from .conftest import Shop, client_of


@pytest.fixture
def admin(shop: Shop) -> APIClient:
    """Somebody who sees everything, so that only the filter narrows."""
    return client_of(factories.make_admin())


def ids(client: APIClient, name: str, **query: Any) -> set[int]:
    answer = client.get(f"/api/v1/{name}/", query)
    assert answer.status_code == 200, answer.content
    return {row["id"] for row in answer.json()["results"]}


@pytest.fixture
def other(shop: Shop) -> Conversation:
    """A conversation that differs from the shop's in everything one may filter by."""
    channel = factories.make_channel(department=factories.make_department("Support"))
    conversation = factories.make_conversation(channel, "8002")
    factories.receive(conversation, at=NOON + timedelta(days=2), mid="m_other")
    factories.answer(conversation, at=NOON + timedelta(days=2, hours=1), author=shop.bob, mid="m_answer")
    conversation.refresh_from_db()
    conversation.assignee = shop.bob
    conversation.unread_count, conversation.is_open = 0, False
    conversation.save(update_fields=["assignee", "unread_count", "is_open"])
    conversation.contact.blocked_at = NOON
    conversation.contact.save(update_fields=["blocked_at"])
    Ticket.objects.filter(conversation=conversation).update(
        assignee=shop.bob, status="closed", closed_at=NOON + timedelta(days=3)
    )
    return conversation


@pytest.mark.parametrize(
    ("shops", "others"),
    [
        ({"page_id": "{shop_page}"}, {"page_id": "{other_page}"}),
        ({"psid": "7001"}, {"psid": "8002"}),
        ({"channel": "{shop_channel}"}, {"channel": "{other_channel}"}),
        ({"department": "Sales"}, {"department": "Support"}),
        ({"unassigned": "true"}, {"unassigned": "false"}),
        ({"unassigned": "1"}, {"assignee": "bob"}),
        ({"unread": "true"}, {"unread": "false"}),
        ({"blocked": "false"}, {"blocked": "True"}),
        ({"until": "2026-11-21T00:00:00.000Z"}, {"since": "2026-11-21T00:00:00.000Z"}),
        ({"until": "2026-11-21"}, {"since": "2026-11-21T02:00:00+02:00"}),
    ],
)
def test_conversations_are_filtered(
    shop: Shop, other: Conversation, admin: APIClient, shops: dict[str, Any], others: dict[str, Any]
) -> None:
    names = {
        "shop_page": shop.channel.page.page_id,
        "other_page": other.channel.page.page_id,
        "shop_channel": shop.channel.pk,
        "other_channel": other.channel_id,
    }
    shops, others = ({key: value.format(**names) for key, value in query.items()} for query in (shops, others))
    assert ids(admin, "conversations", **shops) == {shop.conversation.pk}
    assert ids(admin, "conversations", **others) == {other.pk}


def test_tickets_are_filtered(shop: Shop, other: Conversation, admin: APIClient) -> None:
    mine, theirs = {shop.message.ticket_id}, {Ticket.objects.get(conversation=other).pk}
    queries: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"conversation": shop.conversation.pk}, {"conversation": other.pk}),
        ({"channel": shop.channel.pk}, {"channel": other.channel_id}),
        ({"status": "open"}, {"status": "closed"}),
        ({"department": "Sales"}, {"department": "Support"}),
        ({"unassigned": "true"}, {"assignee": "bob"}),
        ({"until": "2026-11-21T00:00:00Z"}, {"since": "2026-11-21T00:00:00Z"}),
        ({"until": "2026-11-20T12:00:00.001Z"}, {"closed_since": "2026-11-23T12:00:00Z"}),
    ]
    for shops, others in queries:
        assert ids(admin, "tickets", **shops) == mine
        assert ids(admin, "tickets", **others) == theirs
    assert ids(admin, "tickets", status=["open", "closed"]) == mine | theirs


def test_messages_are_filtered(shop: Shop, other: Conversation, admin: APIClient) -> None:
    received = Message.objects.get(mid="m_other")
    answer = Message.objects.get(mid="m_answer")
    note = factories.answer(shop.conversation, "Note to us", kind="note", author=shop.alice)
    mine, theirs = {shop.message.pk, note.pk}, {received.pk, answer.pk}
    queries: list[tuple[dict[str, Any], set[int]]] = [
        ({"conversation": shop.conversation.pk}, mine),
        ({"ticket": received.ticket_id}, theirs),
        ({"channel": other.channel_id}, theirs),
        ({"page_id": shop.channel.page.page_id}, mine),
        ({"psid": "8002"}, theirs),
        ({"mid": "m_first"}, {shop.message.pk}),
        ({"direction": "in"}, {shop.message.pk, received.pk}),
        ({"direction": ["in", "out"]}, mine | theirs),
        ({"kind": "note"}, {note.pk}),
        ({"state": "received"}, {shop.message.pk, received.pk}),
        ({"state": ["received", "sent"], "kind": "message"}, {shop.message.pk, *theirs}),
        ({"author": "bob"}, {answer.pk}),
        ({"since": "2026-11-21T00:00:00Z"}, theirs),
        ({"since": "2026-11-20T12:00:00Z", "until": "2026-11-20T12:00:00.001Z"}, mine),
        ({"direction": "in", "psid": "8002"}, {received.pk}),
    ]
    for query, expected in queries:
        assert ids(admin, "messages", **query) == expected, query


def test_channels_are_filtered(shop: Shop, admin: APIClient) -> None:
    gone = factories.make_channel(department=factories.make_department("Support"), is_active=False, deleted_at=NOON)
    Page.objects.filter(pk=gone.page_id).update(connection="reauth_required", reauth_reason="app_removed")
    living = set(Channel.objects.existing().values_list("pk", flat=True))
    queries: list[tuple[dict[str, Any], set[int]]] = [
        ({"deleted": "true"}, {gone.pk}),
        ({"deleted": "false"}, living),
        ({"is_active": "false"}, {gone.pk}),
        ({"is_active": "true"}, living),
        ({"department": "Support"}, {gone.pk}),
        ({"page_id": gone.page.page_id}, {gone.pk}),
        ({"connection": "reauth_required"}, {gone.pk}),
        ({"connection": "connected"}, living),
    ]
    for query, expected in queries:
        assert ids(admin, "channels", **query) == expected, query


def test_an_id_one_may_not_see_filters_to_nothing(shop: Shop, bob: APIClient) -> None:
    assert ids(bob, "messages", conversation=shop.conversation.pk) == set()
    assert ids(bob, "messages", conversation=MAX_ID) == set()


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("messages", "conversation", "abc"),
        ("messages", "conversation", "-1"),
        ("messages", "conversation", str(MAX_ID + 1)),
        ("messages", "conversation", "9" * 5000),
        ("messages", "ticket", "1.5"),
        ("messages", "ticket", "nan"),
        ("messages", "direction", "sideways"),
        ("messages", "kind", "Message"),
        ("messages", "state", "lost"),
        ("messages", "since", "yesterday"),
        ("messages", "since", "1767225600"),
        ("messages", "since", "2026-02-30T00:00:00Z"),
        ("messages", "since", "0001-01-01T00:00:00+14:00"),
        ("messages", "until", "9999-12-31T23:59:59-14:00"),
        ("messages", "mid", "a\x00b"),
        ("conversations", "unread", "maybe"),
        ("conversations", "channel", "one"),
        ("conversations", "psid", "\x00"),
        ("tickets", "status", "shut"),
        ("channels", "is_active", "yes please"),
        ("channels", "connection", "lost"),
        ("channels", "page_size", "0"),
        ("channels", "page_size", "201"),
        ("channels", "page_size", "many"),
        ("channels", "page_size", "٣"),
        ("channels", "ordering", "name"),
        ("channels", "ordering", "page__page_token"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_with_a_sentence(
    alice: APIClient, name: str, parameter: str, value: str
) -> None:
    answer = alice.get(f"/api/v1/{name}/", {parameter: value})
    assert answer.status_code == 400
    [sentence] = answer.json()[parameter]
    assert sentence.endswith(".")


@pytest.mark.parametrize("value", ["abc", "0", "-1", "1.5", "٣", "%00", str(MAX_ID), "9" * 40, "9" * 5000])
@pytest.mark.parametrize("name", ["channels", "conversations", "tickets", "messages"])
def test_an_id_that_makes_no_sense_is_not_found(alice: APIClient, name: str, value: str) -> None:
    answer = alice.get(f"/api/v1/{name}/{value}/")
    assert answer.status_code == 404


def test_an_empty_filter_is_not_asked_for(shop: Shop, alice: APIClient) -> None:
    query = {"conversation": "", "direction": "", "since": "", "psid": "", "cursor": "", "ordering": ""}
    assert ids(alice, "messages", **query) == {shop.message.pk}
