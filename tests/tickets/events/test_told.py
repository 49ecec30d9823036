"""What programs are told of: a row for each change and each subscription that wants it, in the change's transaction."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from channels_im import tasks
from desk.live import publish
from tests import factories
from tests.factories import NOON
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
def alice(conversation: Conversation) -> Any:
    return factories.make_agent("alice", channels=(conversation.channel,))


def told() -> list[str]:
    """The types of events, in their order; those that were told are forgotten."""
    rows = list(EventDelivery.objects.order_by("id"))
    EventDelivery.objects.all().delete()
    return [row.type for row in rows]


def updates() -> list[tuple[int | None, list[str]]]:
    rows = list(EventDelivery.objects.filter(type="message.updated").order_by("id"))
    EventDelivery.objects.all().delete()
    return [(row.message_id, row.facts["changed"]) for row in rows]


def test_a_message_that_opens_a_ticket_is_two_events(crm: EventSubscription):
    conversation = factories.make_conversation()
    message = factories.receive(conversation)
    ticket, created = EventDelivery.objects.order_by("id")
    assert (ticket.type, ticket.ticket_id, ticket.conversation_id) == (
        "ticket.opened",
        message.ticket_id,
        conversation.pk,
    )
    assert (created.type, created.message_id, created.facts) == ("message.created", message.pk, {"by": None})


def test_without_a_subscription_nothing_is_written(conversation: Conversation, alice: Any):
    actions.close(alice, conversation)
    assert told() == []


def test_only_what_was_chosen_is_told_and_to_active_subscriptions(crm: EventSubscription, alice: Any):
    conversation = factories.make_conversation()
    EventSubscription.objects.filter(pk=crm.pk).update(events=["ticket.closed"])
    create(factories.make_user("boss"), name="Off", url="https://off.example.com", events=EventType.values)
    EventSubscription.objects.filter(name="Off").update(is_active=False)
    told()
    factories.receive(conversation)
    actions.close(alice, conversation)
    assert list(EventDelivery.objects.values_list("type", "subscription")) == [("ticket.closed", crm.pk)]


def test_two_subscriptions_are_told_of_one_event(crm: EventSubscription, conversation: Conversation, alice: Any):
    told()
    other = create(alice, name="BI", url="https://bi.example.com", events=["ticket.closed"])
    actions.close(alice, conversation)
    rows = EventDelivery.objects.order_by("id")
    assert {row.subscription_id for row in rows} == {crm.pk, other.pk}
    assert len({row.event_id for row in rows}) == 1


def test_work_on_a_conversation_is_told_once_with_who_did_it(
    crm: EventSubscription, conversation: Conversation, alice: Any
):
    told()
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
    assert told() == [
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
    crm: EventSubscription, conversation: Conversation, alice: Any
):
    actions.close(alice, conversation)
    told()
    factories.receive(conversation, "One more thing", at=NOON + timedelta(hours=1, minutes=1))
    assert told() == ["ticket.opened", "message.created"]
    actions.close(alice, conversation)
    told()
    factories.receive(conversation, "And another", at=NOON + timedelta(hours=1, minutes=2))
    assert told() == ["ticket.reopened", "message.created"]


def test_the_way_of_a_reply_is_told(crm: EventSubscription, conversation: Conversation, alice: Any):
    told()
    [message] = replies.queue_reply(alice, conversation, text="Hi")
    assert told() == ["message.created"]
    Message.objects.filter(pk=message.pk).update(state="sending", claimed_by="me")
    at = NOON + timedelta(hours=1)
    delivery_status.confirm(message.pk, mid="m_out", sent_at=at, evidence=delivery_status.Evidence.ANSWER)
    assert updates() == [(message.pk, ["state", "mid", "sent_at"])]
    delivery_status.confirm(message.pk, mid="m_out", sent_at=at, evidence=delivery_status.Evidence.ECHO)
    assert told() == []
    contact, channel = conversation.contact, conversation.channel
    for kind in ("delivery", "read"):
        watermark = {"watermark": factories.ms(at)}
        item = factories.item(contact.page, contact.psid, at, **{kind: watermark})
        for _ in range(2):
            factories.journal(factories.delivery(channel.page, item))
        tasks.drain_journal()
        assert updates() == [(message.pk, ["state"])], kind
    message.refresh_from_db()
    assert message.state == "read"


def test_a_refusal_tells_of_the_reply_and_of_those_held_behind_it(
    crm: EventSubscription, conversation: Conversation, alice: Any
):
    first, second = (replies.queue_reply(alice, conversation, text=text)[0] for text in ("One", "Two"))
    Message.objects.filter(pk=first.pk).update(state="unsure", retry_after=NOON)
    told()
    with transaction.atomic():
        delivery_status.hold_following(conversation, first, "Look first.")
    assert updates() == [(second.pk, ["state", "reason"])]
    undelivered.cancel(alice, second)
    [row] = EventDelivery.objects.all()
    assert (row.type, row.message_id, row.facts) == ("message.deleted", second.pk, {"by": "alice"})


def test_what_happens_to_a_message_later_is_told(crm: EventSubscription, conversation: Conversation):
    told()
    page, pk = conversation.contact.page, conversation.messages.get(mid="m_first").pk
    at = NOON + timedelta(minutes=1)
    for _ in range(2):
        message_changes.receive(page, "m_first", key="e", kind="edit", at=at, text="Hello!", number=1)
    assert updates() == [(pk, ["text", "edited_at"])]
    message_changes.receive(page, "m_first", key="r", kind="reaction", at=at, by="customer", emoji="❤")
    assert updates() == [(pk, ["reactions"])]
    message_changes.receive(page, "m_first", key="w", kind="withdrawal", at=at)
    assert updates() == [(pk, ["withdrawn_at"])]


def test_what_is_rolled_back_was_never_told(crm: EventSubscription, conversation: Conversation):
    told()

    with transaction.atomic():
        factories.receive(conversation, "Lost", at=NOON + timedelta(minutes=2))
        transaction.set_rollback(True)
    assert told() == []


@pytest.mark.parametrize("count", [1, 10])
def test_messages_that_are_taken_in_together_ask_once_whether_anybody_listens(conversation: Conversation, count: int):
    page, psid = conversation.contact.page, conversation.contact.psid
    items = [factories.text_item(page, psid, str(number), NOON) for number in range(count)]
    factories.journal(factories.delivery(page, *items))
    with CaptureQueriesContext(connection) as queries:
        tasks.drain_journal()
    assert sum("tickets_eventsubscription" in query["sql"] for query in queries) == 1
    assert conversation.messages.count() == count + 1


def test_what_is_taken_in_together_is_written_together_in_order_each_thing_once(
    crm: EventSubscription, conversation: Conversation
):
    told()
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


def test_what_is_undone_with_its_batch_was_never_told(crm: EventSubscription, conversation: Conversation):
    told()
    with pytest.raises(ZeroDivisionError), transaction.atomic(), publish.batched():
        assert factories.receive(conversation, "Lost", at=NOON + timedelta(minutes=1)).pk / 0
    assert told() == []


def test_what_is_asked_once_is_asked_anew_in_the_next_batch(crm: EventSubscription, conversation: Conversation):
    told()
    with transaction.atomic(), publish.batched():
        factories.receive(conversation, "One", at=NOON + timedelta(minutes=3))
    EventSubscription.objects.update(is_active=False)
    with transaction.atomic(), publish.batched():
        factories.receive(conversation, "Two", at=NOON + timedelta(minutes=4))
    assert told() == ["message.created"]


def test_a_receipt_that_changes_nothing_is_not_told(crm: EventSubscription, conversation: Conversation):
    told()
    channel = conversation.channel
    event = factories.item(channel.page, conversation.contact.psid, NOON, read={"watermark": factories.ms(NOON)})
    factories.journal(factories.delivery(channel.page, event))
    tasks.drain_journal()
    assert told() == []


def test_what_was_told_of_an_erased_person_is_forgotten(crm: EventSubscription, conversation: Conversation):
    other = factories.receive(factories.make_conversation())
    EventDelivery.objects.filter(conversation_id=conversation.pk).update(body="Hello", state="delivered")
    erasure.erase(crm.created_by, conversation.contact)
    assert set(EventDelivery.objects.values_list("conversation_id", flat=True)) == {other.conversation_id}
