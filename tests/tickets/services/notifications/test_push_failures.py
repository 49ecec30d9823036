"""Push services and workers that fail: nothing is lost, and nothing is sent twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from pytest_django import Settings

from desk.models import User
from tests import factories
from tests.push_service import PushService
from tests.tickets.services.notifications.conftest import SUBSCRIBE, texts, write
from tickets.models import Conversation, PushDelivery, PushSubscription
from tickets.services.notifications import push, push_state

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_gone_is_forgotten(
    browser: Client, service: PushService, conversation: Conversation, status: int
) -> None:
    service.answers = [status]
    write(conversation)
    push.work()
    assert not PushSubscription.objects.exists()
    assert not PushDelivery.objects.exists()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_push_service_that_is_busy_is_asked_again_after_the_time_that_it_names(
    browser: Client,
    service: PushService,
    conversation: Conversation,
    clock: time_machine.Traveller,
    status: int,
) -> None:
    service.answers, service.retry_after = [status, status], "120"
    write(conversation)
    push.work()
    clock.shift(timedelta(seconds=119))
    assert not push.is_due()
    clock.shift(timedelta(seconds=2))
    push.work()
    clock.shift(timedelta(seconds=121))
    push.work()
    assert len(service.got) == 1
    row = PushSubscription.objects.get()
    assert (row.failures, row.failing_since) == (0, None)


def test_what_is_an_hour_old_is_not_sent(
    browser: Client, service: PushService, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    write(conversation)
    push.recipients.take_notices()
    clock.shift(timedelta(minutes=61))
    push.work()
    assert not service.got
    assert not PushDelivery.objects.exists()


def test_a_message_that_the_push_service_refuses_is_not_repeated(
    browser: Client, service: PushService, conversation: Conversation
) -> None:
    service.answers = [413]
    write(conversation)
    push.work()
    assert not PushDelivery.objects.exists()
    assert PushSubscription.objects.get().failures == 1


def test_setup_says_when_nothing_reaches_anybody(
    browser: Client, service: PushService, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    assert push_state.state() is None
    service.answers = [503] * 5
    for _try in range(4):
        write(conversation)
        push.work()
        clock.shift(timedelta(minutes=10))
    state = push_state.state()
    assert state is not None
    assert "Push services take no notifications" in state.sentence
    clock.shift(timedelta(hours=1))
    service.answers = []
    write(conversation)
    push.work()
    assert push_state.state() is None


def test_an_address_in_a_private_network_is_never_called(
    client: Client, alice: User, service: PushService, settings: Settings, conversation: Conversation
) -> None:
    client.force_login(alice)
    fields = service.subscription("/alice")
    settings.DESK_PUSH_HOSTS = []
    for endpoint in (fields["endpoint"], "https://127.0.0.1/x", "https://10.0.0.8/", "https://[::1]/", "ftp://a/", ""):
        answer = client.post(SUBSCRIBE, {**fields, "endpoint": endpoint})
        assert answer.status_code == 422
        assert answer.json()["reason"]
    assert not PushSubscription.objects.exists()
    settings.DESK_PUSH_HOSTS = [service.host]
    assert client.post(SUBSCRIBE, fields).status_code == 200
    settings.DESK_PUSH_HOSTS = []  # as for a name that now leads into the private network
    write(conversation)
    push.work()
    assert not service.headers
    assert not PushSubscription.objects.exists()


def test_what_a_dead_worker_had_claimed_is_sent(
    browser: Client, service: PushService, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    write(conversation)
    push.recipients.take_notices()
    assert push.CLAIMS.claim([PushDelivery.objects.get().pk])  # and then it is killed
    push.work()
    assert not service.got
    clock.shift(timedelta(minutes=2))
    assert push.CLAIMS.reclaim_stale() == 1
    clock.shift(timedelta(minutes=1))
    push.work()
    assert len(service.got) == 1


def test_a_worker_that_dies_while_it_finds_out_who_is_told_loses_nothing(
    browser: Client, service: PushService, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(conversation)
    with monkeypatch.context() as patched:
        patched.setattr(push.recipients, "_push", _killed)
        with pytest.raises(KeyboardInterrupt):
            push.work()
    assert not PushDelivery.objects.exists()
    push.work()
    assert len(service.got) == 1


def _killed(*_args: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_notification_once(
    browser: Client, service: PushService, conversation: Conversation, bob: User, choose: Callable[..., None]
) -> None:
    service.delay_s = 0.05
    for number in range(6):
        other = factories.make_conversation(conversation.channel, name=f"Customer {number}")
        other.assignee = conversation.assignee
        other.save()
        write(other, f"Text {number}")

    def worker(_number: int) -> None:
        try:
            push.work()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(worker, range(2)))
    push.work()
    assert sorted(body for _title, body in texts(service)) == [f"Text {number}" for number in range(6)]
