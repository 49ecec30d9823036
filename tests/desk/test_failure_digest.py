"""The digest of failures: by cause, at most one in an hour, and told only when the mail server accepted it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from pytest_django import Settings
from time_machine import Traveller

from desk import failure_digest
from desk.mail import LEASE, RETRY_DELAY
from tests.factories import NOON, make_admin, make_conversation, receive
from tests.mails import fail, failures

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Traveller]:
    admin = make_admin()
    admin.email = "admin@example.org"
    admin.save()
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def words(number: int = -1) -> str:
    return " ".join(str(mail.outbox[number].body).split())


def test_it_counts_by_cause_and_names_page_and_webhook() -> None:
    failures(None)  # type: ignore[arg-type]
    assert mail.outbox[0].subject == "5 failures in Desk"
    assert "- 3 replies were not sent Facebook did not accept <b>this</b> message. Page “Berg" in words()
    assert "- 1 delivery from Facebook was not processed 1 of 2 events could not be processed." in words()
    assert "Traceback" not in words()
    assert "- 1 webhook event was given up The address answered 500. Webhook “Berg" in words()
    assert "/admin/instant-messaging/health/" in words()
    assert "at most once an hour" in words()


def test_without_failures_there_is_none(clock: Traveller) -> None:
    receive(make_conversation())
    for _ in range(12):
        assert failure_digest.send_due() == 0
        clock.shift(timedelta(minutes=10))
    assert not mail.outbox


def test_each_failure_is_in_one_digest_and_there_is_one_in_an_hour(clock: Traveller) -> None:
    fail(2)
    assert (failure_digest.send_due(), failure_digest.send_due()) == (1, 0)
    for _ in range(5):
        clock.shift(timedelta(minutes=10))
        fail(1, minutes=5)
        assert not failure_digest.is_due()
        assert failure_digest.send_due() == 0
    clock.shift(timedelta(minutes=10))
    assert failure_digest.send_due() == 1
    assert [str(message.subject) for message in mail.outbox] == ["2 failures in Desk", "5 failures in Desk"]
    clock.shift(2 * HOUR)
    assert failure_digest.send_due() == 0


def test_an_attempt_that_may_still_run_is_in_the_next_digest(clock: Traveller) -> None:
    fail(1, minutes=1)
    assert failure_digest.send_due() == 0
    clock.shift(timedelta(minutes=10))
    assert failure_digest.send_due() == 1


@pytest.mark.parametrize("setting", ["off", "daily"])
def test_the_setting(settings: Settings, clock: Traveller, setting: str) -> None:
    settings.DESK_FAILURE_DIGEST = setting
    for _ in range(23):
        fail()
        failure_digest.send_due()
        clock.shift(HOUR)
    assert len(mail.outbox) == (1 if setting == "daily" else 0)


def test_a_server_that_refuses_is_asked_again_with_all_of_it(settings: Settings, clock: Traveller) -> None:
    fail(2)
    on, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.mail_backends.Refusing"
    assert failure_digest.send_due() == 0
    settings.EMAIL_BACKEND = on
    assert failure_digest.send_due() == 0  # not yet
    clock.shift(RETRY_DELAY)
    assert (failure_digest.send_due(), failure_digest.send_due()) == (1, 0)
    assert mail.outbox[0].subject == "2 failures in Desk"


def test_a_worker_that_dies_while_it_sends_leaves_it_to_the_next(settings: Settings, clock: Traveller) -> None:
    fail()
    on, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.mail_backends.Killing"
    with pytest.raises(SystemExit):
        failure_digest.send_due()
    settings.EMAIL_BACKEND = on
    assert failure_digest.send_due() == 0  # the dead worker's claim holds
    clock.shift(LEASE)
    assert failure_digest.send_due() == 1
