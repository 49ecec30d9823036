"""The subscription of a Page: set, read back, tried again, and shown as it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
import time_machine
from django.test import Client
from django.urls import reverse

from channels_im.messenger.pages import SUBSCRIBED_FIELDS
from channels_im.models import Channel, Page
from channels_im.services.facebook import subscriptions
from desk.models import Department
from tests.channels_im.setup.fake_meta import FakeMeta, error
from tests.factories import make_channel, make_page
from tests.matching import present
from tests.pages import html_of

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def channel(departments: list[Department]) -> Channel:
    page = make_page("1001", page_token="page-token-1001", subscription="unknown", tasks=["MESSAGING", "MODERATE"])
    return make_channel(page, departments[0])


def drain(page: Page) -> None:
    subscriptions.request_check(page.pk)
    subscriptions.drain_subscriptions()
    page.refresh_from_db()


def ticks(setup: Client, channel: Channel) -> str:
    return html_of(setup.get(reverse("setup:messenger_checks", args=[channel.pk])))


def test_a_page_is_subscribed_with_every_field_and_read_back(setup: Client, meta: FakeMeta, channel: Channel) -> None:
    drain(channel.page)
    assert set(SUBSCRIBED_FIELDS) <= set(meta.subscribed["1001"])
    assert channel.page.subscription == "subscribed"
    assert set(channel.page.subscribed_fields) >= set(SUBSCRIBED_FIELDS)
    assert channel.page.checked_at
    assert channel.page.subscription_due_at is None
    assert ticks(setup, channel).count("tick--ok") == 3


def test_before_the_check_nothing_is_ticked(setup: Client, channel: Channel) -> None:
    subscriptions.request_check(channel.page_id)
    page = ticks(setup, channel)
    assert "tick--ok" not in page
    assert page.count("tick--waiting") == 3
    assert "data-refresh" in page


def test_what_facebook_does_not_show_is_not_ticked(setup: Client, channel: Channel) -> None:
    class Forgetful(FakeMeta):
        def _subscription(self, method: str, page_id: str, query: dict[str, str]) -> dict[str, Any]:
            answer = super()._subscription(method, page_id, query)
            self.subscribed[page_id] = ["messages"]
            return answer

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        Forgetful(mock)
        drain(channel.page)
    assert channel.page.subscription == "incomplete"
    page = ticks(setup, channel)
    assert page.count("tick--wrong") == 1
    assert "message_echoes" in page
    assert channel.page.subscription_due_at is not None


def test_a_deactivated_channel_is_unsubscribed(meta: FakeMeta, channel: Channel) -> None:
    drain(channel.page)
    channel.is_active = False
    channel.save()
    drain(channel.page)
    assert "1001" not in meta.subscribed
    assert channel.page.subscription == "unsubscribed"


def test_a_failure_that_may_pass_is_tried_again_ever_later(meta: FakeMeta, channel: Channel) -> None:
    meta.broken["subscribed_apps"] = (500, error(2))
    with time_machine.travel(NOON, tick=False) as clock:
        drain(channel.page)
        assert channel.page.subscription_error
        assert channel.page.subscription_due_at == NOON + timedelta(seconds=2)
        clock.shift(timedelta(seconds=3))
        subscriptions.drain_subscriptions()
        channel.page.refresh_from_db()
        assert channel.page.subscription_due_at == NOON + timedelta(seconds=3 + 4)
        meta.broken.clear()
        clock.shift(timedelta(seconds=5))
        subscriptions.drain_subscriptions()
    channel.page.refresh_from_db()
    assert channel.page.subscription == "subscribed"
    assert channel.page.subscription_error == ""


def test_a_dead_token_asks_for_reauthentication_with_its_reason(
    setup: Client, meta: FakeMeta, channel: Channel
) -> None:
    meta.broken["subscribed_apps"] = (400, error(190, 460))
    drain(channel.page)
    assert channel.page.reauth_reason == "password_changed"
    assert channel.page.reauth_detected_by == "check"
    assert channel.page.subscription_due_at is None
    assert "accepts Desk&#x27;s access: the Facebook password was changed." in ticks(setup, channel)


def test_a_refusal_is_shown_and_not_tried_for_ever(setup: Client, meta: FakeMeta, channel: Channel) -> None:
    meta.broken["subscribed_apps"] = (400, error(100))
    drain(channel.page)
    assert channel.page.is_connected
    assert channel.page.subscription_due_at is None
    assert channel.page.subscription_error
    assert "tick--wrong" in ticks(setup, channel)


def test_one_page_that_fails_does_not_stop_the_next(
    meta: FakeMeta, channel: Channel, departments: list[Department]
) -> None:
    other = make_channel(make_page("1002", page_token="page-token-1002"), departments[1])
    meta.broken["1001/subscribed_apps"] = (500, error(2))
    subscriptions.request_check(channel.page_id, other.page_id)
    assert subscriptions.drain_subscriptions() == 2
    assert "1002" in meta.subscribed


def test_check_now_asks_again(setup: Client, channel: Channel) -> None:
    setup.post(reverse("setup:messenger_check_now", args=[channel.pk]))
    channel.page.refresh_from_db()
    assert channel.page.subscription_due_at is not None


def test_the_health_page_tells_what_is_wrong(setup: Client, meta: FakeMeta, channel: Channel) -> None:
    meta.broken["subscribed_apps"] = (400, error(190, 458))
    drain(channel.page)
    page = html_of(setup.get("/admin/instant-messaging/health/"))
    assert "accepts Desk&#x27;s access: the app was removed in the Facebook settings." in page


def test_a_check_requested_while_one_runs_is_not_lost(meta: FakeMeta, channel: Channel) -> None:
    subscriptions.request_check(channel.page_id)
    claimed = present(subscriptions._claim())
    subscriptions.request_check(channel.page_id)
    subscriptions._check(claimed)
    channel.page.refresh_from_db()
    assert channel.page.subscription_due_at is not None
