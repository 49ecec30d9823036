"""A clock that was wrong: what it planned too far ahead is due again when it is right."""

from datetime import datetime, timedelta

import pytest
from django.apps import apps
from django.db.models import DateTimeField
from django.utils import timezone
from django_q.models import Schedule
from time_machine import TimeMachineFixture

from channels_im.models import WebhookDelivery
from channels_im.services.journal import store
from desk import planned_times
from desk.backoff import delay_after
from desk.planned_times import TOLERANCE
from tests.factories import NOON, make_agent, make_channel, make_conversation, receive
from tickets.models import Message
from tickets.services.outgoing import delivery_status, outbox, replies

pytestmark = pytest.mark.django_db
AHEAD = timedelta(hours=2)

#: Fields that say when something is next done, by their names.
PLANNING = ("retry_after", "due_at", "claimed_at", "claimed_until", "mail_after", "warning_after", "limited_until")
#: The time of the call that a look-up searches from; `delivery_status` handles one that lies ahead.
NOT_PLANNED = {("tickets.Message", "claimed_at")}


@pytest.fixture(autouse=True)
def clock(db: None, time_machine: TimeMachineFixture) -> TimeMachineFixture:
    time_machine.move_to(NOON, tick=False)
    Schedule.objects.all().delete()  # planned by `migrate`, at the time of the machine
    return time_machine


def delivery(**fields: object) -> WebhookDelivery:
    return WebhookDelivery.objects.create(body=b"{}", **fields)


def test_every_field_that_plans_is_registered() -> None:
    registered = {(planned.model._meta.label, planned.name) for planned in planned_times._registered.values()}
    fields = {
        (model._meta.label, field.name)
        for app in ("desk", "channels_im", "tickets")
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.get_fields()
        if isinstance(field, DateTimeField) and field.name.endswith(PLANNING)
    }
    assert len(fields) > 12
    assert fields - registered == NOT_PLANNED


def test_a_retry_planned_while_the_clock_was_ahead_is_due_again(clock: TimeMachineFixture) -> None:
    clock.shift(AHEAD)
    row = delivery(state="pending", attempts=2, retry_after=timezone.now() + timedelta(seconds=4))
    clock.shift(-AHEAD)
    assert not store.is_due()
    assert planned_times.pull_back() == 1
    assert store.is_due()
    row.refresh_from_db()
    assert row.retry_after == NOON


@pytest.mark.parametrize("attempts", [1, 5, 12])
def test_a_retry_that_the_backoff_plans_stays(attempts: int) -> None:
    pause = delay_after(attempts)
    assert pause is not None
    row = delivery(attempts=attempts, retry_after=NOON + pause)
    far = delivery(attempts=attempts, retry_after=NOON + pause + TOLERANCE + timedelta(seconds=1))
    assert planned_times.pull_back() == 1
    row.refresh_from_db()
    far.refresh_from_db()
    assert (row.retry_after, far.retry_after) == (NOON + pause, NOON)


def test_a_claim_of_a_worker_that_died_while_the_clock_was_ahead_is_freed(clock: TimeMachineFixture) -> None:
    delivery(state="processing", attempts=1, claimed_by="dead", claimed_at=NOON + AHEAD)
    planned_times.pull_back()
    clock.shift(timedelta(seconds=91))
    assert store.claims.reclaim_stale() == 1


def test_a_reply_planned_while_the_clock_was_ahead_is_sent(clock: TimeMachineFixture) -> None:
    conversation = make_conversation(make_channel())
    receive(conversation)
    (message,) = replies.queue_reply(make_agent(channels=(conversation.channel,)), conversation, text="Hi")
    Message.objects.filter(pk=message.pk).update(retry_after=NOON + AHEAD)
    assert not outbox.waiting().exists()
    planned_times.pull_back()
    assert outbox.waiting().exists()


def test_a_call_made_while_the_clock_was_ahead_is_looked_up_over_a_whole_day() -> None:
    def since(claimed_at: datetime) -> datetime:
        return delivery_status.called_at(Message(claimed_at=claimed_at, received_at=NOON))

    assert since(NOON - timedelta(minutes=1)) == NOON - timedelta(minutes=1)
    assert since(NOON + AHEAD) == NOON - timedelta(hours=24)


@pytest.mark.parametrize(("kind", "longest"), [("H", timedelta(hours=1)), ("D", timedelta(days=1))])
def test_a_schedule_of_a_wrong_clock_runs_now(kind: str, longest: timedelta) -> None:
    right = Schedule.objects.create(func="x", schedule_type=kind, next_run=NOON + longest)
    wrong = Schedule.objects.create(func="x", schedule_type=kind, next_run=NOON + longest + AHEAD)
    planned_times.pull_back()
    right.refresh_from_db()
    wrong.refresh_from_db()
    assert (right.next_run, wrong.next_run) == (NOON + longest, NOON)
