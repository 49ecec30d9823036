"""Macros, splits, scheduled replies and access by mentions in one conversation leave everything right."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from desk.integrity import Wishes
from desk.models import User
from tests import factories
from tests.factories import receive
from tests.matching import present
from tickets.models import AccessGrant, Conversation, Message, ScheduledReply
from tickets.rules import macros as rules
from tickets.rules.mentions import AGENT, Target
from tickets.services.conversation import access, mentions
from tickets.services.inbox import macro_runs, macro_undo, macros, notes, ticket_changes
from tickets.services.integrity import conversations as integrity
from tickets.services.outgoing import scheduled_replies, scheduled_sending

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_stopped")]
HOUR = timedelta(hours=1)


@pytest.fixture
def _stopped(clock: time_machine.Traveller) -> None:
    """The time stands still, five minutes after the customer wrote."""


def findings() -> list[str]:
    checks = (integrity.check_conversations, integrity.check_tickets, integrity.check_references)
    return [f"{found.subject}: {found.sentence}" for check in checks for found in check(Wishes(mend=False))]


def test_a_macro_closes_and_is_undone_around_a_split_and_a_scheduled_reply(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    receive(conversation, "And my parcel?", timezone.now())
    parcel = present(conversation.messages.filter(kind="message").order_by("pk").last())
    reader = factories.make_agent("reader")
    wanted = mentions.Wanted((Target(AGENT, reader.pk),), frozenset([reader.pk]), adds_names=True)
    notes.add_note(alice, conversation, "Look", wanted=wanted)
    scheduled_replies.schedule(alice, conversation, timezone.now() + HOUR, text="Later")
    macro = macros.save(
        alice,
        None,
        {"name": "Done", "actions": rules.parse([{"do": "reply", "text": "Bye"}, {"do": "close"}])},
        owner=alice,
    )
    clock.shift(timedelta(minutes=1))
    run = macro_runs.run(alice, conversation, macro, timezone.get_current_timezone())
    assert not AccessGrant.objects.exists()
    change = ticket_changes.split(alice, conversation, parcel.pk)
    assert findings() == []
    undone = macro_undo.undo(alice, present(macro_undo.get_run(alice, conversation.pk, run.pk)))
    assert (undone.done, undone.kept) == (["the reply was withdrawn"], ["changed meanwhile: the ticket"])
    assert findings() == []
    clock.shift(2 * HOUR)
    scheduled_sending.send_due()
    conversation.refresh_from_db()
    assert (conversation.is_open, conversation.waiting_since, conversation.unread_count) == (False, None, 0)
    assert findings() == []
    ticket_changes.undo(alice, conversation, change.pk)
    assert findings() == []
    assert not access.conversations_for(reader).exists()
    assert [m.text for m in Message.objects.filter(direction="out", kind="message")] == ["Later"]
    assert ScheduledReply.objects.get().state == "sent"
