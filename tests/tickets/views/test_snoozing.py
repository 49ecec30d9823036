"""Snoozing from the pages: the menu, the times of the agent's clock, the line in the thread, the view."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from desk.models import User
from tests.http import Response
from tickets.models import Conversation

from . import world

NOW = datetime(2026, 10, 23, 10, 0, tzinfo=UTC)  # a Friday; in Berlin the clocks go back on Sunday
PART = {"HX-Request": "true"}


@pytest.fixture
def conversation(desk: world.Desk, alice: Client) -> Conversation:
    alice.cookies["desk_zone"] = "Europe/Berlin"
    conversation = world.make_conversation(desk.shop, at=NOW - timedelta(hours=1))
    world.say(conversation, at=NOW - timedelta(hours=1))
    return conversation


def snooze(client: Client, conversation: Conversation, until: str, at: str = "") -> Response:
    response = client.post(f"/inbox/{conversation.pk}/snooze/", {"until": until, "at": at}, headers=PART)
    conversation.refresh_from_db()
    return response


@pytest.mark.parametrize(
    ("until", "at", "expected", "line"),
    [
        ("later", "", "2026-10-23T13:00", "until Friday 23 October 2026, 15:00"),
        ("tomorrow", "", "2026-10-24T07:00", "until Saturday 24 October 2026, 09:00"),
        ("monday", "", "2026-10-26T08:00", "until Monday 26 October 2026, 09:00"),  # an hour later than today's nine
        ("before_closing", "", "2026-10-30T07:00", "until Friday 30 October 2026, 08:00"),
        ("reply", "", None, "until the customer writes"),
        ("time", "2026-10-25T02:30", "2026-10-25T00:30", "02:30 comes twice on that day"),
        ("time", "2027-03-28T02:30", "2027-03-28T01:30", "02:30 does not exist on that day"),
        ("time", "2027-03-28T02:30", "2027-03-28T01:30", "03:30, when the messaging window will be closed"),
    ],
)
def test_each_choice_of_the_menu(
    alice: Client, conversation: Conversation, until: str, at: str, expected: str | None, line: str
) -> None:
    with time_machine.travel(NOW, tick=False):
        page = snooze(alice, conversation, until, at).content.decode()
    until_stored = conversation.snoozed_until
    assert (f"{until_stored:%Y-%m-%dT%H:%M}" if until_stored else None, conversation.is_snoozed) == (expected, True)
    assert line in page
    assert "Wake now" in page


@pytest.mark.parametrize(
    ("until", "at", "sentence"),
    [
        ("", "", "Choose until when"),
        ("never", "", "Choose until when"),
        ("time", "", "Choose a day and a time"),
        ("time", "soon", "Choose a day and a time"),
        ("time", "9999-12-31T23:59", "within a year"),
        ("time", "0001-01-01T00:00", "Choose a"),
        ("time", "2026-10-23T11:59", "still to come"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(
    alice: Client, conversation: Conversation, until: str, at: str, sentence: str
) -> None:
    with time_machine.travel(NOW, tick=False):
        response = snooze(alice, conversation, until, at)
    assert (response.status_code, conversation.is_snoozed) == (422, False)
    assert sentence in response.content.decode()


def test_two_hours_before_the_window_closes_needs_a_window(alice: Client, conversation: Conversation) -> None:
    closes_at = NOW + timedelta(days=7) - timedelta(hours=1)
    for now, is_offered in ((closes_at - timedelta(hours=3), True), (closes_at - timedelta(hours=2), False)):
        with time_machine.travel(now, tick=False):
            page = alice.get(f"/inbox/{conversation.pk}/").content.decode()
            assert ('value="before_closing"' in page) == is_offered
    with time_machine.travel(closes_at, tick=False):
        response = snooze(alice, conversation, "before_closing")
    assert (response.status_code, conversation.is_snoozed) == (422, False)


def test_a_snoozed_conversation_is_in_its_view_with_its_time_and_is_woken_there(
    alice: Client, conversation: Conversation, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with time_machine.travel(NOW, tick=False):
        snooze(alice, conversation, "tomorrow")
        with django_assert_max_num_queries(15):
            page = alice.get("/inbox/", {"view": "snoozed"}).content.decode()
        assert "Snoozed until 24 Oct 2026, 09:00" in page
        assert f"row-{conversation.pk}" not in alice.get("/inbox/").content.decode()
        alice.post(f"/inbox/{conversation.pk}/wake/", headers=PART)
        assert f"row-{conversation.pk}" in alice.get("/inbox/").content.decode()


def test_who_may_not_see_it_cannot_snooze_it(
    desk: world.Desk, as_user: Callable[[User], Client], conversation: Conversation
) -> None:
    assert snooze(as_user(desk.bob), conversation, "tomorrow").status_code == 404
    assert not conversation.is_snoozed
