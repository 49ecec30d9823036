"""The key of the installation, and the browsers that a person turned notifications on in."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client

from desk.models import User
from tests.push_service import PushService
from tests.tickets.services.notifications.conftest import SUBSCRIBE, texts
from tickets.models import Conversation, PushKey, PushSubscription
from tickets.services.conversation import notices
from tickets.services.inbox import actions
from tickets.services.notifications import browsers, kinds, push

pytestmark = pytest.mark.django_db


def test_the_key_is_made_once_and_its_private_half_is_encrypted(browser: Client) -> None:
    first = browsers.key()
    assert browsers.key().public_key == first.public_key
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key FROM tickets_pushkey")
        [(stored,)] = cursor.fetchall()
        cursor.execute("SELECT auth FROM tickets_pushsubscription")
        [(secret,)] = cursor.fetchall()
    assert str(first.private_key) not in stored
    assert str(PushSubscription.objects.get().auth) not in secret
    assert str(first.private_key) not in repr(first.private_key)


def test_a_key_that_cannot_be_decrypted_is_replaced_and_browsers_subscribe_again(browser: Client) -> None:
    before = browsers.key().public_key
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tickets_pushkey SET private_key = 'lost'")
    assert browsers.key().public_key != before
    assert PushKey.objects.count() == 1
    assert not PushSubscription.objects.exists()
    assert browser.post(SUBSCRIBE).json()["key"] == browsers.key().public_key


def test_a_person_has_a_limited_number_of_browsers(browser: Client, alice: User, service: PushService) -> None:
    for number in range(browsers.MOST_BROWSERS + 3):
        assert browser.post(SUBSCRIBE, service.subscription(f"/{number}")).status_code == 200
    assert PushSubscription.objects.filter(user=alice).count() == browsers.MOST_BROWSERS
    assert not PushSubscription.objects.filter(endpoint__endswith="/alice").exists()


def test_browsers_of_sessions_that_ended_are_cleaned_up(browser: Client, clock: time_machine.Traveller) -> None:
    assert browsers.clean() == 0
    clock.shift(timedelta(days=60))
    assert browsers.clean() == 1


def test_another_piece_adds_a_kind_in_a_few_lines(
    browser: Client, service: PushService, conversation: Conversation, alice: User, bob: User,
    choose: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    kinds.register(
        kinds.Kind(
            "mention", label="Somebody mentions me", plain="You were mentioned", holds=lambda _subject, _user: True,
            title=lambda subject: f"{subject.by} in {subject.name}", text=lambda subject: subject.words,
        )
    )  # fmt: skip
    choose(push={"mention"})
    note = actions.add_note(bob, conversation, "@alice please look")
    notices.record("mention", conversation, message=note.pk, to=alice.pk, by=bob)
    push.work()
    assert texts(service) == [("bob in Maria Lopez", "@alice please look")]
    assert "Somebody mentions me" in browser.get("/accounts/notifications/").content.decode()
