"""Missed messages in Setup: Health, the button, and the check that finds the subscription missing."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from channels_im.messenger.pages import SUBSCRIBED_FIELDS
from channels_im.models import Channel, Page, RecoveryRun
from channels_im.services.facebook import subscriptions
from desk.models import AuditEntry, Department
from tests.channels_im.setup.fake_meta import FakeMeta
from tests.factories import make_channel, make_page, make_user
from tests.pages import html_of

Reason, State = RecoveryRun.Reason, RecoveryRun.State


@pytest.fixture
def channel(departments: list[Department]) -> Channel:
    page = make_page("1001", page_token="page-token-1001", tasks=["MESSAGING", "MODERATE"])
    return make_channel(page, departments[0])


def health(setup: Client) -> str:
    return " ".join(html_of(setup.get(reverse("setup:health"))).split())


def press(setup: Client, channel: Channel) -> str:
    url = reverse("setup:health_recover", args=[channel.pk])
    return " ".join(html_of(setup.post(url, follow=True)).split())


def test_health_requests_a_recovery_and_shows_what_it_found(setup: Client, channel: Channel) -> None:
    assert "Missed messages have not been looked for yet" in health(setup)
    page = press(setup, channel)
    assert "Desk is looking for missed messages" in page
    assert "Starting …" in page
    assert ">Recover missed messages</button>" not in page
    run = RecoveryRun.objects.get()
    assert run.reason == Reason.REQUEST
    assert AuditEntry.objects.filter(sentence__contains="Requested the recovery").exists()
    now = timezone.now()
    counts = {"read_count": 40, "inserted_count": 7, "beyond_reach_count": 3}
    RecoveryRun.objects.update(state=State.DONE, until=now, finished_at=now, **counts)
    page = health(setup)
    assert "Done · 40 read, 7 recovered, 3 out of reach" in page
    assert ">Recover missed messages</button>" in page


def test_health_says_why_a_recovery_waits_or_stopped(setup: Client, channel: Channel) -> None:
    press(setup, channel)
    Page.objects.update(background_limited_until=timezone.now() + timedelta(minutes=5))
    RecoveryRun.objects.update(error="Facebook's rate limit is reached.")
    assert "Waiting until" in health(setup)
    assert "rate limit is reached" in health(setup)
    RecoveryRun.objects.update(state=State.FAILED, error="Facebook refused it.")
    assert "Stopped: Facebook refused it." in health(setup)


def test_a_channel_that_is_off_cannot_be_recovered(setup: Client, channel: Channel) -> None:
    Channel.objects.update(is_active=False, deactivated_at=timezone.now())
    assert ">Recover missed messages</button>" not in health(setup)
    assert "Activate the channel first." in press(setup, channel)
    assert not RecoveryRun.objects.exists()


def test_whoever_may_not_change_channels_may_not_request_a_recovery(channel: Channel) -> None:
    client = Client()
    client.force_login(make_user("staff", is_staff=True))
    assert client.post(reverse("setup:health_recover", args=[channel.pk])).status_code == 403
    assert not RecoveryRun.objects.exists()


@pytest.mark.parametrize("left", [None, ["messages"]])
def test_a_check_that_finds_the_subscription_missing_recovers(
    meta: FakeMeta, channel: Channel, left: list[str] | None
) -> None:
    last = timezone.now() - timedelta(hours=5)
    Page.objects.update(last_event_at=last)
    if left:
        meta.subscribed["1001"] = left
    subscriptions.request_check(channel.page_id)
    subscriptions.drain_subscriptions()
    assert set(SUBSCRIBED_FIELDS) <= set(meta.subscribed["1001"])
    run = RecoveryRun.objects.get()
    assert run.reason == Reason.SUBSCRIPTION
    assert run.since < last


def test_a_check_that_finds_everything_in_place_recovers_nothing(meta: FakeMeta, channel: Channel) -> None:
    meta.subscribed["1001"] = list(SUBSCRIBED_FIELDS)
    subscriptions.request_check(channel.page_id)
    subscriptions.drain_subscriptions()
    assert not RecoveryRun.objects.exists()


@pytest.mark.parametrize("name", ["messenger_deactivate", "messenger_activate"])
def test_the_dialogs_say_what_happens_with_what_customers_write(setup: Client, channel: Channel, name: str) -> None:
    page = " ".join(html_of(setup.get(reverse(f"setup:{name}", args=[channel.pk]))).split())
    assert "newest 20 messages" in page
