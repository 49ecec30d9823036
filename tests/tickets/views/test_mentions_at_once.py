"""Notes that mention somebody at the moment in which they are deactivated or deleted, or the ticket closes."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.utils import timezone

from desk.errors import Refused
from desk.models import User
from tests import factories
from tests.database_faults import someone_waits_for_us
from tickets.models import AccessGrant, Conversation, Mention, Message
from tickets.rules.mentions import AGENT, Target
from tickets.services.conversation import mentions
from tickets.services.conversation.mentions import Wanted
from tickets.services.inbox import actions, notes
from tickets.services.people import deactivation

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def conversation() -> Conversation:
    made = factories.make_conversation(factories.make_channel(name="Shop"))
    factories.receive(made, at=timezone.now())
    return made


def written_during(act: Callable[[], object], conversation: Conversation, writer: User, colleague: User) -> list[str]:
    """Return the refusals of a note with access for the colleague that is written while `act` is not committed yet."""
    refusals: list[str] = []

    def write() -> None:
        wanted = Wanted((Target(AGENT, colleague.pk),), frozenset([colleague.pk]))
        own = Conversation.objects.select_related("contact", "channel").get(pk=conversation.pk)
        try:
            notes.add_note(writer, own, f"@{colleague} look", wanted=wanted)
        except Refused as refused:
            refusals.append(str(refused))
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    with transaction.atomic():
        act()
        thread.start()
        while not someone_waits_for_us():
            assert thread.is_alive()
            time.sleep(0.01)
    thread.join()
    return refusals


@pytest.mark.parametrize("name", ["deactivated", "deleted", "closed"])
def test_a_mention_waits_for_what_would_end_it(conversation: Conversation, name: str) -> None:
    alice = factories.make_agent("alice", channels=(conversation.channel,))
    bob, admin = factories.make_agent("bob"), factories.make_admin()
    ends: dict[str, Callable[[], object]] = {
        "deactivated": lambda: deactivation.deactivate(admin, bob, None),
        "deleted": lambda: User.objects.get(pk=bob.pk).delete(),
        "closed": lambda: actions.close(alice, conversation),
    }
    refusals = written_during(ends[name], conversation, alice, bob)
    assert len(refusals) == 1
    assert not Message.objects.filter(kind="note").exists()
    assert not AccessGrant.objects.exists()
    assert not Mention.objects.exists()


@pytest.mark.parametrize("is_written", [False, True])
def test_a_user_is_deleted_while_a_note_mentions_them(conversation: Conversation, is_written: bool) -> None:
    alice, bob = (factories.make_agent(name, channels=(conversation.channel,)) for name in ("alice", "bob"))
    actions.assign(alice, conversation, bob)  # so that deleting them changes the conversation
    wanted = Wanted((Target(AGENT, bob.pk),), frozenset())
    own = Conversation.objects.select_related("contact", "channel").get(pk=conversation.pk)
    errors: list[BaseException] = []

    def delete() -> None:
        try:
            User.objects.get(pk=bob.pk).delete()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    def write() -> Message:
        return notes.add_note(alice, own, "@bob look", wanted=wanted)

    thread = threading.Thread(target=delete)
    with transaction.atomic():
        if is_written:
            note = write()
        else:
            mentions.lock_people(wanted)  # the first step of a note
        thread.start()
        while not someone_waits_for_us():
            assert thread.is_alive()
            time.sleep(0.01)
        if not is_written:
            note = write()
        assert Mention.objects.get().reader_id == bob.pk
    thread.join(30)
    assert (errors, thread.is_alive()) == ([], False)
    assert not User.objects.filter(pk=bob.pk).exists()
    assert not Mention.objects.exists()
    own.refresh_from_db()
    note.refresh_from_db()
    assert (own.assignee_id, note.text) == (None, "@bob look")
