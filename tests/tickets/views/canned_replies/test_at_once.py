"""Canned replies that several people save and send at the same moment."""

import threading
import time

import pytest
from django.db import connection, transaction

from tests.database_faults import someone_waits_for_us
from tests.desk.bucket import bucket, keys, s3, s3_client, server  # noqa: F401 - fixtures
from tests.factories import make_agent
from tests.http import Response
from tests.pages import html_of
from tests.tickets.views.canned_replies.steps import FORM, OWN, client_of, post
from tickets.models import CannedReply, Conversation
from tickets.services.inbox import canned_replies

pytestmark = pytest.mark.django_db


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_who_save_at_once_do_not_pass_the_limit_of_personal_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canned_replies, "MOST_PERSONAL", 1)  # a limit, lowered: the two below pass it
    alice = make_agent("alice")
    answers: list[Response] = []

    def save() -> None:
        answers.append(post(client_of(alice), f"{OWN}add/", shortcut="second"))
        connection.close()

    thread = threading.Thread(target=save)
    with transaction.atomic():
        canned_replies.save(alice, None, {**FORM, "shortcut": "first"}, owner=alice)
        thread.start()
        while not someone_waits_for_us():
            assert thread.is_alive()
            time.sleep(0.01)
    thread.join()
    assert answers[0].status_code == 422
    assert "You have 1 canned replies." in html_of(answers[0])
    assert CannedReply.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_uses_are_counted_in_one_order(conversation: Conversation) -> None:
    """Hold the first of two: whoever counts both must wait for it before holding the second."""
    alice = make_agent("alice", channels=(conversation.channel,))
    first, second = (
        CannedReply.objects.create(shortcut=shortcut, title=shortcut, text=shortcut) for shortcut in ("zz", "aa")
    )

    def count() -> None:
        canned_replies.count_use(alice, conversation, [second.pk, first.pk])
        connection.close()

    thread = threading.Thread(target=count)
    with transaction.atomic():
        CannedReply.objects.select_for_update().get(pk=first.pk)
        thread.start()
        while not someone_waits_for_us():
            assert thread.is_alive()
            time.sleep(0.01)
        CannedReply.objects.select_for_update(nowait=True).get(pk=second.pk)
    thread.join()
    assert list(CannedReply.objects.values_list("use_count", flat=True)) == [1, 1]
