"""What else follows when tickets are split and merged: webhook events, what erasing forgets, links."""

import pytest

from desk.models import User
from tests.factories import make_admin, make_channel, make_conversation, receive
from tests.matching import present
from tests.tickets.services.inbox.ticket_changes.state import findings, refusal
from tickets.models import Conversation, EventDelivery, EventType, Message, TicketChange, TicketLink
from tickets.services.inbox import ticket_changes, ticket_links
from tickets.services.privacy import erasure
from tickets.services.webhooks.subscriptions import create

pytestmark = pytest.mark.django_db


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
