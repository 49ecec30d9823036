"""Viewers, typing, presence, notifications and the command bar."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from channels_im.models import ChannelAgent
from desk.models import LiveEvent, User
from tests.http import Response
from tests.pages import html_of
from tickets.models import Conversation, Message, Viewer
from tickets.services.conversation import access
from tickets.services.inbox import viewers

from . import world

HX = {"HX-Request": "true"}
ONE, TWO = "1" * 32, "2" * 32
keeps_rows = pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL notifies and keeps no rows")


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    ChannelAgent.objects.create(channel=desk.shop, agent=desk.bob.agent)
    return world.make_conversation(desk.shop, at=timezone.now())


@pytest.fixture
def bob(desk: world.Desk, as_user: Callable[[User], Client]) -> Client:
    return as_user(desk.bob)


def look(client: Client, conversation: Conversation, page: str = ONE, status: int = 200, **fields: Any) -> str:
    response = client.post(f"/inbox/{conversation.pk}/onlookers/", {"page": page, **fields}, headers=HX)
    assert response.status_code == status, html_of(response)
    return words(response)


def seen_by(client: Client, conversation: Conversation) -> str:
    return words(client.get(f"/inbox/{conversation.pk}/onlookers/", headers=HX))


def words(response: Response) -> str:
    text = re.sub(r'<span class="onlookers".*</span> </span>', "", html_of(response))
    return " ".join(re.sub(r"<[^>]+>", "", text).split())


def told() -> int:
    """How often other pages were told since the last time."""
    count = LiveEvent.objects.filter(payload__kind="viewers").count()
    LiveEvent.objects.all().delete()
    return count


def test_two_agents_see_each_other_and_nobody_sees_themselves(
    alice: Client, bob: Client, conversation: Conversation
) -> None:
    assert look(alice, conversation) == ""
    assert look(bob, conversation, TWO) == "Alice is viewing too"
    assert seen_by(alice, conversation) == "Bob is viewing too"


def test_typing_is_seen_until_it_ends(alice: Client, bob: Client, conversation: Conversation) -> None:
    look(bob, conversation, typing="yes")
    assert seen_by(alice, conversation) == "Bob is typing a reply"
    look(bob, conversation, typing="no")
    assert seen_by(alice, conversation) == "Bob is viewing too"


def test_a_viewer_without_heartbeats_expires_and_typing_sooner(
    alice: Client, bob: Client, conversation: Conversation
) -> None:
    look(bob, conversation, typing="yes")
    rows = Viewer.objects.all()
    rows.update(typing_until=timezone.now() - timedelta(seconds=1))
    assert seen_by(alice, conversation) == "Bob is viewing too"
    assert viewers.delete_expired() == 0
    rows.update(seen_at=timezone.now() - viewers.EXPIRES_AFTER - timedelta(seconds=1))
    assert seen_by(alice, conversation) == ""
    assert viewers.delete_expired() == 1


def test_a_closed_page_leaves_and_another_page_of_the_same_agent_stays(
    alice: Client, bob: Client, conversation: Conversation
) -> None:
    look(bob, conversation, ONE)
    look(bob, conversation, TWO, typing="yes")
    look(bob, conversation, TWO, gone="yes", status=204)
    assert seen_by(alice, conversation) == "Bob is viewing too"
    look(bob, conversation, ONE, gone="yes", status=204)
    assert seen_by(alice, conversation) == ""


def test_a_page_shows_one_conversation_and_a_late_goodbye_does_not_end_the_next(
    alice: Client, bob: Client, desk: world.Desk, conversation: Conversation
) -> None:
    other = world.make_conversation(desk.shop, at=timezone.now())
    look(bob, conversation)
    look(bob, other)
    look(bob, conversation, gone="yes", status=204)
    assert (seen_by(alice, conversation), seen_by(alice, other)) == ("", "Bob is viewing too")


def test_nobody_speaks_for_the_page_of_a_colleague(alice: Client, bob: Client, conversation: Conversation) -> None:
    look(bob, conversation, ONE)
    look(alice, conversation, ONE, gone="yes", status=204)
    assert seen_by(alice, conversation) == "Bob is viewing too"


def test_many_are_counted_and_names_are_text(
    alice: Client, desk: world.Desk, as_user: Callable[[User], Client], conversation: Conversation
) -> None:
    for number in range(5):
        user = world.make_agent(f"agent{number}", desk.sales)
        user.first_name = f"<b>{number}</b>"
        user.save()
        ChannelAgent.objects.create(channel=desk.shop, agent=user.agent)
        html = html_of(as_user(user).post(f"/inbox/{conversation.pk}/onlookers/", {"page": f"{number:032}"}))
        assert "<b>" not in html
    html = html_of(alice.get(f"/inbox/{conversation.pk}/onlookers/"))
    assert "&lt;b&gt;0&lt;/b&gt;, &lt;b&gt;1&lt;/b&gt; and 3 others</bdi> are viewing too" in html


@pytest.mark.parametrize("page", ["", "x", "1" * 33, "G" * 32])
def test_a_page_without_a_key_is_refused(alice: Client, conversation: Conversation, page: str) -> None:
    look(alice, conversation, page, status=400)
    assert not Viewer.objects.exists()


def test_a_viewer_who_lost_the_conversation_gets_nothing(
    alice: Client, bob: Client, desk: world.Desk, conversation: Conversation
) -> None:
    look(alice, conversation)
    ChannelAgent.objects.filter(agent=desk.bob.agent, channel=desk.shop).delete()
    assert bob.get(f"/inbox/{conversation.pk}/onlookers/", headers=HX).status_code == 404


@keeps_rows
def test_pages_are_notified_of_changes_and_not_of_heartbeats(
    bob: Client, desk: world.Desk, conversation: Conversation
) -> None:
    look(bob, conversation)
    assert told() == 1
    for _ in range(3):
        look(bob, conversation)
    assert told() == 0
    look(bob, conversation, typing="yes")
    look(bob, conversation, typing="yes")
    assert told() == 1
    other = world.make_conversation(desk.shop, at=timezone.now())
    look(bob, other)
    assert told() == 2  # those who look at either
    look(bob, other, gone="yes", status=204)
    look(bob, other, gone="yes", status=204)
    assert told() == 1


@keeps_rows
def test_only_those_who_may_see_the_conversation_are_notified(
    bob: Client, desk: world.Desk, conversation: Conversation
) -> None:
    look(bob, conversation)
    event = LiveEvent.objects.get(payload__kind="viewers").payload
    assert access.visible(access.facts_for(desk.alice), event)
    assert not access.visible(access.facts_for(desk.charlie), event)


def test_a_heartbeat_costs_the_same_with_many_viewers(
    alice: Client,
    desk: world.Desk,
    as_user: Callable[[User], Client],
    conversation: Conversation,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(12):
        user = world.make_agent(f"agent{number}", desk.sales)
        Viewer.objects.create(page_key=f"{number:032}", user=user, conversation=conversation, seen_at=timezone.now())
    look(alice, conversation)
    with django_assert_max_num_queries(9):
        look(alice, conversation)


# --- Online, away, off ------------------------------------------------------------------------------------------------
def test_the_picker_shows_who_is_online_first(
    alice: Client, bob: Client, desk: world.Desk, conversation: Conversation
) -> None:
    carla = world.make_agent("carla", desk.sales)
    ChannelAgent.objects.create(channel=desk.shop, agent=carla.agent)
    bob.post("/inbox/me/", {"presence": "away"}, headers=HX)
    html = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    shown = re.findall(r'class="presence" data-presence="(\w+)" data-presence-of="(\d+)"', html)
    assert shown == [("online", str(carla.pk)), ("away", str(desk.bob.pk))]


@keeps_rows
def test_colleagues_are_notified_of_a_changed_presence_once(bob: Client, desk: world.Desk) -> None:
    for presence in ("away", "away", "on the moon"):
        bob.post("/inbox/me/", {"presence": presence}, headers=HX)
    [event] = LiveEvent.objects.filter(payload__kind="presence").values_list("payload", flat=True)
    assert event == {"kind": "presence", "user": desk.bob.pk, "presence": "away"}
    assert access.visible(access.facts_for(desk.charlie), event)
    assert not access.visible(access.NOBODY, event)


# --- What came in -----------------------------------------------------------------------------------------------------
def news(client: Client, since: int | str = "") -> dict[str, Any]:
    return client.get(f"/inbox/news/?since={since}", headers=HX).json()


def test_news_begin_now_and_tell_each_message_once(alice: Client, desk: world.Desk, conversation: Conversation) -> None:
    world.say(conversation, "before")
    start = news(alice)
    assert start["messages"] == []
    world.say(conversation, "after <b>it</b>")
    told = news(alice, start["newest"])
    assert [(one["text"], one["name"], one["is_mine"]) for one in told["messages"]] == [
        ("after <b>it</b>", "Rosa Diaz", False)
    ]
    assert news(alice, told["newest"])["messages"] == []


def test_news_are_of_my_conversations_and_of_unassigned_ones(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    mine = world.make_conversation(desk.service, "Mine", assignee=desk.alice)
    colleagues = world.make_conversation(desk.shop, "Of Bob", assignee=desk.bob)
    strange = world.make_conversation(desk.service, "Of another channel")
    blocked = world.make_conversation(desk.shop, "Blocked")
    blocked.contact.blocked_at = timezone.now()
    blocked.contact.save()
    for one in (conversation, mine, colleagues, strange, blocked):
        world.say(one, at=timezone.now())
        world.say(one, "answer", author=desk.bob)
    told = news(alice, 0)["messages"]
    assert {(one["name"], one["is_mine"]) for one in told} == {("Rosa Diaz", False), ("Mine", True)}


@pytest.mark.parametrize("since", ["x", "-1", "9" * 40, ""])
def test_news_since_nonsense_are_none(alice: Client, conversation: Conversation, since: str) -> None:
    world.say(conversation)
    assert news(alice, since) == {"newest": Message.objects.latest("pk").pk, "messages": []}


# --- The command bar --------------------------------------------------------------------------------------------------
def test_the_command_bar_finds_people_and_tickets_of_ones_own_only(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    world.make_conversation(desk.service, "Rosa of the other channel")
    for words_typed in ("rosa", f"%23{conversation.current_ticket_id}"):
        html = html_of(alice.get(f"/inbox/find/?q={words_typed}", headers=HX))
        assert re.findall(r'data-open-conversation="(\d+)"', html) == [str(conversation.pk)]
    assert html_of(alice.get("/inbox/find/?q=", headers=HX)).strip() == ""


def test_the_sheet_of_shortcuts_and_the_keys_are_the_same(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    html = html_of(as_user(desk.root).get("/inbox/"))
    sheet = html[html.index('id="keys"') : html.index('id="commands"')]
    shown = {tuple(re.findall(r"<kbd>(.+?)</kbd>", line)) for line in re.findall(r"<dt>(.+?)</dt>", sheet)}
    by_browser = {("Ctrl", "K"), ("Ctrl", "Enter"), ("Enter",), ("Esc",), ("Shift", "F10")}
    by_browser |= {("Ctrl", "Shift", "Enter"), ("G", "1", "9"), ("Ctrl", "Z")}  # the composer; the saved views; Undo
    script = Path(settings.BASE_DIR, "static/desk/js/keys.js").read_text()
    keys = re.compile(r'^  "?([^\s":]+)"?: ', re.MULTILINE)
    single = set(keys.findall(script[script.index("const actions") : script.index("const places")])) - {"g"}
    after_g = set(keys.findall(script[script.index("const places") : script.index("function onEscape")]))
    arrows = {"j": ("J", "↓"), "k": ("K", "↑"), "shift+e": ("Shift", "E"), "shift+x": ("Shift", "X")}
    expected = {arrows.get(key, (key.upper(),)) for key in single} | {("G", key.upper()) for key in after_g}
    assert shown - by_browser == expected
