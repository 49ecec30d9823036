"""What /readyz says of webhook events: it reports a worker that sends none, not a receiver that is down."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from time_machine import Traveller

from desk import health
from desk.models import User
from tests import factories
from tests.matching import present
from tests.sandbox.receiver import Receiver
from tickets import tasks
from tickets.models import Conversation, EventDelivery, EventSubscription
from tickets.services.webhooks.subscriptions import change, resend

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _only_messages(crm: EventSubscription) -> None:
    EventSubscription.objects.update(events=["message.created"])
    crm.refresh_from_db()


def ready() -> tuple[int, dict[str, Any], list[str]]:
    """What a monitor reads while the worker lives: status, the part about events, and what is wrong."""
    health.record_heartbeat()
    answer = Client().get("/readyz")
    return answer.status_code, answer.json()["events"], answer.json()["problems"]


def test_events_that_no_worker_sends_make_desk_degraded(
    conversation: Conversation, receiver: Receiver, clock: Traveller
) -> None:
    factories.receive(conversation)
    clock.shift(timedelta(minutes=5))
    assert ready() == (200, {"waiting": 1, "oldest_s": 300.0}, [])
    clock.shift(timedelta(seconds=1))
    sentence = "A webhook event has waited for 301 seconds to be sent."
    assert ready() == (503, {"waiting": 1, "oldest_s": 301.0}, [sentence])
    tasks.send_events()
    assert ready() == (200, {"waiting": 0, "oldest_s": 0}, [])


@pytest.mark.slow
def test_a_webhook_that_is_down_does_not(conversation: Conversation, receiver: Receiver, clock: Traveller) -> None:
    receiver.always = 503
    others = [factories.make_conversation(conversation.channel) for _ in range(20)]
    for one in others:
        factories.receive(one)
    for _ in range(12):  # the worker lives and tries whenever something is due
        tasks.send_events()
        assert ready() == (200, {"waiting": 20, "oldest_s": 0}, [])
        clock.shift(timedelta(minutes=20))
        assert ready()[1]["waiting"] == 20
    receiver.always = None
    tasks.send_events()
    assert ready() == (200, {"waiting": 0, "oldest_s": 0}, [])


def test_a_webhook_that_is_down_hides_no_dead_worker(
    conversation: Conversation, receiver: Receiver, clock: Traveller
) -> None:
    receiver.always = 503
    factories.receive(conversation)
    tasks.send_events()
    clock.shift(timedelta(seconds=10))  # due again, and nobody tries
    clock.shift(timedelta(minutes=6))
    assert ready()[:2] == (503, {"waiting": 1, "oldest_s": 360.0})


def test_a_long_row_of_events_that_is_being_sent_does_not(
    conversation: Conversation, receiver: Receiver, clock: Traveller, crm: EventSubscription
) -> None:
    factories.receive(conversation)
    factories.receive(factories.make_conversation(conversation.channel))
    clock.shift(timedelta(hours=1))
    first = present(EventDelivery.objects.order_by("pk").first())
    with_a_worker = {"state": "sending", "claimed_by": "a worker", "claimed_at": timezone.now()}
    EventDelivery.objects.filter(pk=first.pk).update(**with_a_worker)
    assert ready() == (200, {"waiting": 2, "oldest_s": 3600.0}, [])


def test_events_of_a_webhook_that_is_off_are_not_counted(
    conversation: Conversation, clock: Traveller, crm: EventSubscription, admin: User
) -> None:
    factories.receive(conversation)
    fields = {"name": crm.name, "url": crm.url, "events": crm.events}
    change(admin, crm, **fields, is_active=False)
    clock.shift(timedelta(days=1))
    assert ready() == (200, {"waiting": 0, "oldest_s": 0}, [])
    change(admin, crm, **fields, is_active=True)
    assert ready() == (200, {"waiting": 1, "oldest_s": 0}, [])


def test_an_old_event_that_is_sent_again_is_not_late(
    conversation: Conversation, receiver: Receiver, clock: Traveller, admin: User
) -> None:
    factories.receive(conversation)
    tasks.send_events()
    clock.shift(timedelta(days=1))
    resend(admin, EventDelivery.objects.get())
    assert ready() == (200, {"waiting": 1, "oldest_s": 0}, [])
