"""Undoing a split or a merge, and what forbids it."""

import pytest
import time_machine

from desk.models import User
from tests.factories import NOON, make_agent, make_conversation, receive
from tests.matching import present
from tests.tickets.services.inbox.ticket_changes.state import HOUR, MINUTE, contents, findings, line, refusal
from tickets.models import Conversation, Message, Ticket, TicketLink
from tickets.rules.mentions import AGENT, Target
from tickets.services.conversation import access, mentions
from tickets.services.inbox import actions, notes, ticket_changes, ticket_facts, ticket_links

pytestmark = pytest.mark.django_db


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
