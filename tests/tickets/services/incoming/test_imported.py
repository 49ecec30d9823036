"""What was written before the channel, among live messages, taken in by the drain in any order."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from channels_im import tasks
from channels_im.messenger import recovered_events
from channels_im.messenger.graph_messages import parse_message
from channels_im.models import Channel, WebhookDelivery
from desk.integrity import Wishes
from tests import factories as make
from tests.factories import NOON, delivery, item
from tests.matching import present
from tests.pages import html_of
from tickets.models import Conversation, Message, Ticket
from tickets.services.integrity import conversations as integrity
from tickets.services.outgoing import replies

pytestmark = pytest.mark.django_db
PSID = "7001"
IMPORTED, LIVE = WebhookDelivery.Source.IMPORTED, None


@pytest.fixture
def channel() -> Channel:
    return make.make_channel()


def journal(channel: Channel, source: str | None, who: str, minutes: float) -> None:
    """Write a message to the journal, `minutes` after noon; a live one as a webhook, an imported one as the import."""
    page, at = channel.page, NOON + timedelta(minutes=minutes)
    mid = f"m_{minutes}"
    if source is None:
        content: dict[str, Any] = {"mid": mid, "text": mid}
        if who == "page":
            content |= {"is_echo": True, "app_id": 263902037430900}
        body: Any = delivery(page, item(page, PSID, at, from_page=who == "page", message=content))
    else:
        row = {"id": mid, "created_time": at.strftime("%Y-%m-%dT%H:%M:%S+0000"), "message": mid}
        message = present(parse_message(row | {"from": {"id": page.page_id if who == "page" else PSID}}, page.page_id))
        body = recovered_events.delivery_body(
            page.page_id, [recovered_events.message_item(message, page.page_id, PSID, message.created_at)], NOON
        )
    make.journal(body, source=source)
    tasks.drain_journal()


def facts() -> dict[str, Any]:
    """Return what the conversation is, for people."""
    conversation = Conversation.objects.get()
    names = ("unread_count", "waiting_since", "message_count", "last_customer_message_at", "last_message_at", "preview")
    return {name: getattr(conversation, name) for name in names} | {
        "tickets": list(Ticket.objects.order_by("opened_at").values_list("status", "opened_at", "closed_at", "subject"))
    }


def in_any_order(channel: Channel, *said: tuple[str | None, str, float]) -> Iterator[dict[str, Any]]:
    """Yield the facts after each order in which Desk can learn of it; nothing contradicts the messages."""
    for order in permutations(said):
        with transaction.atomic():
            for source, who, minutes in order:
                journal(channel, source, who, minutes)
            assert [problem.sentence for problem in integrity.problems(Conversation.objects.all())] == []
            assert list(integrity.check_tickets(Wishes())) == []
            yield facts()
            transaction.set_rollback(True)


@pytest.mark.slow
def test_what_was_imported_is_closed_and_what_is_live_is_open(channel: Channel) -> None:
    said = (IMPORTED, "customer", -300), (IMPORTED, "page", -290), (IMPORTED, "customer", -100), (LIVE, "customer", 30)
    [first, *others] = in_any_order(channel, *said)
    live = NOON + timedelta(minutes=30)
    assert all(other == first for other in others)
    assert (first["unread_count"], first["waiting_since"], first["message_count"]) == (1, live, 4)
    assert [status for status, *_ in first["tickets"]] == ["closed", "closed", "open"]
    assert [closed_at for _, _, closed_at, _ in first["tickets"]] == [
        NOON - timedelta(minutes=290),
        NOON - timedelta(minutes=100),
        None,
    ]


@pytest.mark.slow
def test_a_live_message_that_goes_on_reopens_the_ticket(channel: Channel) -> None:
    said = (IMPORTED, "customer", -20), (IMPORTED, "customer", -10), (LIVE, "customer", 5), (LIVE, "page", 6)
    [first, *others] = in_any_order(channel, *said)
    assert all(other == first for other in others)
    assert (first["unread_count"], first["waiting_since"]) == (1, None)
    assert [status for status, *_ in first["tickets"]] == ["open"]


def test_an_imported_message_releases_no_held_reply_and_is_not_published(channel: Channel, client: Client) -> None:
    conversation = make.make_conversation(channel, psid=PSID)
    make.receive(conversation, "Old", NOON - timedelta(days=3))
    agent = make.make_agent("alice", channels=(channel,))
    [reply] = replies.queue_reply(agent, conversation, text="When you write", hold=True)
    assert (reply.state, reply.waits_for_customer) == ("held", True)
    journal(channel, IMPORTED, "customer", -30)
    reply.refresh_from_db()
    assert reply.state == "held"
    client.force_login(agent)
    page = html_of(client.get(f"/inbox/{conversation.pk}/"))
    assert "· Imported" in page
    assert "· Recovered" not in page
    assert Message.objects.get(mid="m_-30").is_imported


def test_webhooks_that_come_after_the_import_correct_the_times_and_keep_the_order(channel: Channel) -> None:
    """The Conversations API tells the second alone."""
    said = ("customer", 0.002), ("page", 0.005), ("customer", 0.0075)  # in one second
    for who, minutes in said:
        journal(channel, IMPORTED, who, minutes)
    order = [f"m_{minutes}" for _who, minutes in said]
    for who, minutes in reversed(said):
        journal(channel, LIVE, who, minutes)
        assert Message.objects.get(mid=f"m_{minutes}").sent_at == NOON + timedelta(minutes=minutes)
        assert list(Message.objects.order_by("sent_at", "pk").values_list("mid", flat=True)) == order
        assert [problem.sentence for problem in integrity.problems(Conversation.objects.all())] == []
        assert list(integrity.check_tickets(Wishes())) == []
    assert Message.objects.filter(is_imported=True).count() == 3
