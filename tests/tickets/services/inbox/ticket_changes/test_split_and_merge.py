"""Splitting and merging tickets keep all that follows from messages right."""

from typing import Any

import pytest
import time_machine

from desk.models import AuditEntry, User
from tests.factories import NOON, answer, make_admin, make_agent, make_conversation, receive
from tests.matching import present
from tests.tickets.services.inbox.ticket_changes.state import HOUR, MINUTE, contents, findings, line, refusal
from tickets.models import AccessGrant, Conversation, EventDelivery, EventType, Label, Message, Ticket
from tickets.rules.mentions import AGENT, Target
from tickets.services.conversation import mentions
from tickets.services.inbox import actions, notes, ticket_changes, ticket_facts
from tickets.services.webhooks.subscriptions import create

pytestmark = pytest.mark.django_db


def test_the_later_part_becomes_a_new_ticket_and_keeps_the_state(
    alice: User, conversation: Conversation, thread: list[Message]
) -> None:
    label = Label.objects.create(name="Late", key="late")
    ticket_facts.change(alice, conversation, ticket_facts.Changes(priority="high", subject="Own", add=[label.pk]))
    actions.assign(alice, conversation, alice)
    old = present(conversation.current_ticket_id)
    change = ticket_changes.split(alice, conversation, thread[2].pk)
    conversation.refresh_from_db()
    new = Ticket.objects.get(pk=change.later)
    assert contents(conversation) == {
        old: ["Is it open?", "Yes, until six"],
        new.pk: ["Another matter: my parcel", "Let me look"],
    }
    assert (conversation.current_ticket_id, conversation.is_open) == (new.pk, True)
    assert (new.subject, new.priority, new.assignee, list(new.labels.all()), new.opened_at) == (
        "Another matter: my parcel",
        "high",
        alice,
        [label],
        NOON + 2 * MINUTE,
    )
    assert Ticket.objects.get(pk=old).subject == "Own"
    assert line(conversation) == f"alice split ticket #{new.pk} from #{old}"
    assert AuditEntry.objects.filter(sentence=f"Split ticket #{new.pk} from #{old}.").exists()
    assert findings() == []
    receive(conversation, "Thanks", NOON + 4 * MINUTE)
    assert contents(conversation)[new.pk][-1] == "Thanks"


def test_a_closed_ticket_is_split_into_two_closed_ones_and_who_waits_stays(
    alice: User, conversation: Conversation, thread: list[Message]
) -> None:
    receive(conversation, "Hello?", NOON + 4 * MINUTE)
    actions.close(alice, conversation)
    change = ticket_changes.split(alice, conversation, thread[2].pk)
    conversation.refresh_from_db()
    assert set(conversation.tickets.values_list("status", flat=True)) == {"closed"}
    assert (conversation.waiting_since, conversation.is_open) == (None, False)
    actions.reopen(alice, conversation)
    assert Ticket.objects.get(pk=change.later).status == "open"
    assert conversation.waiting_since == NOON + 4 * MINUTE
    assert findings() == []


def test_each_open_ticket_is_closed_and_reopened_and_the_counters_follow(
    alice: User, conversation: Conversation, thread: list[Message], clock: time_machine.Traveller
) -> None:
    create(make_admin(), name="CRM", url="https://crm.example.com/desk", events=EventType.values)
    bob = make_agent("bob")
    receive(conversation, "Hello?", NOON + 4 * MINUTE)
    receive(conversation, "And a third matter", NOON + 5 * MINUTE)
    Conversation.objects.filter(pk=conversation.pk).update(unread_count=2)
    wanted = mentions.Wanted(targets=(Target(AGENT, bob.pk),), access=frozenset({bob.pk}))
    notes.add_note(alice, conversation, "@bob Look", wanted=wanted)
    old = present(conversation.current_ticket_id)
    change = ticket_changes.split(alice, conversation, conversation.messages.get(text="And a third matter").pk)
    assert AccessGrant.objects.get().ticket_id == change.later

    def state() -> tuple[Any, ...]:
        conversation.refresh_from_db()
        numbers = (old, change.later)
        statuses = [Ticket.objects.get(pk=number).status for number in numbers]
        waits = conversation.waiting_since
        minutes = None if waits is None else (waits - NOON) // MINUTE
        assert findings() == []
        return (*statuses, conversation.is_open, conversation.unread_count, minutes)

    assert state() == ("open", "open", True, 2, 4)
    EventDelivery.objects.all().delete()
    for _twice in range(2):
        actions.close(alice, conversation, old)
    assert state() == ("closed", "open", True, 1, 5)
    assert line(conversation) == f"alice closed ticket #{old}"
    assert AccessGrant.objects.exists()
    for _twice in range(2):
        actions.reopen(alice, conversation, old)
    assert state() == ("open", "open", True, 1, 4)
    assert list(EventDelivery.objects.order_by("pk").values_list("type", "ticket_id")) == [
        ("ticket.closed", old),
        ("ticket.reopened", old),
    ]
    actions.close(alice, conversation, change.later)
    assert state() == ("open", "closed", False, 0, None)
    assert not AccessGrant.objects.exists()
    actions.close(alice, conversation, old)
    assert state() == ("closed", "closed", False, 0, None)
    actions.reopen(alice, conversation, change.later)
    assert state() == ("closed", "open", True, 0, 5)
    actions.close(alice, conversation, change.later)
    clock.shift(HOUR)
    receive(conversation, "Next day", NOON + 24 * HOUR)
    actions.reopen(alice, conversation, change.later)
    assert state() == ("closed", "open", True, 1, 5)


def test_a_ticket_that_was_merged_meanwhile_is_not_closed(
    alice: User, conversation: Conversation, thread: list[Message]
) -> None:
    change = ticket_changes.split(alice, conversation, thread[2].pk)
    ticket_changes.merge(alice, conversation, change.later)
    assert "was merged into another one meanwhile" in refusal(lambda: actions.close(alice, conversation, change.later))
    assert "was merged" in refusal(lambda: actions.reopen(alice, conversation, change.later))
    other = make_conversation(conversation.channel)
    receive(other)
    assert "was merged" in refusal(lambda: actions.close(alice, conversation, present(other.current_ticket_id)))
    assert Ticket.objects.filter(status="open").count() == 2


@pytest.mark.usefixtures("clock")
def test_merging_keeps_the_earlier_number_and_the_later_state(alice: User, conversation: Conversation) -> None:
    first = present(conversation.current_ticket_id)
    actions.close(alice, conversation)
    receive(conversation, "Next day", NOON + 24 * HOUR)
    second = present(conversation.current_ticket_id)
    assert second != first
    ticket_changes.merge(alice, conversation, second)
    conversation.refresh_from_db()
    assert contents(conversation) == {first: ["Is it open?", "Next day"]}
    assert (conversation.current_ticket_id, conversation.is_open) == (first, True)
    assert conversation.waiting_since == NOON + 24 * HOUR
    assert line(conversation) == f"alice merged ticket #{second} into #{first}"
    assert ticket_changes.successor_of(second) == first
    assert findings() == []
    sentence = refusal(lambda: ticket_changes.merge(alice, conversation, first))
    assert sentence == "There is no ticket before this one in the conversation."


def test_numbers_are_never_used_again(alice: User, conversation: Conversation, thread: list[Message]) -> None:
    change = ticket_changes.split(alice, conversation, thread[2].pk)
    ticket_changes.undo(alice, conversation, change.pk)
    assert not Ticket.objects.filter(pk=change.later).exists()
    assert ticket_changes.successor_of(change.later) == change.earlier
    assert ticket_changes.split(alice, conversation, thread[2].pk).later > change.later


def test_where_no_ticket_can_begin(alice: User, conversation: Conversation, thread: list[Message]) -> None:
    def why(message: Message) -> str:
        return refusal(lambda: ticket_changes.split(alice, conversation, message.pk))

    assert why(thread[0]) == "The ticket begins with this message already."
    assert why(actions.add_note(alice, conversation, "A note")) == (
        "A ticket can only begin with a message. Choose one."
    )
    held = answer(conversation, "Held", NOON + 9 * MINUTE, state="held")
    assert why(held) == "This reply was not sent. Choose a message that was."
    foreign = receive(make_conversation(conversation.channel), "Foreign")
    assert why(foreign) == "This message is not in the ticket any more. Nothing was changed."
    assert conversation.tickets.count() == 1


def test_an_imported_ticket_is_split_and_merged_without_making_anybody_wait(
    alice: User, conversation: Conversation
) -> None:
    for number in range(3):
        at = NOON - 9 * HOUR + number * MINUTE
        receive(conversation, f"Old {number}", at, is_imported=True, recovered_at=NOON)
    imported = conversation.messages.filter(text="Old 1").get()
    before = Conversation.objects.values("waiting_since", "current_ticket", "unread_count").get(pk=conversation.pk)
    change = ticket_changes.split(alice, conversation, imported.pk)
    after = Conversation.objects.values("waiting_since", "current_ticket", "unread_count").get(pk=conversation.pk)
    assert before == after
    assert set(Ticket.objects.filter(pk__in=(change.earlier, change.later)).values_list("status", flat=True)) == {
        "closed"
    }
    live = present(conversation.current_ticket_id)
    ticket_changes.merge(alice, conversation, live)
    conversation.refresh_from_db()
    assert (conversation.waiting_since, conversation.current_ticket_id) == (NOON, change.later)
    assert findings() == []
