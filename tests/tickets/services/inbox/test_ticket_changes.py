"""Splitting, merging and undoing keep all that follows from messages right, whoever does what meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from desk.errors import Refused
from desk.integrity import Wishes
from desk.models import AuditEntry, User
from tests.factories import NOON, answer, make_admin, make_agent, make_channel, make_conversation, receive
from tests.matching import present
from tickets.models import (
    AccessGrant,
    Conversation,
    EventDelivery,
    EventType,
    Label,
    Message,
    Ticket,
    TicketChange,
    TicketLink,
)
from tickets.rules.mentions import AGENT, Target
from tickets.services.conversation import access, mentions
from tickets.services.inbox import actions, notes, ticket_changes, ticket_facts, ticket_links
from tickets.services.integrity import conversations as integrity
from tickets.services.privacy import erasure
from tickets.services.webhooks.subscriptions import create

pytestmark = pytest.mark.django_db

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def thread(alice: User, conversation: Conversation, clock: time_machine.Traveller) -> list[Message]:
    """Four messages of one ticket, at noon and each a minute later; the first is that of `conversation`."""
    answer(conversation, "Yes, until six", NOON + MINUTE, author=alice)
    receive(conversation, "Another matter: my parcel", NOON + 2 * MINUTE)
    answer(conversation, "Let me look", NOON + 3 * MINUTE, author=alice)
    return list(conversation.messages.order_by("sent_at"))


def findings() -> list[str]:
    """Return what of the stored rows does not follow from the messages."""
    checks = (integrity.check_conversations, integrity.check_tickets, integrity.check_references)
    return [f"{found.subject}: {found.sentence}" for check in checks for found in check(Wishes(mend=False))]


def contents(conversation: Conversation) -> dict[int, list[str]]:
    """Return the texts of the messages of each ticket."""
    rows = conversation.messages.filter(kind="message").order_by("sent_at", "pk").values_list("ticket", "text")
    found: dict[int, list[str]] = {}
    for ticket, text in rows:
        found.setdefault(ticket, []).append(text)
    return found


def line(conversation: Conversation) -> str:
    event = conversation.messages.filter(kind="event").order_by("pk").last()
    return str(present(present(event).card)["title"])


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return str(refused.value)


# --- Split and merge --------------------------------------------------------------------------------------------------
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


# --- Undo -------------------------------------------------------------------------------------------------------------
def test_undoing_a_split_brings_the_messages_back_also_those_written_since(
    alice: User, conversation: Conversation, thread: list[Message]
) -> None:
    change = ticket_changes.split(alice, conversation, thread[2].pk)
    receive(conversation, "Thanks", NOON + 4 * MINUTE)
    actions.close(alice, conversation)
    ticket_changes.undo(alice, conversation, change.pk)
    conversation.refresh_from_db()
    assert [len(texts) for texts in contents(conversation).values()] == [5]
    assert (conversation.current_ticket_id, conversation.is_open) == (change.earlier, False)
    assert line(conversation) == f"alice undid the split of ticket #{change.later} from #{change.earlier}"
    assert findings() == []
    assert refusal(lambda: ticket_changes.undo(alice, conversation, change.pk)) == "This was undone already."


def test_undoing_a_merge_gives_number_facts_and_links_back(alice: User, conversation: Conversation) -> None:
    first = present(conversation.current_ticket_id)
    ticket_facts.change(alice, conversation, ticket_facts.Changes(priority="urgent", subject="First matter"))
    receive(conversation, "Next day", NOON + 24 * HOUR)
    second = present(conversation.current_ticket_id)
    other = make_conversation(conversation.channel)
    receive(other, "Also mine")
    ticket_links.link(alice, Ticket.objects.get(pk=second), present(other.current_ticket_id))
    change = ticket_changes.merge(alice, conversation, second)
    assert set(ticket_links.linked_to(first)) == {present(other.current_ticket)}
    receive(conversation, "And one more", NOON + 24 * HOUR + MINUTE)
    ticket_changes.undo(alice, conversation, change.pk)
    conversation.refresh_from_db()
    assert contents(conversation) == {first: ["Is it open?"], second: ["Next day", "And one more"]}
    tickets = Ticket.objects.in_bulk([first, second])
    assert [(tickets[pk].priority, tickets[pk].subject) for pk in (first, second)] == [
        ("urgent", "First matter"),
        ("normal", "Next day"),
    ]
    assert conversation.current_ticket_id == second
    assert not ticket_links.linked_to(first).exists()
    assert set(ticket_links.linked_to(second)) == {present(other.current_ticket)}
    assert TicketLink.objects.count() == 1
    assert findings() == []


def test_access_by_a_mention_outlasts_a_merge_and_its_undoing(alice: User, conversation: Conversation) -> None:
    reader = make_agent("reader")
    actions.close(alice, conversation)
    receive(conversation, "Next day", NOON + 24 * HOUR)
    conversation.refresh_from_db()
    wanted = mentions.Wanted((Target(AGENT, reader.pk),), frozenset([reader.pk]), adds_names=True)
    notes.add_note(alice, conversation, "Look", wanted=wanted)
    assert access.conversations_for(reader).exists()
    change = ticket_changes.merge(alice, conversation, present(conversation.current_ticket_id))
    assert access.conversations_for(reader).exists()
    ticket_changes.undo(alice, conversation, change.pk)
    assert access.conversations_for(reader).exists()
    actions.close(alice, conversation)
    assert not access.conversations_for(reader).exists()


def test_what_forbids_undoing_is_said(alice: User, conversation: Conversation, thread: list[Message]) -> None:
    change = ticket_changes.split(alice, conversation, thread[2].pk)

    def why() -> str:
        return refusal(lambda: ticket_changes.undo(alice, conversation, change.pk))

    ticket_facts.change(alice, conversation, ticket_facts.Changes(priority="low"), change.later)
    assert why().endswith("the labels, the priority, the subject or fields were changed since.")
    ticket_facts.change(alice, conversation, ticket_facts.Changes(priority="normal"), change.later)
    second = ticket_changes.split(alice, conversation, thread[1].pk)
    assert why().endswith("one of the tickets was split or merged since. Undo that first.")
    ticket_changes.undo(alice, conversation, second.pk)
    ticket_changes.undo(alice, conversation, change.pk)
    assert [len(texts) for texts in contents(conversation).values()] == [4]
    assert (
        refusal(lambda: ticket_changes.undo(alice, make_conversation(conversation.channel), change.pk))
        == "There is nothing to undo."
    )


def test_a_ticket_between_forbids_undoing_a_split(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    receive(conversation, "Five hours later", NOON + 5 * HOUR)
    late = present(conversation.current_ticket_id)
    ticket_changes.merge(alice, conversation, late)
    message = conversation.messages.get(text="Five hours later")
    change = ticket_changes.split(alice, conversation, message.pk)
    receive(conversation, "In between, but late", NOON + 2 * HOUR + MINUTE)
    assert conversation.tickets.count() == 3
    sentence = refusal(lambda: ticket_changes.undo(alice, conversation, change.pk))
    assert sentence == "This cannot be undone: another ticket was opened between the two."
    assert findings() == []


# --- Webhooks, erasing ------------------------------------------------------------------------------------------------
def test_each_is_one_webhook_event_and_messages_say_their_new_ticket(
    alice: User, conversation: Conversation, thread: list[Message]
) -> None:
    create(make_admin(), name="CRM", url="https://crm.example.org/", events=EventType.values)
    change = ticket_changes.split(alice, conversation, thread[2].pk)
    ticket_changes.undo(alice, conversation, change.pk)
    rows = EventDelivery.objects.order_by("pk").values_list("type", "ticket_id", "message_id", "facts")
    moved = {"by": None, "changed": ["ticket"]}
    assert list(rows) == [
        ("message.updated", None, thread[2].pk, moved),
        ("message.updated", None, thread[3].pk, moved),
        ("ticket.split", change.later, None, {"by": "alice", "from_ticket": change.earlier, "undo": False}),
        ("message.updated", None, thread[2].pk, moved),
        ("message.updated", None, thread[3].pk, moved),
        ("ticket.merged", change.earlier, None, {"by": "alice", "merged_ticket": change.later, "undo": True}),
    ]


def test_erasing_the_customer_forgets_what_the_tickets_were(
    alice: User, conversation: Conversation, thread: list[Message]
) -> None:
    change = ticket_changes.split(alice, conversation, thread[2].pk)
    ticket_changes.merge(alice, conversation, change.later)
    erasure.erase(make_admin(), conversation.contact)
    assert "parcel" not in repr(list(TicketChange.objects.values()))
    sentence = "The data of this customer was erased. Nothing was changed."
    assert refusal(lambda: ticket_changes.undo(alice, conversation, change.pk)) == sentence
    assert refusal(lambda: ticket_changes.split(alice, conversation, thread[1].pk)) == sentence
    assert findings() == []


# --- Links ------------------------------------------------------------------------------------------------------------
def test_a_link_goes_both_ways_and_only_to_tickets_that_one_sees(alice: User, conversation: Conversation) -> None:
    other = make_conversation(conversation.channel)
    receive(other)
    foreign = make_conversation(make_channel())
    receive(foreign)
    ticket, second = present(conversation.current_ticket), present(other.current_ticket)
    for _twice in range(2):
        ticket_links.link(alice, second, ticket.pk)
    assert (set(ticket_links.linked_to(ticket.pk)), set(ticket_links.linked_to(second.pk))) == ({second}, {ticket})
    unseen = present(foreign.current_ticket_id)
    assert refusal(lambda: ticket_links.link(alice, ticket, unseen)) == ticket_links.NO_SUCH_TICKET
    assert "itself" in refusal(lambda: ticket_links.link(alice, ticket, ticket.pk))
    ticket_links.unlink(alice, ticket, second.pk)
    assert not TicketLink.objects.exists()


# --- At random, and at once -------------------------------------------------------------------------------------------
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["customer", "late", "reply", "held", "note", "split", "merge", "undo", "close", "reopen"]),
        st.integers(0, 50),
        st.sampled_from([1, 7, 61, 3000]),  # minutes
    ),
    max_size=24,
)


@given(STEPS)
@hypothesis_settings(
    max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None
)
def test_at_random_everything_follows_from_the_messages(
    alice: User, channel: Any, steps: list[tuple[str, int, int]]
) -> None:
    with transaction.atomic():
        conversation = make_conversation(channel)
        receive(conversation, "First", NOON)
        numbers: set[int] = set()
        at = NOON
        for step, choice, minutes in steps:
            with time_machine.travel(at, tick=False):
                at = _do(step, choice, minutes, alice, conversation, at)
            assert findings() == []
            present_now = set(conversation.tickets.values_list("pk", flat=True))
            assert all(pk > max(numbers, default=0) for pk in present_now - numbers)  # never one that was used
            numbers |= present_now
        transaction.set_rollback(True)


def _do(step: str, choice: int, minutes: int, alice: User, conversation: Conversation, at: Any) -> Any:
    rows = list(conversation.messages.filter(kind="message").order_by("sent_at", "pk"))
    tickets = list(conversation.tickets.order_by("opened_at", "pk"))
    changes = list(conversation.ticket_changes.order_by("pk"))
    match step:
        case "customer":
            at += timedelta(minutes=minutes)
            receive(conversation, f"Message {len(rows)}", at)
        case "late":
            receive(
                conversation, f"Late {len(rows)}", rows[choice % len(rows)].sent_at + minutes * timedelta(seconds=1)
            )
        case "reply" | "held":
            at += timedelta(minutes=minutes)
            answer(conversation, f"Reply {len(rows)}", at, state="sent" if step == "reply" else "failed", author=alice)
        case "note":
            actions.add_note(alice, conversation, "Note")
        case "close":
            actions.close(alice, conversation, tickets[choice % len(tickets)].pk)
        case "reopen":
            actions.reopen(alice, conversation, tickets[choice % len(tickets)].pk)
        case _:
            try:
                if step == "split":
                    ticket_changes.split(alice, conversation, rows[choice % len(rows)].pk)
                elif step == "merge":
                    ticket_changes.merge(alice, conversation, tickets[choice % len(tickets)].pk)
                elif changes:
                    ticket_changes.undo(alice, conversation, changes[-1 - choice % len(changes)].pk)
            except Refused:
                pass
    return at


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", ["customer", "merge", "close", "split", "undo"])
def test_what_happens_at_once_is_one_after_the_other(other: str) -> None:
    channel = make_channel()
    alice = make_agent("alice", channels=(channel,))
    conversation = make_conversation(channel)
    for number in range(6):
        receive(conversation, f"Message {number}", NOON + number * MINUTE)
    message = conversation.messages.get(text="Message 3")
    earlier = ticket_changes.split(alice, conversation, conversation.messages.get(text="Message 2").pk)
    acts: dict[str, Callable[[Conversation], object]] = {
        "customer": lambda row: receive(row, "At once", NOON + 7 * MINUTE),
        "merge": lambda row: ticket_changes.merge(alice, row, earlier.later),
        "close": lambda row: actions.close(alice, row),
        "split": lambda row: ticket_changes.split(alice, row, message.pk),
        "undo": lambda row: ticket_changes.undo(alice, row, earlier.pk),
    }

    def run(name: str) -> str:
        try:
            acts[name](Conversation.objects.get(pk=conversation.pk))
        except Refused as refused:
            return str(refused)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(run, ["split", other]))
    assert findings() == []
    texts = [text for texts in contents(conversation).values() for text in texts]
    assert sorted(texts) == sorted({*texts})
    assert len(texts) == (7 if other == "customer" else 6)
    if other in ("customer", "close"):
        assert answers == ["", ""]
    if other == "split":
        assert sorted(answers) == ["", "The ticket begins with this message already."]
