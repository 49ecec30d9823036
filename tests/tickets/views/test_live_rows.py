"""Rows pushed to open pages are the same as the list would show to each reader."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.models import User
from tests.matching import present
from tickets.models import AccessGrant, Conversation, Draft, Mention, Ticket
from tickets.services.conversation import access
from tickets.services.inbox import counts as inbox_counts
from tickets.services.inbox import listing
from tickets.services.inbox.listing import ORDERS, VIEWS, ListQuery
from tickets.views import live_rows

from . import world

UTC = ZoneInfo("UTC")


@pytest.fixture(autouse=True)
def twins(desk: world.Desk) -> None:
    """Two who see what alice sees: what is counted for them together must be right for each."""
    desk.twins = [world.make_agent(name, desk.sales) for name in ("anna", "ann")]
    for user in desk.twins:
        desk.shop.associations.create(agent=user.agent)


def reader(user: User, zone: str = "UTC") -> live_rows.Reader:
    return live_rows.reader_of(live_rows.facts_of(User.objects.get(pk=user.pk)), {"desk_zone": zone})


def event(conversation: Conversation, **fields: Any) -> dict[str, Any]:
    return {"kind": "conversation", **access.ids_of(conversation), **fields}


def handed(user: User, *rows: Conversation, **fields: Any) -> list[dict[str, Any]]:
    one = reader(user)
    return live_rows.read([event(row, **fields) for row in rows], {one}).get(one, [])


def row_of(payloads: list[dict[str, Any]], conversation: Conversation) -> dict[str, Any] | None:
    return next((each for each in payloads if each.get("conversation") == conversation.pk), None)


def users(desk: world.Desk) -> list[User]:
    return [desk.alice, desk.bob, desk.charlie, desk.root]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_rows_stand_in_the_views_of_the_list_and_badges_count_as_it_does(desk: world.Desk, data: st.DataObject) -> None:
    """Whatever state a conversation is in, and whoever reads: pushed or asked for, the answer is the same."""
    now = timezone.now()
    pick = lambda *values: data.draw(st.sampled_from(values))  # noqa: E731
    conversation = world.make_conversation(
        pick(desk.shop, desk.service),
        at=now - pick(timedelta(minutes=5), timedelta(days=6, hours=23), timedelta(days=9)),
        assignee=pick(None, desk.alice, desk.bob, desk.charlie),
        department=pick(desk.sales, desk.support),
        transferred_at=pick(None, now),
        waiting_since=pick(None, now),
        unread_count=pick(0, 3),
    )
    if pick(True, False):
        world.close(conversation, now)
    if pick(True, False):
        conversation.contact.blocked_at = now
        conversation.contact.save()
    if pick(True, False):
        note = world.say(conversation, "A note", author=desk.alice, kind="note")
        for user in (desk.bob, desk.charlie):
            Mention.objects.create(message=note, conversation=conversation, reader=user)
        if pick(True, False):
            ticket = present(conversation.current_ticket)
            AccessGrant.objects.create(message=note, conversation=conversation, ticket=ticket, user=desk.charlie)
    if pick(True, False, False):
        Conversation.objects.filter(pk=conversation.pk).update(last_message_at=None)
    for user in users(desk):
        facts = access.facts_for(User.objects.get(pk=user.pk))
        listed = {
            name
            for name, view in VIEWS.items()
            if listing.in_list(facts, user, ListQuery(view=view)).filter(pk=conversation.pk).exists()
        }
        payloads = handed(user, conversation)
        row = row_of(payloads, conversation)
        assert set(row["views"] if row else ()) == listed
        if row:
            counts = next(each for each in payloads if each["kind"] == "counts")
            exact = {
                name: min(100, listing.in_list(facts, user, ListQuery(view=view)).count())
                for name, view in VIEWS.items()
            }
            assert counts["views"] == {name: str(number) if number else "" for name, number in exact.items()}


def test_who_may_see_what_is_read_for_many_at_once(desk: world.Desk) -> None:
    desk.charlie.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    User.objects.filter(pk=desk.bob.pk).update(is_active=False)
    everyone = [User.objects.get(pk=user.pk) for user in (*users(desk), *desk.twins)]
    found = access.facts_for_users(user.pk for user in everyone)
    shop, sales = frozenset({desk.shop.pk}), frozenset({desk.sales.pk})
    assert found == {
        **{user.pk: access.UserFacts(user.pk, False, shop, sales) for user in (desk.alice, *desk.twins)},
        desk.charlie.pk: access.UserFacts(desk.charlie.pk, sees_all=True),
        desk.root.pk: access.UserFacts(desk.root.pk, sees_all=True),
    }
    assert {pk for pk, facts in found.items() if facts.sees_all} == {
        user.pk for user in everyone if user.has_perm(access.SEES_ALL)
    }
    assert [access.facts_for(user) for user in everyone] == [found.get(user.pk, access.NOBODY) for user in everyone]


def test_a_row_is_handed_to_those_who_may_see_it_and_taken_from_those_who_no_longer_may(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop, assignee=desk.alice)
    assert present(row_of(handed(desk.alice, conversation), conversation))["html"]
    assert not handed(desk.charlie, conversation)
    gone = row_of(handed(desk.bob, conversation, assignee=desk.bob.pk), conversation)  # as it was before
    assert gone == {"kind": "row", "conversation": conversation.pk, "views": []}


def test_what_an_event_says_of_the_assignee_is_not_believed_when_the_row_says_otherwise(desk: world.Desk) -> None:
    """An event is as old as its hearing: the content is decided by what the database says now."""
    conversation = world.make_conversation(desk.shop)
    stale = {**event(conversation), "assignee": desk.charlie.pk}
    one = reader(desk.charlie)
    assert live_rows.read([stale], {one})[one][0] == {"kind": "row", "conversation": conversation.pk, "views": []}


@pytest.mark.parametrize("change", ["deactivated", "association", "permission"])
def test_a_reader_who_may_see_something_else_than_a_moment_ago_is_handed_nothing(desk: world.Desk, change: str) -> None:
    conversation = world.make_conversation(desk.shop)
    desk.charlie.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    before = {reader(desk.alice), reader(desk.charlie)}
    assert len(live_rows.read([event(conversation)], before)) == 2
    if change == "deactivated":
        User.objects.filter(pk=desk.alice.pk).update(is_active=False)
    elif change == "association":
        desk.shop.associations.all().delete()
    else:
        desk.charlie.user_permissions.clear()
    left = {one.user_id for one in live_rows.read([event(conversation)], before)}
    assert left == {desk.alice.pk if change == "permission" else desk.charlie.pk}


def test_drafts_and_yours_are_each_readers_own(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop, assignee=desk.alice)
    Draft.objects.create(conversation=conversation, user=desk.alice, text="half a sentence")
    mine = present(row_of(handed(desk.alice, conversation), conversation))["html"]
    others = present(row_of(handed(desk.root, conversation), conversation))["html"]
    assert "half a sentence" in mine
    assert 'title="Yours"' in mine
    assert "half a sentence" not in others
    assert 'title="Alice"' in others


def test_a_handed_row_is_the_row_of_the_list(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    """The same template: a row may be replaced by a handed one, and back, without a difference."""
    conversation = world.make_conversation(desk.shop, "Rosa <b>Diaz</b>", unread_count=2, preview="<script>x</script>")
    client = as_user(desk.alice)
    client.cookies["desk_zone"] = "UTC"
    page = client.get("/inbox/").content.decode()
    row = present(row_of(handed(desk.alice, conversation), conversation))
    assert f'data-sort="{row["sort"]["newest"]}"' in page
    assert row["html"].replace('data-sort="0"', f'data-sort="{row["sort"]["newest"]}"').strip() in page
    assert set(row["sort"]) == set(ORDERS)
    assert "<script>" not in row["html"]


def test_times_are_in_the_zone_of_each_page(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    pages = {reader(desk.alice), reader(desk.alice, "Asia/Tokyo")}
    found = live_rows.read([event(conversation)], pages)
    shown = {one.zone.key: rows[0]["html"] for one, rows in found.items()}
    assert ", 12:00" in shown["UTC"]
    assert ", 21:00" in shown["Asia/Tokyo"]


@pytest.mark.parametrize(
    ("fields", "is_news"),
    [
        ({"unread_count": 1}, True),
        ({"unread_count": 1, "assignee": "alice"}, True),
        ({"unread_count": 1, "assignee": "bob"}, False),
        ({"unread_count": 0}, False),
    ],
)
def test_notifications_are_of_what_waits_for_the_reader_or_for_nobody(
    desk: world.Desk, fields: dict[str, Any], is_news: bool
) -> None:
    fields = {name: getattr(desk, value) if name == "assignee" else value for name, value in fields.items()}
    conversation = world.make_conversation(desk.shop, **fields)
    world.say(conversation, "First")
    newest = world.say(conversation, "Second", at=world.NOON + timedelta(minutes=1))
    told = present(row_of(handed(desk.alice, conversation), conversation))["news"]
    assert (told and told["text"]) == ("Second" if is_news else None)
    if told:
        assert told["id"] == newest.pk
        assert told["is_mine"] == ("assignee" in fields)


def test_a_blocked_contact_causes_no_notification(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop, unread_count=1)
    world.say(conversation)
    conversation.contact.blocked_at = world.NOON
    conversation.contact.save()
    assert present(row_of(handed(desk.alice, conversation), conversation))["news"] is None


def test_an_erased_conversation_leaves_the_lists(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    said = event(conversation)
    Conversation.objects.filter(pk=conversation.pk).update(current_ticket=None)
    Ticket.objects.filter(conversation=conversation).delete()
    conversation.delete()
    one = reader(desk.alice)
    assert live_rows.read([said], {one})[one][0]["views"] == []


def test_many_pages_and_rows_need_as_many_queries_as_few(desk: world.Desk) -> None:
    def count(rows: int, agents: int) -> int:
        made = [world.make_conversation(desk.shop, unread_count=1) for _ in range(rows)]
        for row in made:
            world.say(row)
        team = [world.make_agent(f"agent-{rows}-{n}", desk.sales) for n in range(agents)]
        for user in team:
            desk.shop.associations.create(agent=user.agent)
        readers = {reader(user) for user in team}
        with CaptureQueriesContext(connection) as captured:
            found = live_rows.read([event(row) for row in made], readers)
        assert len(found) == agents
        return len(captured)

    few = count(rows=1, agents=2)
    assert count(rows=20, agents=15) == few
    assert few <= 14


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_counts_of_many_are_those_of_each(desk: world.Desk, data: st.DataObject) -> None:
    """What users see alike is counted once, what is their own for each: the sum is what each would count."""
    pick = lambda *values: data.draw(st.sampled_from(values))  # noqa: E731
    for _ in range(data.draw(st.integers(0, 4))):
        row = world.make_conversation(
            pick(desk.shop, desk.service),
            at=timezone.now() - pick(timedelta(minutes=5), timedelta(days=6, hours=23), timedelta(days=9)),
            assignee=pick(None, *users(desk), *desk.twins),
            department=pick(desk.sales, desk.support),
            transferred_at=pick(None, world.NOON),
            waiting_since=pick(None, world.NOON),
            unread_count=pick(0, 1),
        )
        if pick(True, False):
            world.close(row)
    now = timezone.now()
    found = []
    for very_few in (0, access.VERY_FEW):
        with mock.patch.object(access, "VERY_FEW", very_few):
            everyone = [access.facts_for(User.objects.get(pk=user.pk)) for user in (*users(desk), *desk.twins)]
            together = inbox_counts.counts_for_users(everyone, now)
            assert together == {facts.user_id: inbox_counts.counts(facts, now) for facts in everyone}
            found.append(together)
    assert found[0] == found[1], "what users see few of is counted in another way"


def test_counts_of_a_group_stop_at_the_limit_too(desk: world.Desk) -> None:
    for n in range(60):
        world.make_conversation(desk.shop, f"P{n}", unread_count=1)
        world.make_conversation(desk.shop, f"Q{n}", assignee=desk.alice, unread_count=1)
    facts = [access.facts_for(User.objects.get(pk=user.pk)) for user in (desk.alice, desk.twins[0])]
    counted = inbox_counts.counts_for_users(facts)
    assert (counted[desk.alice.pk]["unread"], counted[desk.alice.pk]["all"]) == (100, 100)
    assert (counted[desk.twins[0].pk]["unread"], counted[desk.twins[0].pk]["mine"]) == (60, 0)
