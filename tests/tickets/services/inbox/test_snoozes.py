"""A snoozed conversation is out of the way, and comes back once: at its time, when the customer writes, or by hand."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from desk import sweeper
from desk.errors import Refused
from desk.integrity import Wishes
from desk.models import User
from tests import factories
from tests.factories import deliver, delivery, text_item
from tests.matching import present
from tickets.models import Conversation, EventDelivery, EventType, Message
from tickets.services.conversation import access, snoozing
from tickets.services.inbox import actions, counts, list_pages, listing, notifications, snoozes
from tickets.services.inbox.listing import VIEWS, ListQuery
from tickets.services.integrity import conversations as integrity
from tickets.services.webhooks.subscriptions import create

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _stopped(clock: time_machine.Traveller) -> None:
    """The time stands still, five minutes after the customer wrote."""


@pytest.fixture
def customer(client: Client, conversation: Conversation) -> Callable[..., None]:
    """Let Meta deliver a text of the customer."""

    def customer(text: str = "Still there?", **fields: Any) -> None:
        at = fields.pop("at", None) or timezone.now()
        item = text_item(conversation.channel.page, conversation.contact.psid, text, at)
        deliver(client, delivery(conversation.channel.page, item))

    return customer


def views_of(user: User, conversation: Conversation) -> set[str]:
    facts = access.facts_for(user)
    found = {
        name
        for name, view in VIEWS.items()
        if listing.in_list(facts, user, ListQuery(view=view)).filter(pk=conversation.pk).exists()
    }
    assert found == {name for name, count in counts.counts(facts).items() if count and name in VIEWS}
    return found


def lines(conversation: Conversation) -> list[tuple[str, str]]:
    events = Message.objects.filter(conversation=conversation, kind="event").order_by("sent_at", "pk")
    return [(present(each.card)["kind"], present(each.card)["title"]) for each in events]


def is_sound() -> bool:
    """Return whether all that is stored of conversations follows from its messages."""
    return not list(integrity.check_conversations(Wishes(mend=False)))


def snooze(user: User, conversation: Conversation, after: timedelta = HOUR) -> None:
    snoozes.snooze(user, conversation, timezone.now() + after)


def test_it_leaves_the_open_ones_until_its_time_and_then_stands_at_the_top(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    actions.assign(alice, conversation, alice)
    assert views_of(alice, conversation) == {"mine", "open", "all", "waiting"}
    snooze(alice, conversation)
    assert views_of(alice, conversation) == {"snoozed", "waiting"}
    facts = access.facts_for(alice)
    assert listing.in_list(facts, alice, ListQuery(search="open")).filter(pk=conversation.pk).exists()

    other = factories.make_conversation(conversation.channel)
    factories.receive(other, at=timezone.now())
    clock.shift(HOUR - timedelta(seconds=1))
    assert (snoozing.is_due(), snoozing.wake_due()) == (False, 0)
    clock.shift(timedelta(seconds=1))
    assert (snoozing.is_due(), snoozing.wake_due(), snoozing.wake_due()) == (True, 1, 0)
    rows = listing.in_list(facts, alice, ListQuery())
    assert [row.pk for row in list_pages.page_of(rows, "newest")[0]] == [conversation.pk, other.pk]
    conversation.refresh_from_db()
    assert (conversation.is_snoozed, conversation.snoozed_until, conversation.unread_count) == (False, None, 1)
    assert conversation.preview == "Is it open?"
    assert lines(conversation)[1:] == [
        ("snoozed", "alice snoozed this conversation until 2026-11-20 13:05 UTC"),
        ("snooze_ended", "Snooze ended"),
    ]
    assert is_sound()


def test_the_worker_finds_what_is_due_although_no_task_was_queued(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    snooze(alice, conversation)
    assert "snoozes" not in sweeper.enqueue_due()
    clock.shift(30 * HOUR)  # Desk was down
    assert "snoozes" in sweeper.enqueue_due()


def test_the_assignee_is_notified_and_nobody_else(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    colleague = factories.make_agent("dora", channels=(conversation.channel,))
    actions.assign(alice, conversation, alice)
    snooze(alice, conversation)
    seen = present(Message.objects.order_by("pk").last()).pk
    clock.shift(HOUR)
    snoozing.wake_due()
    news = [notifications.since(user, access.facts_for(user), seen).messages for user in (alice, colleague)]
    assert [[each["text"] for each in found] for found in news] == [["Snooze ended"], []]
    assert notifications.newest_in([conversation.pk])[conversation.pk].kind == "event"


@pytest.mark.parametrize("after", [HOUR, None])
def test_a_message_of_the_customer_wakes_it_at_once(
    alice: User, conversation: Conversation, customer: Callable[..., None], after: timedelta | None
) -> None:
    snoozes.snooze(alice, conversation, timezone.now() + after if after else None)
    assert not snoozing.is_due()
    customer("I have one more question")
    conversation.refresh_from_db()
    assert (conversation.is_snoozed, conversation.snoozed_until) == (False, None)
    assert lines(conversation)[-1] == ("woken", "The snooze ended, because the customer wrote")
    assert conversation.preview == "I have one more question"
    assert is_sound()


def test_the_customer_writes_in_the_moment_it_wakes(
    alice: User, conversation: Conversation, customer: Callable[..., None], clock: time_machine.Traveller
) -> None:
    snooze(alice, conversation)
    clock.shift(HOUR)
    snoozing.wake_due()
    wrote_at = timezone.now() - timedelta(seconds=2)  # before it woke, and Desk learns of it afterwards
    clock.shift(timedelta(seconds=1))
    customer("Now?", at=wrote_at)
    conversation.refresh_from_db()
    assert conversation.preview == "Now?"
    assert [kind for kind, _title in lines(conversation)].count("woken") == 0
    assert is_sound()


def test_closing_and_transferring_end_it_and_a_closed_one_is_not_snoozed(
    alice: User, conversation: Conversation
) -> None:
    stale = Conversation.objects.get(pk=conversation.pk)
    snooze(alice, conversation)
    actions.close(alice, stale)  # the second agent of the same second
    stale.refresh_from_db()
    assert (stale.is_snoozed, stale.snoozed_until, stale.is_open) == (False, None, False)
    with pytest.raises(Refused, match="no open ticket"):
        snooze(alice, conversation)
    actions.reopen(alice, conversation)
    snooze(alice, conversation)
    actions.transfer(alice, conversation, factories.make_department("Returns"))
    conversation.refresh_from_db()
    assert not conversation.is_snoozed


def test_of_a_new_time_the_old_one_does_not_count(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    snooze(alice, conversation)
    snooze(alice, conversation)
    snooze(alice, conversation, 3 * HOUR)
    assert len(lines(conversation)) == 2
    clock.shift(HOUR)
    assert snoozing.wake_due() == 0
    snoozes.wake(alice, conversation)
    snoozes.wake(alice, conversation)
    assert lines(conversation)[2:] == [("woken", "alice ended the snooze")]


def test_each_end_is_one_webhook_event(
    alice: User, conversation: Conversation, clock: time_machine.Traveller, customer: Callable[..., None]
) -> None:
    create(factories.make_admin(), name="CRM", url="https://crm.example.com/desk", events=EventType.values)
    for end in (snoozing.wake_due, customer, lambda: snoozes.wake(alice, conversation)):
        snooze(alice, conversation)
        clock.shift(HOUR)
        end()
    found = EventDelivery.objects.filter(type__startswith="conversation.").order_by("pk")
    assert [(row.type, row.facts.get("by"), row.facts.get("reason")) for row in found] == [
        ("conversation.snoozed", "alice", None),
        ("conversation.woken", None, "time"),
        ("conversation.snoozed", "alice", None),
        ("conversation.woken", None, "reply"),
        ("conversation.snoozed", "alice", None),
        ("conversation.woken", "alice", "agent"),
    ]


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_one_wakes_it(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    snooze(alice, conversation)
    clock.shift(HOUR)

    def wake(_number: int) -> int:
        try:
            return snoozing.wake_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        assert sorted(workers.map(wake, range(4))) == [0, 0, 0, 1]
    assert [kind for kind, _title in lines(conversation)] == ["snoozed", "snooze_ended"]
