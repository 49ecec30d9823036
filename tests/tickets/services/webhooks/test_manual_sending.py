"""Resend events, send test events, and delete old rows."""

from datetime import timedelta

import pytest
from time_machine import Traveller

from desk.errors import Refused
from desk.models import User
from desk.tasks import apply_retention
from tests import factories
from tests.factories import NOON
from tests.sandbox.receiver import Receiver
from tests.tickets.services.webhooks.deliveries import bodies, states
from tickets import tasks
from tickets.models import Conversation, EventDelivery, EventSubscription
from tickets.services.webhooks.subscriptions import resend, send_test

pytestmark = pytest.mark.django_db


def test_an_event_is_resent_with_the_same_id(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, admin: User
) -> None:
    EventSubscription.objects.update(events=["message.created"])
    factories.receive(conversation)
    tasks.send_events()
    row = EventDelivery.objects.get()
    resend(admin, row)
    with pytest.raises(Refused):
        resend(admin, row)
    tasks.send_events()
    assert len({post.headers["Desk-Event-Id"] for post in receiver.posts}) == 1
    assert len(receiver.posts) == 2
    EventSubscription.objects.update(is_active=False)
    with pytest.raises(Refused, match="turned off"):
        resend(admin, row)


def test_a_test_event_is_sent_once_even_when_the_webhook_is_off_or_fails(
    crm: EventSubscription, receiver: Receiver, admin: User
) -> None:
    EventSubscription.objects.update(
        is_active=False, failures=5, failing_since=NOON, retry_after=NOON + timedelta(days=2)
    )
    send_test(admin, crm)
    assert tasks.send_events() == 1
    [event] = bodies(receiver)
    assert (event["type"], event["data"]) == ("test", {"by": "admin"})


def test_old_rows_are_forgotten(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, clock: Traveller
) -> None:
    factories.receive(conversation)
    tasks.send_events()
    clock.shift(timedelta(days=6))
    apply_retention()
    assert EventDelivery.objects.count() == 2
    EventDelivery.objects.filter(type="ticket.opened").update(state="failed")
    clock.shift(timedelta(days=2))
    apply_retention()
    assert states() == ["failed"]
    clock.shift(timedelta(days=30))
    apply_retention()
    assert states() == []


@pytest.mark.parametrize("state", ["pending", "sending"])
def test_an_event_that_waits_is_never_forgotten(
    crm: EventSubscription, conversation: Conversation, clock: Traveller, state: str
) -> None:
    factories.receive(conversation)
    EventDelivery.objects.update(state=state)
    clock.shift(timedelta(days=400))
    apply_retention()
    assert set(states()) == {state}
