"""Webhook events: a row for each change and each subscription that chose it, in the transaction of the change."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from channels_im import tasks
from desk.live import publish
from desk.models import User
from tests import factories
from tests.factories import NOON
from tests.matching import present
from tickets.models import Conversation, EventDelivery, EventSubscription, EventType, Message
from tickets.services.conversation import message_changes
from tickets.services.inbox import actions
from tickets.services.outgoing import delivery_status, replies, undelivered
from tickets.services.privacy import erasure
from tickets.services.webhooks import events
from tickets.services.webhooks.subscriptions import create

pytestmark = pytest.mark.django_db


@pytest.fixture
def crm() -> EventSubscription:
    return create(factories.make_admin(), name="CRM", url="https://crm.example.com/desk", events=EventType.values)


@pytest.fixture
def conversation() -> Conversation:
    conversation = factories.make_conversation()
    factories.receive(conversation, "Hello", mid="m_first")
    return conversation


@pytest.fixture
def alice(conversation: Conversation) -> User:
    return factories.make_agent("alice", channels=(conversation.channel,))


def event_types() -> list[str]:
    """Return the types of the events in their order, and delete them."""
    rows = list(EventDelivery.objects.order_by("id"))
    EventDelivery.objects.all().delete()
    return [row.type for row in rows]


def updates() -> list[tuple[int | None, list[str]]]:
    rows = list(EventDelivery.objects.filter(type="message.updated").order_by("id"))
    EventDelivery.objects.all().delete()
    return [(row.message_id, row.facts["changed"]) for row in rows]


def test_a_message_that_opens_a_ticket_is_two_events(crm: EventSubscription) -> None:
    conversation = factories.make_conversation()
    message = factories.receive(conversation)
    ticket, created = EventDelivery.objects.order_by("id")
    assert (ticket.type, ticket.ticket_id, ticket.conversation_id) == (
        "ticket.opened",
        message.ticket_id,
        conversation.pk,
    )
    assert (created.type, created.message_id, created.facts) == ("message.created", message.pk, {"by": None})


def test_without_a_subscription_nothing_is_written(conversation: Conversation, alice: User) -> None:
    actions.close(alice, conversation)
    assert event_types() == []


def test_only_chosen_events_are_written_and_only_for_active_webhooks(crm: EventSubscription, alice: User) -> None:
    conversation = factories.make_conversation()
    EventSubscription.objects.filter(pk=crm.pk).update(events=["ticket.closed"])
    create(factories.make_user("boss"), name="Off", url="https://off.example.com", events=EventType.values)
    EventSubscription.objects.filter(name="Off").update(is_active=False)
    event_types()
    factories.receive(conversation)
    actions.close(alice, conversation)
    assert list(EventDelivery.objects.values_list("type", "subscription")) == [("ticket.closed", crm.pk)]


def test_two_webhooks_get_the_same_event(crm: EventSubscription, conversation: Conversation, alice: User) -> None:
    event_types()
    other = create(alice, name="BI", url="https://bi.example.com", events=["ticket.closed"])
    actions.close(alice, conversation)
    rows = EventDelivery.objects.order_by("id")
    assert {row.subscription_id for row in rows} == {crm.pk, other.pk}
    assert len({row.event_id for row in rows}) == 1


def test_work_on_a_conversation_is_one_event_that_names_who_did_it(
    crm: EventSubscription, conversation: Conversation, alice: User
) -> None:
    event_types()
    for work in (
        lambda: actions.assign(alice, conversation, alice),
        lambda: actions.assign(alice, conversation, None),
        lambda: actions.close(alice, conversation),
        lambda: actions.reopen(alice, conversation),
        lambda: actions.block(alice, conversation),
        lambda: actions.unblock(alice, conversation),
    ):
        work()
        work()
    actions.transfer(alice, conversation, factories.make_department("Returns"), "Refund")
    assert {row.facts["by"] for row in EventDelivery.objects.all()} == {"alice"}
    transferred = EventDelivery.objects.get(type="conversation.transferred")
    assert transferred.facts["to_department"] == "Returns"
    assert event_types() == [
        "conversation.assigned",
        "conversation.assigned",
        "ticket.closed",
        "ticket.reopened",
        "contact.blocked",
        "contact.unblocked",
        "message.created",  # the note
        "conversation.transferred",
    ]


def test_a_customer_who_writes_after_the_closing_reopens(
    crm: EventSubscription, conversation: Conversation, alice: User
) -> None:
    actions.close(alice, conversation)
    event_types()
    factories.receive(conversation, "One more thing", at=NOON + timedelta(hours=1, minutes=1))
    assert event_types() == ["ticket.opened", "message.created"]
    actions.close(alice, conversation)
    event_types()
    factories.receive(conversation, "And another", at=NOON + timedelta(hours=1, minutes=2))
    assert event_types() == ["ticket.reopened", "message.created"]


def test_each_state_of_a_reply_is_an_event(crm: EventSubscription, conversation: Conversation, alice: User) -> None:
    event_types()
    [message] = replies.queue_reply(alice, conversation, text="Hi")
    assert event_types() == ["message.created"]
    Message.objects.filter(pk=message.pk).update(state="sending", claimed_by="me")
    at = NOON + timedelta(hours=1)
    delivery_status.confirm(message.pk, mid="m_out", sent_at=at, proof=delivery_status.Evidence.ANSWER)
    assert updates() == [(message.pk, ["state", "mid", "sent_at"])]
    delivery_status.confirm(message.pk, mid="m_out", sent_at=at, proof=delivery_status.Evidence.ECHO)
    assert event_types() == []
    contact, channel = conversation.contact, conversation.channel
    for kind in ("delivery", "read"):
        content: dict[str, Any] = {kind: {"watermark": factories.ms(at)}}
        item = factories.item(contact.page, contact.psid, at, **content)
        for _ in range(2):
            factories.journal(factories.delivery(channel.page, item))
        tasks.drain_journal()
        assert updates() == [(message.pk, ["state"])], kind
    message.refresh_from_db()
    assert message.state == "read"


def test_a_refusal_is_an_event_of_the_reply_and_of_those_held_behind_it(
    crm: EventSubscription, conversation: Conversation, alice: User
) -> None:
    first, second = (replies.queue_reply(alice, conversation, text=text)[0] for text in ("One", "Two"))
    Message.objects.filter(pk=first.pk).update(state="unsure", retry_after=NOON)
    event_types()
    with transaction.atomic():
        delivery_status.hold_behind(conversation, first, "Look first.")
    assert updates() == [(second.pk, ["state", "reason"])]
    undelivered.cancel(alice, second)
    [row] = EventDelivery.objects.all()
    assert (row.type, row.message_id, row.facts) == ("message.deleted", second.pk, {"by": "alice"})


def test_later_changes_of_a_message_are_events(crm: EventSubscription, conversation: Conversation) -> None:
    event_types()
    page, pk = conversation.contact.page, conversation.messages.get(mid="m_first").pk
    at = NOON + timedelta(minutes=1)
    for _ in range(2):
        message_changes.receive(page, "m_first", key="e", kind="edit", at=at, text="Hello!", number=1)
    assert updates() == [(pk, ["text", "edited_at"])]
    message_changes.receive(page, "m_first", key="r", kind="reaction", at=at, by="customer", emoji="❤")
    assert updates() == [(pk, ["reactions"])]
    message_changes.receive(page, "m_first", key="w", kind="withdrawal", at=at)
    assert updates() == [(pk, ["withdrawn_at"])]


def test_what_is_rolled_back_leaves_no_event(crm: EventSubscription, conversation: Conversation) -> None:
    event_types()

    with transaction.atomic():
        factories.receive(conversation, "Lost", at=NOON + timedelta(minutes=2))
        transaction.set_rollback(True)
    assert event_types() == []


@pytest.mark.parametrize("count", [1, 10])
def test_a_batch_of_messages_reads_the_webhooks_once(conversation: Conversation, count: int) -> None:
    page, psid = conversation.contact.page, conversation.contact.psid
    items = [factories.text_item(page, psid, str(number), NOON) for number in range(count)]
    factories.journal(factories.delivery(page, *items))
    with CaptureQueriesContext(connection) as queries:
        tasks.drain_journal()
    assert sum("tickets_eventsubscription" in query["sql"] for query in queries) == 1
    assert conversation.messages.count() == count + 1


def test_a_batch_writes_its_events_together_in_order_without_duplicates(
    crm: EventSubscription, conversation: Conversation
) -> None:
    event_types()
    with transaction.atomic(), publish.batched():
        messages = [
            factories.receive(conversation, str(number), at=NOON + timedelta(minutes=number)) for number in (1, 2, 3)
        ]
        for _ in range(2):
            events.messages_updated(conversation, [messages[0].pk], "state")
        assert not EventDelivery.objects.exists()
    rows = EventDelivery.objects.order_by("id")
    assert [(row.type, row.message_id) for row in rows] == [
        *(("message.created", message.pk) for message in messages),
        ("message.updated", messages[0].pk),
    ]


def test_what_is_rolled_back_with_its_batch_leaves_no_event(crm: EventSubscription, conversation: Conversation) -> None:
    event_types()
    with pytest.raises(ZeroDivisionError), transaction.atomic(), publish.batched():
        assert factories.receive(conversation, "Lost", at=NOON + timedelta(minutes=1)).pk / 0
    assert event_types() == []


def test_the_next_batch_reads_the_webhooks_again(crm: EventSubscription, conversation: Conversation) -> None:
    event_types()
    with transaction.atomic(), publish.batched():
        factories.receive(conversation, "One", at=NOON + timedelta(minutes=3))
    EventSubscription.objects.update(is_active=False)
    with transaction.atomic(), publish.batched():
        factories.receive(conversation, "Two", at=NOON + timedelta(minutes=4))
    assert event_types() == ["message.created"]


def test_a_receipt_that_changes_nothing_is_no_event(crm: EventSubscription, conversation: Conversation) -> None:
    event_types()
    channel = conversation.channel
    event = factories.item(channel.page, conversation.contact.psid, NOON, read={"watermark": factories.ms(NOON)})
    factories.journal(factories.delivery(channel.page, event))
    tasks.drain_journal()
    assert event_types() == []


def test_events_of_an_erased_contact_are_deleted(crm: EventSubscription, conversation: Conversation) -> None:
    other = factories.receive(factories.make_conversation())
    EventDelivery.objects.filter(conversation_id=conversation.pk).update(body="Hello", state="delivered")
    erasure.erase(present(crm.created_by), conversation.contact)
    assert set(EventDelivery.objects.values_list("conversation_id", flat=True)) == {other.conversation_id}
