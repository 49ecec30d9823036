"""Users who are deleted, deactivated or changed at the moment at which they or their colleagues act."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from desk import rights
from desk.models import User
from tests import factories
from tests.database_faults import someone_waits_for_us
from tickets.models import AccessGrant, Conversation, Message
from tickets.rules.mentions import AGENT, Target
from tickets.services.conversation.mentions import Wanted
from tickets.services.inbox import actions, drafts, notes, snoozes
from tickets.services.outgoing.replies import queue_reply
from tickets.services.people import deactivation

from ..api.test_conditional_at_once import waiting

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
PART = {"HX-Request": "true"}


@pytest.fixture
def bob() -> User:
    """An agent who has the only conversation, with a draft in it."""
    conversation = factories.make_conversation(factories.make_channel(name="Shop"))
    factories.receive(conversation, at=timezone.now())
    bob = factories.make_agent("bob", channels=(conversation.channel,))
    actions.assign(bob, conversation, bob)
    drafts.save(bob, conversation, "On its")
    return bob


def conversation() -> Conversation:
    return Conversation.objects.select_related("contact", "channel", "department", "assignee").get()


def both(first: Callable[[], object], second: Callable[[], object]) -> list[BaseException]:
    """Do `first`; while it is not committed, begin `second` in another thread. Return the errors of `second`."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            second()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        first()
        thread.start()
        while not someone_waits_for_us():
            assert thread.is_alive()
            time.sleep(0.01)
    thread.join(30)
    assert not thread.is_alive()
    return errors


def test_locks_of_users_let_what_they_do_commit(bob: User) -> None:
    admin = factories.make_admin()
    seen: list[int] = []

    def refer() -> None:  # as PostgreSQL checks a reference, but without waiting
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM desk_user FOR KEY SHARE NOWAIT")
            seen.extend(pk for (pk,) in cursor.fetchall())
        connection.close()

    with transaction.atomic():
        rights.lock_to_change(admin, bob)
        assert rights.reason_to_keep_administrator(admin)
        thread = threading.Thread(target=refer)
        thread.start()
        thread.join(30)
    assert sorted(seen) == sorted([bob.pk, admin.pk])


@pytest.mark.parametrize("act", ["reply", "note", "assign", "snooze", "close"])
def test_a_user_is_deleted_while_they_act(bob: User, act: str) -> None:
    carol = factories.make_agent("carol", channels=(conversation().channel,))
    acts: dict[str, Callable[[], object]] = {
        "reply": lambda: queue_reply(bob, conversation(), text="On its way"),
        "note": lambda: notes.add_note(bob, conversation(), "Sent"),
        "assign": lambda: actions.assign(bob, conversation(), carol),
        "snooze": lambda: snoozes.snooze(bob, conversation(), None),
        "close": lambda: actions.close(bob, conversation()),
    }
    errors = both(acts[act], lambda: User.objects.get(pk=bob.pk).delete())
    assert errors == []
    assert not User.objects.filter(pk=bob.pk).exists()
    assert conversation().assignee_id == (carol.pk if act == "assign" else None)


def test_a_colleague_is_deactivated_while_an_administrator_ends_their_access(bob: User) -> None:
    admin, other = factories.make_admin(), factories.make_admin("other")
    dora = factories.make_agent("dora")
    wanted = Wanted((Target(AGENT, dora.pk),), frozenset([dora.pk]))
    notes.add_note(bob, conversation(), "@dora look", wanted=wanted)
    assert AccessGrant.objects.get().user_id == dora.pk
    errors = both(lambda: actions.close(other, conversation()), lambda: deactivation.deactivate(admin, dora, None))
    assert errors == []
    assert not AccessGrant.objects.exists()
    assert not User.objects.get(pk=dora.pk).is_active


def test_what_a_deleted_user_sends_is_answered(bob: User) -> None:
    pk = conversation().pk
    answers: dict[str, Any] = {}
    page, script = (Client(raise_request_exception=False) for _ in range(2))
    for client in (page, script):
        client.force_login(bob)
    requests: dict[str, Callable[[], Any]] = {
        "page": lambda: page.post(f"/inbox/{pk}/close/"),
        "script": lambda: script.post(f"/inbox/{pk}/reply/", {"text": "Hi"}, headers=PART),
    }

    def send(name: str) -> None:
        try:
            answers[name] = requests[name]()
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(name,)) for name in requests]
    with transaction.atomic():
        User.objects.get(pk=bob.pk).delete()
        for thread in threads:
            thread.start()
        while waiting() < len(threads):
            assert not answers
            time.sleep(0.01)
    for thread in threads:
        thread.join(30)
    assert {name: answer.status_code for name, answer in answers.items()} == {"page": 409, "script": 422}
    for answer in answers.values():
        assert "deleted at this moment" in answer.content.decode()
    assert not Message.objects.filter(kind=Message.Kind.MESSAGE, direction=Message.Direction.OUT).exists()
