"""Messages and headers pushed to open pages are what the views would show to each reader, and go to nobody else."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from desk.models import User
from tests.matching import present
from tickets.models import Conversation, Message
from tickets.services.conversation import access
from tickets.services.inbox import viewers
from tickets.views import live_rows, live_state
from tickets.views.live_thread import ThreadReader

from . import world

Event = dict[str, Any]
KEY = "0" * 32
LATER = world.NOON + timedelta(minutes=1)


def reader(user: User) -> live_rows.Reader:
    return live_rows.Reader(live_rows.facts_of(User.objects.get(pk=user.pk)), ZoneInfo("UTC"))


def change(conversation: Conversation) -> Event:
    return {"kind": "conversation", **access.ids_of(conversation)}


def look(user: User, conversation: Conversation) -> None:
    """Let a page of the user show this conversation."""
    viewers.open_page(user, conversation, KEY, typing=False)


def pushed(thread: ThreadReader, user: User, conversation: Conversation) -> Event | None:
    one = reader(user)
    events = thread.read([change(conversation)], {one}).get(one, [])
    return events[0] if events else None


def html_of(event: Event | None) -> dict[str, str]:
    """Return the items that came with HTML, by key."""
    return {key: html for key, html in present(event)["items"] if html is not None}


def in_view(client: Client, conversation: Conversation) -> str:
    client.cookies["desk_zone"] = "UTC"
    return client.get(f"/inbox/{conversation.pk}/messages/", headers={"HX-Request": "true"}).content.decode()


def squeezed(html: str) -> str:
    return re.sub(r"\s+", " ", html)


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    conversation = world.make_conversation(desk.shop, "Rosa <b>Diaz</b>", unread_count=1)
    world.say(conversation, "Hello <script>x</script>")
    return conversation


def test_the_first_event_has_every_item_as_the_view_shows_it(
    desk: world.Desk, conversation: Conversation, as_user: Callable[[User], Client]
) -> None:
    world.say(conversation, "Our answer", direction=Message.Direction.OUT, author=desk.alice, client_key="k" * 24)
    look(desk.alice, conversation)
    event = present(pushed(ThreadReader(), desk.alice, conversation))
    page = squeezed(in_view(as_user(desk.alice), conversation))
    items = html_of(event)
    assert len(items) >= 3
    assert [key for key, _html in event["items"]] == [
        key for key in re.findall(r'data-key="((?:day|ticket|message)-[^"]+)"', page) if key in items
    ]
    for html in items.values():
        assert squeezed(html) in page
    assert event["base"] == 0
    assert event["unread"] == 1
    assert "<script>" not in "".join(items.values())
    assert "data-sent-as" in "".join(items.values())


def test_later_events_have_what_changed_and_say_since_when(desk: world.Desk, conversation: Conversation) -> None:
    look(desk.alice, conversation)
    thread = ThreadReader()
    first = present(pushed(thread, desk.alice, conversation))
    new = world.say(conversation, "Second", at=LATER)
    second = present(pushed(thread, desk.alice, conversation))
    assert second["base"] == first["version"] < second["version"]
    assert f"message-{new.pk}" in html_of(second)
    assert "Second" in html_of(second)[f"message-{new.pk}"]
    nothing = present(pushed(thread, desk.alice, conversation))
    assert html_of(nothing) == {}
    assert [key for key, _ in nothing["items"]] == [key for key, _ in second["items"]]


def test_a_receipt_and_a_reaction_bring_their_message_again(desk: world.Desk, conversation: Conversation) -> None:
    look(desk.alice, conversation)
    sent = world.say(conversation, "Ours", direction=Message.Direction.OUT, state="sent", at=LATER)
    thread = ThreadReader()
    pushed(thread, desk.alice, conversation)
    for fields in ({"state": "read"}, {"reactions": [{"by": "customer", "emoji": "👍"}]}, {"text": "Edited"}):
        Message.objects.filter(pk=sent.pk).update(**fields)
        assert set(html_of(pushed(thread, desk.alice, conversation))) == {f"message-{sent.pk}"}


def test_colleagues_see_whose_reply_it_is(desk: world.Desk, conversation: Conversation) -> None:
    out, key = Message.Direction.OUT, "k" * 24
    sent = world.say(conversation, "Ours", direction=out, source="agent", author=desk.alice, client_key=key)
    readers = {reader(desk.alice), reader(desk.root)}
    for user in (desk.alice, desk.root):
        look(user, conversation)
    events = ThreadReader().read([change(conversation)], readers)
    shown = {one.user_id: html_of(rows[0])[f"message-{sent.pk}"] for one, rows in events.items()}
    assert "data-sent-as" in shown[desk.alice.pk]
    assert "data-by" not in shown[desk.alice.pk]
    assert "data-sent-as" not in shown[desk.root.pk]
    assert 'data-by="' in shown[desk.root.pk]


def test_only_readers_who_have_it_open_and_may_see_it_get_it(desk: world.Desk, conversation: Conversation) -> None:
    thread = ThreadReader()
    assert pushed(thread, desk.alice, conversation) is None
    look(desk.alice, conversation)
    look(desk.bob, conversation)  # his page was opened when he still could
    assert pushed(thread, desk.alice, conversation)
    assert pushed(thread, desk.bob, conversation) is None
    viewers.close_page(desk.alice, conversation, KEY)
    assert pushed(thread, desk.alice, conversation) is None


def test_a_reader_whose_rights_changed_gets_nothing(desk: world.Desk, conversation: Conversation) -> None:
    look(desk.alice, conversation)
    before = reader(desk.alice)
    desk.shop.associations.all().delete()
    assert ThreadReader().read([change(conversation)], {before}) == {}
    assert not [event for event in live_state.read([change(conversation)], {before}).get(before, ()) if "html" in event]


def test_the_header_and_the_details_are_those_of_the_view(
    desk: world.Desk, conversation: Conversation, as_user: Callable[[User], Client]
) -> None:
    look(desk.alice, conversation)
    one = reader(desk.alice)
    events = live_state.read([change(conversation)], {one})[one]
    (state,) = [event for event in events if event["kind"] == "state"]
    assert {event["kind"] for event in events} == {"state", "row", "counts"}
    assert squeezed(state["html"]).strip() in squeezed(in_view(as_user(desk.alice), conversation))


def test_a_reading_makes_as_many_queries_for_many_readers_as_for_one(
    desk: world.Desk, conversation: Conversation
) -> None:
    def queries(users: list[User]) -> int:
        for user in users:
            look(user, conversation)
        readers = {reader(user) for user in users}
        with CaptureQueriesContext(connection) as made:
            assert len(ThreadReader().read([change(conversation)], readers)) == len(users)
        return len(made)

    twins = [world.make_agent(name, desk.sales) for name in ("anna", "ann")]
    for user in twins:
        desk.shop.associations.create(agent=user.agent)
    assert queries([desk.alice]) == queries([desk.alice, desk.root, *twins])
