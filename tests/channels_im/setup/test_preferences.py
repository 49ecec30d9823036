"""Preferences: the threading intermission and *Associate Channel*."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from channels_im.models import Channel, ChannelAgent, ImPreferences
from desk.models import Agent, Department, User
from tests.factories import make_agent, make_channel, make_conversation, make_page, receive
from tests.history import changes
from tests.http import Response
from tests.pages import html_of
from tickets import setup as tickets_setup

URL = "/admin/instant-messaging/preferences/"


def text(response: Response) -> str:
    return html_of(response)


def save(setup: Client, department: Department, minutes: int | str) -> Response:
    return setup.post(URL, {"department": department.pk, "threading_intermission": minutes}, follow=True)


def test_the_default_is_sixty_minutes(setup: Client, departments: list[Department]) -> None:
    assert 'value="60"' in text(setup.get(URL))


@pytest.mark.parametrize("minutes", [60, 61, 1440])
def test_from_sixty_minutes_to_a_day_can_be_chosen_per_department(
    setup: Client, departments: list[Department], minutes: int
) -> None:
    save(setup, departments[1], minutes)
    assert (
        ImPreferences.objects.filter(department=departments[1], threading_intermission=minutes).exists()
        or minutes == 60
    )
    assert not ImPreferences.objects.filter(department=departments[0]).exists()


@pytest.mark.parametrize(
    ("minutes", "says"),
    [
        (59, "The shortest intermission is 60 minutes."),
        (1441, "The longest intermission is 24 hours (1440 minutes)."),
        ("", "Enter a number of minutes."),
        ("90.5", "Enter a whole number of minutes."),
        ("an hour", "Enter a whole number of minutes."),
    ],
)
def test_anything_else_is_refused(setup: Client, departments: list[Department], minutes: int | str, says: str) -> None:
    assert says in text(save(setup, departments[0], minutes))
    assert not ImPreferences.objects.exists()


def test_a_change_stands_in_the_history(setup: Client, departments: list[Department], administrator: User) -> None:
    save(setup, departments[0], 120)
    assert "from 60 to 120 minutes" in changes(administrator).get().sentence


def test_a_department_deleted_in_between_is_said(setup: Client, departments: list[Department]) -> None:
    gone = Department(pk=999)
    assert "Nothing was saved." in text(save(setup, gone, 90))


def test_the_preview_counts_the_tickets_each_setting_would_have_made(
    setup: Client, departments: list[Department]
) -> None:
    conversation = make_conversation(make_channel(department=departments[0]))
    start = timezone.now() - timedelta(days=2)
    for minutes in (0, 60, 60 + 90, 60 + 90 + 300):
        receive(conversation, at=start + timedelta(minutes=minutes))
    page = text(setup.get(f"{URL}?department={departments[0].pk}"))
    counted = [int(part.partition(" ")[0]) for part in page.split("<b>")[1:] if "ticket" in part[:12]]
    assert counted == [3, 2, 2, 1, 1, 1]
    assert "conversations with the newest messages" not in page


def test_the_preview_of_a_busy_department_reads_its_newest_conversations_only(
    setup: Client, departments: list[Department], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets_setup, "PREVIEW_CONVERSATIONS", 2)
    channel = make_channel(department=departments[0])
    for hours in (1, 2, 3):
        receive(make_conversation(channel), at=timezone.now() - timedelta(hours=hours))
    page = text(setup.get(f"{URL}?department={departments[0].pk}"))
    assert "Of the 2 conversations with the newest messages." in page
    assert page.count("<b>2 tickets</b>") == 6


# --- Associate Channel
@pytest.fixture
def shop(departments: list[Department]) -> Channel:
    return make_channel(make_page("1001"), departments[0], name="Shop")


def associate(setup: Client, department: Department, agent: Agent, *channels: Channel, follow: bool = True) -> Response:
    url = reverse("setup:associate", args=[department.pk, agent.pk])
    return setup.post(url, {"channels": [channel.pk for channel in channels]}, follow=follow)


def test_an_agent_is_associated_with_channels_and_loses_them_again(
    setup: Client, shop: Channel, departments: list[Department], administrator: User
) -> None:
    agent = make_agent("alice", departments=(departments[0],)).agent
    associate(setup, departments[0], agent, shop)
    assert ChannelAgent.objects.get().channel == shop
    associate(setup, departments[0], agent)
    assert not ChannelAgent.objects.exists()
    lines = [entry.sentence for entry in changes(administrator).order_by("pk")]
    assert lines == ["Channels of Sales associated: Shop.", "Channels of Sales associated: none."]


def test_a_channel_of_another_department_cannot_be_associated_by_hand(
    setup: Client, shop: Channel, departments: list[Department]
) -> None:
    agent = make_agent("alice", departments=(departments[0],)).agent
    other = make_channel(department=departments[1])
    response = associate(setup, departments[0], agent, other)
    assert "has just been deleted or moved" in text(response)
    assert not ChannelAgent.objects.exists()


def test_channels_of_other_departments_are_left_alone(
    setup: Client, shop: Channel, departments: list[Department]
) -> None:
    other = make_channel(department=departments[1])
    agent = make_agent("alice", channels=(other,), departments=(departments[0],)).agent
    associate(setup, departments[0], agent, shop)
    assert set(agent.channels.all()) == {other, shop}


def test_an_agent_of_another_department_is_not_there(
    setup: Client, shop: Channel, departments: list[Department]
) -> None:
    agent = make_agent("bob", departments=(departments[1],)).agent
    assert associate(setup, departments[0], agent, shop, follow=False).status_code == 404


def test_an_agent_who_leaves_a_department_loses_its_channels(
    setup: Client, shop: Channel, departments: list[Department]
) -> None:
    agent = make_agent("alice", channels=(shop,), departments=(departments[1],)).agent
    agent.departments.remove(departments[0])
    assert not ChannelAgent.objects.exists()


def test_the_table_shows_only_agents_of_the_department(
    setup: Client, shop: Channel, departments: list[Department]
) -> None:
    make_agent("alice", departments=(departments[0],))
    make_agent("bob", departments=(departments[1],))
    page = text(setup.get(f"{URL}?department={departments[0].pk}"))
    assert "alice" in page
    assert "bob" not in page
