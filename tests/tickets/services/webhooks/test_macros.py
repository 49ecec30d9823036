"""Webhook events, the API and the history name the macro that made a change, also when it is undone."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from desk.models import AuditEntry, User
from tests import factories
from tests.matching import present
from tests.sandbox.receiver import Receiver
from tickets.api import payloads
from tickets.api.message_serializers import MessageSerializer
from tickets.models import AssignmentSettings, Conversation, EventSubscription, Macro, Message
from tickets.services.inbox import actions, bulk_macro_undo, macro_runs, macro_undo
from tickets.services.webhooks import delivery

from .deliveries import bodies

pytestmark = pytest.mark.django_db(transaction=True)

ZONE = ZoneInfo("Europe/Berlin")
ALL = (
    {"do": "reply", "text": "Bye"},
    {"do": "note", "text": "Paid"},
    {"do": "assign", "to": "me"},
    {"do": "priority", "value": "high"},
    {"do": "subject", "text": "Refund"},
    {"do": "close"},
)


@pytest.fixture
def alice(conversation: Conversation) -> User:
    factories.receive(conversation, "Hello", timezone.now())
    return factories.make_agent("alice", channels=(conversation.channel,))


def macro(*stored: dict[str, Any]) -> Macro:
    return Macro.objects.create(name="Refund", key="refund", actions=list(stored))


@pytest.fixture
def told(receiver: Receiver, crm: EventSubscription) -> Callable[[], list[tuple[str, Any]]]:
    """Send what is queued; return the type and the macro of each event since the last call, in their order."""
    seen = 0

    def told() -> list[tuple[str, Any]]:
        nonlocal seen
        while delivery.is_due():
            delivery.drain_events(payloads.bodies)
        new = bodies(receiver)[seen:]
        seen += len(new)
        return [(body["type"], body["data"].get("macro", "none")) for body in new]

    return told


def test_every_change_of_a_macro_and_of_its_undo_names_it(
    alice: User, conversation: Conversation, told: Callable[[], list[tuple[str, Any]]]
) -> None:
    told()
    one = macro(*ALL)
    named = {"id": one.pk, "name": "Refund", "undo": False}
    run = macro_runs.run(alice, conversation, one, ZONE)
    assert told() == [
        (kind, named)
        for kind in (
            "message.created",
            "message.created",
            "conversation.assigned",
            "ticket.updated",
            "ticket.updated",
            "ticket.closed",
        )
    ]
    macro_undo.undo(alice, run)
    undone = told()
    assert {kind for kind, _macro in undone} >= {"ticket.reopened", "ticket.updated", "message.deleted"}
    assert [given for _kind, given in undone] == [{**named, "undo": True}] * len(undone)
    actions.close(alice, conversation)
    assert told() == [("ticket.closed", None)]


@pytest.mark.slow
def test_each_conversation_of_a_selection_and_a_macro_that_is_gone(
    alice: User, conversation: Conversation, told: Callable[[], list[tuple[str, Any]]]
) -> None:
    other = factories.make_conversation(conversation.channel, psid="7002", name="Tom Orr")
    factories.receive(other, "Hi", timezone.now())
    told()
    one = macro({"do": "close"})
    for each in (conversation, other):
        macro_runs.run(alice, each, one, ZONE, client_key="k")
    named = {"id": one.pk, "name": "Refund", "undo": False}
    assert told() == [("ticket.closed", named)] * 2
    one.delete()
    bulk_macro_undo.undo(alice, bulk_macro_undo.get_runs(alice, "k"))
    assert told() == [("ticket.reopened", {"id": None, "name": "Refund", "undo": True})] * 2


def test_the_lines_name_it_in_the_api(alice: User, conversation: Conversation) -> None:
    one = macro({"do": "reply", "text": "Bye"}, {"do": "snooze", "value": "tomorrow"})
    macro_undo.undo(alice, macro_runs.run(alice, conversation, one, ZONE))
    actions.close(alice, conversation)
    lines = Message.objects.filter(kind="event").order_by("pk").prefetch_related("attachments")
    named = [MessageSerializer(line).data["macro"] for line in lines]
    by = {"id": one.pk, "name": "Refund", "undo": False}
    assert named == [by, by, {**by, "undo": True}, {**by, "undo": True}, None]
    assert MessageSerializer(present(conversation.messages.filter(direction="in").first())).data["macro"] is None


def test_the_history_names_it(alice: User, conversation: Conversation) -> None:
    AssignmentSettings.objects.create(department=conversation.department, on_reply="always")
    macro_runs.run(alice, conversation, macro({"do": "reply", "text": "Bye"}), ZONE)
    entry = AuditEntry.objects.get(object_id=str(conversation.pk), content_type__model="conversation")
    assert entry.sentence == "Assigned to alice automatically: replied\nby macro “Refund”"
