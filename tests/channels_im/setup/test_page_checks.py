"""What Setup says of a Page: each check is one sentence that says what is, with what mends it beside it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from channels_im.messenger.pages import SUBSCRIBED_FIELDS
from channels_im.models import Channel, Page
from channels_im.services.facebook import connection as facebook
from desk import timings
from desk.models import Department
from tests import factories as make
from tests.factories import NOON
from tests.matching import search
from tests.pages import html_of

HEALTH = "/admin/instant-messaging/health/"
GOOD: dict[str, Any] = {
    "subscription": "subscribed",
    "subscribed_fields": list(SUBSCRIBED_FIELDS),
    "checked_at": NOON - timedelta(minutes=30),
}


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    timings._counts.clear()
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller
    timings._counts.clear()


@pytest.fixture
def channel(departments: list[Department]) -> Channel:
    return make.make_channel(make.make_page(name="Berg", **GOOD), departments[0], name="Shop")


def health(client: Client) -> str:
    return html_of(client.get(HEALTH))


def checks(client: Client) -> list[tuple[str, str, str]]:
    """Return state, sentence and button of each check that the page shows."""
    shown = []
    for line in re.findall(r'<li class="tick tick--.*?</li>', health(client)):
        state, sentence = search(r"tick--(\w+)", line)[1], search(r"<b>(.*?)</b>", line)[1]
        button = re.search(r"<button[^>]*> ?(.*?) ?</button>", line)
        shown.append((state, sentence.replace("&#x27;", "'"), button[1].strip() if button else ""))
    return shown


def of_page(client: Client, **fields: Any) -> list[tuple[str, str, str]]:
    """Return the checks of the only Page when it has these fields."""
    Page.objects.update(**fields)
    return [check for check in checks(client) if "mail" not in check[1].lower()]


def test_of_a_page_that_works_three_sentences_say_so(setup: Client, channel: Channel) -> None:
    assert of_page(setup) == [
        ("ok", "Facebook accepts Desk's access to this Page.", ""),
        ("ok", "Facebook sends this Page's messages to Desk.", ""),
        ("ok", f"Facebook sends all {len(SUBSCRIBED_FIELDS)} kinds of events that Desk needs.", ""),
    ]
    assert health(setup).count("Checked on 20 November 2026 at 11:30 UTC.") == 3


def test_dates_in_its_sentences_are_written_as_the_reader_writes_them(setup: Client, channel: Channel) -> None:
    page = html_of(setup.get(HEALTH, headers={"Accept-Language": "de"}))
    assert page.count("20. November 2026") == 3
    assert "20 November 2026" not in page


@pytest.mark.parametrize("reason", [reason for reason in Page.Reason if reason != Page.Reason.APP_REMOVED])
def test_lost_access_is_said_with_its_reason_and_mended_beside_it(
    setup: Client, channel: Channel, reason: Page.Reason
) -> None:
    facebook.require_reauth(channel.page, reason, Page.DetectedBy.SEND)
    access, subscription = of_page(setup)
    assert access[0] == "wrong"
    assert access[1].startswith("Facebook no longer accepts Desk's access: ")
    assert access[2] == "Re-authenticate"
    assert subscription[:2] == (
        "waiting",
        "Without access Desk cannot ask Facebook whether it sends this Page's messages.",
    )
    page = health(setup)
    assert "Noticed on 20 November 2026 at 12:00 UTC (a reply could not be sent)." in page
    assert "Facebook accepts" not in page
    assert f'name="channel" value="{channel.pk}"' in page


def test_when_the_app_was_removed_facebook_sends_nothing(setup: Client, channel: Channel) -> None:
    facebook.require_reauth(channel.page, Page.Reason.APP_REMOVED, Page.DetectedBy.CALLBACK)
    assert [state for state, _sentence, _button in of_page(setup)] == ["wrong", "wrong"]
    assert "because the app was removed" in health(setup)


NEVER: dict[str, Any] = {"checked_at": None, "subscription": "unknown", "subscribed_fields": []}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (NEVER, [("waiting", "has not asked", "Check now"), ("waiting", "has not asked", "Check now")]),
        (NEVER | {"subscription_due_at": NOON}, [("waiting", "is asking", "")] * 3),
        (
            NEVER | {"subscription_error": "Facebook could not be reached."},
            [("wrong", "could not ask", "Check now"), ("wrong", "could not check", "Check now")],
        ),
        (
            {"subscription_error": "Facebook could not be reached.", "subscription_due_at": NOON},
            [("ok", "accepted Desk's access when it last answered", ""), ("wrong", "could not check", "Check now")],
        ),
        (
            {"subscription": "unsubscribed", "subscribed_fields": []},
            [("ok", "accepts", ""), ("wrong", "does not send this Page's messages to Desk.", "Subscribe again")],
        ),
        (
            {"subscription": "incomplete", "subscribed_fields": ["messages"]},
            [
                ("ok", "accepts", ""),
                ("ok", "sends this Page's messages", ""),
                ("wrong", f"does not send {len(SUBSCRIBED_FIELDS) - 1} of the", "Subscribe again"),
            ],
        ),
        (
            {"subscription": "incomplete", "subscribed_fields": ["message_reads"]},
            [
                ("ok", "accepts", ""),
                ("wrong", "does not send this Page's messages", "Subscribe again"),
                ("wrong", "does not send", "Subscribe again"),
            ],
        ),
        (
            {"trouble": {"app_refused": {"sentence": "The settings are wrong.", "since": "2026-11-19T08:00:00+00:00"}}},
            [
                ("waiting", "does not know whether", ""),
                ("ok", "sends this Page's messages", ""),
                ("ok", "sends all", ""),
                ("wrong", "The settings are wrong.", "Check now"),
            ],
        ),
        (
            {"trouble": {"data_access": {"sentence": "Data access ended.", "since": "2026-11-19T08:00:00+00:00"}}},
            [("ok", "", ""), ("ok", "", ""), ("ok", "", ""), ("warning", "Data access ended.", "Re-authenticate")],
        ),
        (
            {"rate_limited_until": NOON + timedelta(minutes=5)},
            [("ok", "", ""), ("ok", "", ""), ("ok", "", ""), ("warning", "is reached until 12:05", "")],
        ),
        ({"rate_limited_until": NOON - timedelta(minutes=5)}, [("ok", "", ""), ("ok", "", ""), ("ok", "", "")]),
    ],
)
def test_each_state_is_said_as_it_is(
    setup: Client, channel: Channel, fields: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    shown = of_page(setup, **fields)
    assert [(state, button) for state, _sentence, button in shown] == [(state, button) for state, _, button in expected]
    for (_state, sentence, _button), (_, part, _) in zip(shown, expected, strict=True):
        assert part in sentence


@pytest.mark.parametrize(
    ("fields", "state", "part"),
    [
        ({"subscription": "unsubscribed"}, "waiting", "because the channel is deactivated"),
        ({}, "waiting", "what Facebook still sends waits"),
        ({"subscription_error": "Facebook refused it."}, "wrong", "could not ask Facebook to stop"),
    ],
)
def test_of_a_deactivated_channel_nothing_is_missing(
    setup: Client, channel: Channel, fields: dict[str, Any], state: str, part: str
) -> None:
    Channel.objects.update(is_active=False, deactivated_at=NOON)
    _access, subscription = of_page(setup, **fields)
    assert subscription[0] == state
    assert part in subscription[1]


def test_while_a_deactivated_channel_is_checked_desk_does_not_ask_for_messages(setup: Client, channel: Channel) -> None:
    Channel.objects.update(is_active=False, deactivated_at=NOON)
    shown = of_page(setup, subscription_due_at=NOON)
    assert shown == [("waiting", "Desk is asking Facebook to stop sending this Page's messages.", "")]


def test_a_login_that_ends_soon_is_a_warning_with_the_way_to_renew_it(setup: Client, channel: Channel) -> None:
    account = channel.page.facebook_account
    assert account is not None
    for days, expected in ((9.5, "ends in 9 days"), (-2, "ended on 18 November 2026"), (15.5, "")):
        account.expires_at = NOON + timedelta(days=days)
        account.save()
        warnings = [check for check in of_page(setup) if check[0] == "warning"]
        assert [check[2] for check in warnings] == (["Re-authenticate"] if expected else [])
        assert all(expected in check[1] for check in warnings)


def test_dates_are_those_of_the_time_zone_of_the_installation(
    setup: Client, channel: Channel, settings: Settings
) -> None:
    account = channel.page.facebook_account
    assert account is not None
    account.expires_at = NOON - timedelta(days=2)
    account.save()
    Page.objects.update(token_expires_at=NOON + timedelta(days=40))
    settings.TIME_ZONE = "Pacific/Auckland"  # it is 1:00 of the next day there
    page = health(setup)
    assert "Page access expires on 31 December 2026." in page
    assert "ended on 19 November 2026" in page


def test_a_check_that_failed_says_nothing_about_what_facebook_sends(setup: Client, channel: Channel) -> None:
    make.make_agent(channels=(channel,))
    Page.objects.update(subscription_error="Facebook could not be reached.")
    for address in ("/admin/", "/admin/instant-messaging/messenger/"):
        page = html_of(setup.get(address))
        assert "the last check failed" in page
        assert "Not receiving" not in page
        assert "does not receive" not in page
    assert "Desk could not check with Facebook whether “Shop” receives all events." in html_of(setup.get("/admin/"))


def test_a_page_that_was_never_checked_is_not_called_connected(setup: Client, channel: Channel) -> None:
    Page.objects.update(**NEVER)
    page = html_of(setup.get("/admin/instant-messaging/messenger/"))
    assert "Not checked yet" in page
    assert ">Connected<" not in page


def test_who_may_not_see_the_channels_is_not_told_that_they_work(channel: Channel) -> None:
    make.make_agent(channels=(channel,))
    Page.objects.update(last_event_at=NOON)
    facebook.require_reauth(channel.page, Page.Reason.TOKEN_EXPIRED, Page.DetectedBy.CHECK)
    client = Client()
    client.force_login(make.make_user("staff", is_staff=True))
    page = html_of(client.get("/admin/"))
    assert "Nothing needs your attention." in page
    assert "All channels are working" not in page


def test_no_sentence_says_the_opposite_of_its_mark(setup: Client, channel: Channel) -> None:
    """The page of the channel shows the same checks."""
    facebook.require_reauth(channel.page, Page.Reason.PASSWORD_CHANGED, Page.DetectedBy.CHECK)
    for address in (HEALTH, reverse("setup:messenger_edit", args=[channel.pk])):
        page = html_of(setup.get(address))
        assert "Facebook no longer accepts Desk&#x27;s access: the Facebook password was changed." in page
        assert "Facebook accepts" not in page
        assert "(no)" not in page


def test_a_check_can_be_requested_beside_the_page_and_leads_back(setup: Client, channel: Channel) -> None:
    Page.objects.update(subscription="unsubscribed")
    response = setup.post(reverse("setup:messenger_check_now", args=[channel.pk]), {"from_health": "1"})
    assert response["Location"] == f"{HEALTH}#page-{channel.page_id}"
    assert Page.objects.get().subscription_due_at == NOON
