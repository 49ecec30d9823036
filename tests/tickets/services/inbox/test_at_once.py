"""Several people at the same moment: who waits for a lock, in which order, and what they see afterwards."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from desk.models import User
from tests import factories
from tests.database_faults import someone_waits_for_us
from tickets.models import Conversation, CustomField, MailReminder, Message, SavedView, Ticket
from tickets.services.inbox import field_values, saved_views, ticket_changes, ticket_links
from tickets.services.notifications import choices

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


class Other:
    """Something that another process does meanwhile."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act, self.errors = act, list[BaseException]()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.act()
        except BaseException as error:
            self.errors.append(error)
        finally:
            connection.close()

    def wait_until_it_waits(self) -> None:
        """Return when it waits for a lock that we hold."""
        while not someone_waits_for_us():
            assert self.thread.is_alive()
            time.sleep(0.01)

    def finish(self) -> None:
        """Return when it is over, without an error."""
        self.thread.join(30)
        assert self.errors == []


def view(user: User, name: str) -> SavedView:
    values: dict[str, Any] = {"name": name, "base": "all", "filter": {}, "order": "newest"}
    return saved_views.save(user, None, values)


def test_two_who_move_views_at_once_both_move_them() -> None:
    alice = factories.make_agent("alice")
    one, two, three = (view(alice, name) for name in ("One", "Two", "Three"))
    with transaction.atomic():
        saved_views.move(alice, one, 1)
        other = Other(lambda: saved_views.move(User.objects.get(pk=alice.pk), three, -1))
        other.wait_until_it_waits()
    other.finish()
    assert list(saved_views.Audience.of(one).views()) == [two, three, one]


def test_fields_are_locked_in_the_order_of_their_ids() -> None:
    """Hold the first of two: whoever splits a ticket with both must wait for it before holding the second."""
    conversation = factories.make_conversation(factories.make_channel())
    alice = factories.make_agent("alice", channels=(conversation.channel,))
    for minutes in range(2):
        factories.receive(conversation, at=timezone.now() + timedelta(minutes=minutes))
    first, second = (
        CustomField.objects.create(of="ticket", kind="text", name=key, key=key, position=position)
        for key, position in (("a", 2), ("b", 1))
    )
    field_values.change_ticket(alice, conversation, {"a": "1", "b": "2"})
    later = Message.objects.filter(direction="in").latest("sent_at")
    with transaction.atomic():
        CustomField.objects.select_for_update().get(pk=first.pk)
        other = Other(lambda: ticket_changes.split(alice, conversation, later.pk))
        other.wait_until_it_waits()
        CustomField.objects.select_for_update(nowait=True).get(pk=second.pk)
    other.finish()


def test_what_is_planned_for_a_person_does_not_wait_for_their_form() -> None:
    """The worker holds rows of a person when it plans another: it must not wait for who waits for these."""
    alice, bob = factories.make_agent("alice"), factories.make_agent("bob")
    plan = {"kind": "mine", "conversation_id": 1, "since": timezone.now(), "due_at": timezone.now()}

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        MailReminder.objects.create(user=alice, **plan)
        MailReminder.objects.create(user=bob, **plan)

    with transaction.atomic():
        choices.save(alice, choices.of(alice))
        other = Other(work)
        other.finish()


def test_who_merges_a_ticket_waits_for_the_conversations_of_those_related_to_it() -> None:
    """Else two who merge related tickets of two conversations would each wait for the other's."""
    channel = factories.make_channel()
    conversation, elsewhere = factories.make_conversation(channel), factories.make_conversation(channel)
    alice = factories.make_agent("alice", channels=(channel,))
    factories.receive(elsewhere)
    related = Ticket.objects.get()
    now = timezone.now()
    _first, second = (factories.receive(conversation, at=now + timedelta(minutes=minutes)) for minutes in range(2))
    later = ticket_changes.split(alice, conversation, second.pk).later
    ticket_links.link(alice, Ticket.objects.get(pk=later), related.pk)
    with transaction.atomic():
        Conversation.objects.select_for_update().get(pk=elsewhere.pk)
        other = Other(lambda: ticket_changes.merge(alice, conversation, later))
        other.wait_until_it_waits()
    other.finish()
    (merged,) = conversation.tickets.all()
    assert list(ticket_links.linked_to(merged.pk)) == [related]
