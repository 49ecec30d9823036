"""Failing webhooks: events stay in order, are retried with the same id and growing pauses, and are given up at last."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from pytest_django import Settings
from time_machine import Traveller

from desk import audit_log
from desk.mail import LEASE, RETRY_DELAY
from desk.models import User
from tests import factories
from tests.factories import NOON
from tests.matching import present
from tests.sandbox.receiver import Receiver
from tests.tickets.services.webhooks.deliveries import bodies, states
from tickets import tasks
from tickets.api import payloads
from tickets.models import Conversation, EventDelivery, EventSubscription, Message
from tickets.services.webhooks import delivery, http_call
from tickets.services.webhooks.subscriptions import change, create, send_test

pytestmark = pytest.mark.django_db


def test_a_conversations_events_come_in_order(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
) -> None:
    others = [factories.make_conversation(conversation.channel) for _ in range(3)]
    for number in range(5):
        for one in (conversation, *others):
            factories.receive(one, str(number), at=NOON + timedelta(minutes=number))
    tasks.send_events()
    for one in (conversation, *others):
        mine = [event["data"] for event in bodies(receiver) if event["data"]["conversation"]["id"] == one.pk]
        assert [data["message"]["text"] for data in mine if "message" in data] == ["0", "1", "2", "3", "4"]


def test_a_failure_is_tried_again_with_the_same_id_and_content(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, clock: Traveller
) -> None:
    EventSubscription.objects.update(events=["message.created"])
    message = factories.receive(conversation, "As it was")
    receiver.always = 503
    tasks.send_events()
    Message.objects.filter(pk=message.pk).update(text="As it is")
    row = EventDelivery.objects.get()
    assert (row.state, row.status, row.attempts) == ("pending", 503, 1)
    assert "503" in row.reason
    receiver.always = None
    assert tasks.send_events() == 0  # not yet
    clock.shift(timedelta(seconds=10))
    assert tasks.send_events() == 1
    first, second = receiver.posts
    assert first.raw == second.raw
    assert first.headers["Desk-Event-Id"] == second.headers["Desk-Event-Id"]
    assert first.headers["Desk-Signature"] != second.headers["Desk-Signature"]
    crm.refresh_from_db()
    assert (crm.failures, crm.failing_since, states()) == (0, None, ["delivered"])


@pytest.mark.slow
def test_a_failing_webhook_gets_one_event_at_a_time_with_growing_pauses(
    crm: EventSubscription, receiver: Receiver, clock: Traveller, conversation: Conversation
) -> None:
    EventSubscription.objects.update(events=["message.created"])
    for _ in range(30):
        factories.receive(factories.make_conversation(conversation.channel))
    receiver.always = 500
    tasks.send_events()
    first_calls = len(receiver.posts)
    assert first_calls <= delivery.MAX_CALLS_PER_WEBHOOK
    for pause in (10, 20, 40, 80):
        clock.shift(timedelta(seconds=pause - 1))
        assert tasks.send_events() == 0
        clock.shift(timedelta(seconds=1))
        assert tasks.send_events() == 1
    receiver.always = None
    clock.shift(timedelta(hours=1))
    tasks.send_events()
    assert set(states()) == {"delivered"}
    assert len({event["id"] for event in bodies(receiver)}) == 30


def test_slow_webhooks_with_many_events_leave_threads_to_one_with_few(
    receiver: Receiver, admin: User, channel_events: Callable[[], None]
) -> None:
    def webhook(name: str) -> EventSubscription:
        return create(admin, name=name, url=f"{receiver.url}/{name}", events=["message.created"])

    def claimed() -> Counter[str]:
        free = delivery.POOL_SIZE - drain.under_way.total()
        return Counter(job.row.subscription.name for job in drain.claim(free))

    drain = delivery._Drain(payloads.bodies)
    slow = [webhook("first")]
    channel_events()
    assert claimed() == {"first": 8}
    slow.append(webhook("second"))
    channel_events()
    assert claimed() == {"second": 4}
    webhook("third")
    channel_events()
    assert claimed() == {"third": 2}
    EventSubscription.objects.filter(pk__in=[one.pk for one in slow]).update(is_active=False)
    webhook("fourth")
    channel_events()
    assert claimed() == {"fourth": 1}


@pytest.fixture
def channel_events(conversation: Conversation) -> Callable[[], None]:
    """Let customers write in 20 new conversations."""

    def write() -> None:
        for _ in range(20):
            factories.receive(factories.make_conversation(conversation.channel))

    return write


def test_one_event_that_is_refused_does_not_stop_the_others(
    crm: EventSubscription, receiver: Receiver, clock: Traveller, conversation: Conversation
) -> None:
    EventSubscription.objects.update(events=["message.created"])
    poison = factories.receive(conversation)
    receiver.answers = [500]
    tasks.send_events()
    other = factories.receive(factories.make_conversation(conversation.channel))
    receiver.answers = [200]
    clock.shift(timedelta(seconds=9))
    EventDelivery.objects.filter(message_id=poison.pk).update(retry_after=NOON + timedelta(days=1))
    clock.shift(timedelta(seconds=1))
    tasks.send_events()
    assert EventDelivery.objects.get(message_id=other.pk).state == "delivered"
    assert EventDelivery.objects.get(message_id=poison.pk).state == "pending"


def test_after_a_day_an_event_is_given_up(
    crm: EventSubscription, receiver: Receiver, clock: Traveller, conversation: Conversation
) -> None:
    EventSubscription.objects.update(events=["message.created"])
    factories.receive(conversation)
    receiver.always = 500
    for _ in range(8):
        tasks.send_events()
        clock.shift(timedelta(hours=4))
    assert states() == ["failed"]
    assert EventDelivery.objects.get().attempts == 7


@pytest.mark.slow
def test_after_three_days_of_failures_a_webhook_is_turned_off_and_administrators_are_notified(
    crm: EventSubscription, receiver: Receiver, clock: Traveller, conversation: Conversation, admin: User
) -> None:
    receiver.always = 404
    for hour in range(19):
        factories.receive(conversation, at=NOON + timedelta(hours=hour))
        tasks.send_events()
        crm.refresh_from_db()
        assert crm.is_active is (hour < 18)
        clock.shift(timedelta(hours=4))
    assert "404" in crm.disabled_reason
    assert (tasks.mail_about_webhooks(), tasks.mail_about_webhooks()) == (1, 0)
    [letter] = mail.outbox
    assert "CRM" in letter.subject
    count = EventDelivery.objects.count()
    factories.receive(conversation, at=NOON + timedelta(days=4))
    assert EventDelivery.objects.count() == count
    receiver.always = None
    change(admin, crm, name=crm.name, url=crm.url, events=crm.events, is_active=True)
    crm.refresh_from_db()
    assert (crm.failures, crm.disabled_reason) == (0, "")
    receiver.forget()
    clock.shift(timedelta(hours=1))
    tasks.send_events()
    assert receiver.posts
    assert "pending" not in states()


def test_the_e_mail_about_a_webhook_is_repeated_until_a_server_accepts_it(
    crm: EventSubscription,
    receiver: Receiver,
    clock: Traveller,
    conversation: Conversation,
    admin: User,
    settings: Settings,
) -> None:
    receiver.always = 410
    factories.receive(conversation)
    tasks.send_events()
    on, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.mail_backends.Refusing"
    assert tasks.mail_about_webhooks() == 0
    settings.EMAIL_BACKEND = "tests.mail_backends.Killing"
    clock.shift(RETRY_DELAY)
    with pytest.raises(SystemExit):
        tasks.mail_about_webhooks()
    settings.EMAIL_BACKEND = on
    assert tasks.mail_about_webhooks() == 0  # the dead worker's claim holds
    clock.shift(LEASE)
    assert tasks.mail_about_webhooks() == 1


def test_a_webhook_that_answers_410_is_turned_off(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
) -> None:
    receiver.always = 410
    factories.receive(conversation)
    tasks.send_events()
    crm.refresh_from_db()
    assert (crm.is_active, crm.disabled_reason) == (False, "Disabled: the address answered 410 (gone).")
    entry = audit_log.entries_of(crm)[0]
    assert (entry.actor_kind, entry.actor_name, entry.sentence) == ("system", "Desk", crm.disabled_reason)


def test_a_redirect_is_not_followed(crm: EventSubscription, receiver: Receiver, admin: User) -> None:
    receiver.always = 302
    row = send_test(admin, crm)
    tasks.send_events()
    row.refresh_from_db()
    assert (row.state, len(receiver.posts)) == ("failed", 1)
    assert "redirect" in row.reason


def test_a_refused_connection_is_a_failure(crm: EventSubscription, receiver: Receiver, admin: User) -> None:
    receiver.stop()
    row = send_test(admin, crm)
    tasks.send_events()
    row.refresh_from_db()
    assert (row.state, row.reason) == ("failed", "The address could not be reached, or the connection was closed.")


def test_what_a_dead_worker_was_sending_is_sent_again_with_the_same_id(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, clock: Traveller
) -> None:
    EventSubscription.objects.update(events=["message.created"])
    factories.receive(conversation)
    EventDelivery.objects.update(state="sending", claimed_by="dead", claimed_at=NOON + timedelta(hours=1), attempts=1)
    assert tasks.send_events() == 0
    assert not delivery.is_due()
    clock.shift(timedelta(seconds=91))
    assert delivery.is_due()
    assert tasks.send_events() == 0  # it may be what killed the worker
    clock.shift(timedelta(seconds=3))
    assert tasks.send_events() == 1
    assert states() == ["delivered"]


def test_an_outcome_that_comes_after_the_claim_was_taken_back_changes_nothing(
    crm: EventSubscription, conversation: Conversation
) -> None:
    factories.receive(conversation)
    row = present(EventDelivery.objects.first())
    row.claimed_by = "an older claim"
    EventDelivery.objects.filter(pk=row.pk).update(state="sending", claimed_by="a newer claim")
    delivery.record(row, http_call.CallResult(200, ""))
    row.refresh_from_db()
    assert (row.state, row.claimed_by) == ("sending", "a newer claim")


def test_events_that_cannot_be_put_together_wait(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
) -> None:
    factories.receive(conversation)

    def broken(rows: Any) -> Any:
        raise ValueError

    assert delivery.drain_events(broken) == 0
    assert set(states()) == {"pending"}
    assert EventDelivery.objects.filter(attempts=1).exists()
    assert not receiver.posts
