"""The rows that a filter finds in the database are those that its words describe."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from desk.models import User
from tests import factories as make
from tests.matching import present
from tickets.models import Conversation, Label, Ticket
from tickets.rules.filters import Filter, parse
from tickets.rules.window import window
from tickets.services.conversation import access
from tickets.services.inbox import filtering, list_pages, listing
from tickets.services.inbox.listing import ORDERS, VIEWS, ListQuery

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
AMOUNT = 6
ago = st.sampled_from([timedelta(hours=hours) for hours in (0, 1, 5, 23, 24, 25, 166, 168, 169, 400)])
AGES = {"30m": timedelta(minutes=30), "1h": timedelta(hours=1), "5h": timedelta(hours=5), "7d": timedelta(days=7)}


@dataclass
class Shop:
    me: User
    users: list[User]
    rows: list[Conversation]
    departments: list[int]
    channels: list[int]
    labels: list[Label]


@pytest.fixture
def shop(db: None) -> Shop:
    channels = [make.make_channel(), make.make_channel()]
    users = [make.make_agent(channels=tuple(channels)) for _ in range(3)]
    rows = [make.make_conversation(channels[number % 2]) for number in range(AMOUNT)]
    for row in rows:
        ticket = Ticket.objects.create(
            conversation=row, department_id=row.department_id, opened_at=NOW, last_message_at=NOW
        )
        Conversation.objects.filter(pk=row.pk).update(current_ticket=ticket)
    labels = [Label.objects.create(name=name, key=name) for name in "abc"]
    departments = [channel.department_id for channel in channels]
    return Shop(users[0], users, rows, departments, [channel.pk for channel in channels], labels)


def pick(data: st.DataObject, *values: Any) -> Any:
    return data.draw(st.sampled_from(values))


def scatter(shop: Shop, data: st.DataObject) -> None:
    """Give each conversation some state."""
    for row in shop.rows:
        when = lambda: data.draw(st.none() | ago.map(lambda length: NOW - length))  # noqa: E731
        is_open, ticket_id = pick(data, True, False), present(Conversation.objects.get(pk=row.pk)).current_ticket_id
        Conversation.objects.filter(pk=row.pk).update(
            assignee=pick(data, None, *shop.users),
            department=pick(data, *shop.departments),
            is_open=is_open,
            is_snoozed=is_open and pick(data, True, False),
            unread_count=pick(data, 0, 1, 3),
            waiting_since=when(),
            last_message_at=NOW - data.draw(ago),
            last_customer_message_at=when(),
            opened_by_ad_at=when(),
        )
        ticket = Ticket.objects.get(pk=present(ticket_id))
        ticket.priority, ticket.opened_at = pick(data, *Ticket.Priority.values), NOW - data.draw(ago)
        ticket.save()
        ticket.labels.set(data.draw(st.lists(st.sampled_from(shop.labels), unique=True, max_size=2)))


def drawn(shop: Shop, data: st.DataObject) -> Filter:
    ids = lambda values: st.lists(st.sampled_from([str(value) for value in values]), unique=True)  # noqa: E731
    one = lambda *values: st.sampled_from([[], *([value] for value in values)])  # noqa: E731
    times = one(*AGES, "2026-11-13", "2026-11-20", "2026-11-19T13:00:00Z")
    fields: dict[str, st.SearchStrategy[list[str]]] = {
        "assignee": ids(["me", "nobody", *(user.pk for user in shop.users), 10**9]),
        "department": ids(shop.departments),
        "channel": ids([*shop.channels, 10**9]),
        "status": one("open", "closed"),
        "label": ids([*(label.pk for label in shop.labels), 10**9]),
        "priority": ids(Ticket.Priority.values),
        "unread": one("yes", "no"),
        "waiting": one("yes", "no", "1h", "5h"),
        "window": one("open", "soon", "closed"),
        "snoozed": one("yes", "no"),
        **dict.fromkeys(("since", "until", "opened_since", "opened_until"), times),
    }
    names = data.draw(st.lists(st.sampled_from(list(fields)), unique=True, max_size=3))
    return parse({name: data.draw(fields[name]) for name in names})


def belongs(row: Conversation, name: str, values: tuple[str, ...], shop: Shop, is_human_agent: bool) -> bool:
    """The field in words of this test."""
    ticket = present(row.current_ticket)
    if name == "assignee":
        own = {"nobody"} if row.assignee_id is None else {str(row.assignee_id)}
        return bool((own | ({"me"} if row.assignee_id == shop.me.pk else set())) & set(values))
    if name in ("department", "channel"):
        return str(getattr(row, f"{name}_id")) in values
    if name == "label":
        return bool({str(label.pk) for label in ticket.labels.all()} & set(values))
    if name == "priority":
        return ticket.priority in values
    value = values[0]
    if name == "waiting":
        if value == "no" or row.waiting_since is None:
            return value == "no" and row.waiting_since is None
        return value == "yes" or row.waiting_since <= NOW - AGES[value]
    if name == "window":
        found = window(row.last_customer_message_at, NOW, is_human_agent, row.opened_by_ad_at)
        if value == "soon":
            return found.is_open and present(found.closes_at) <= NOW + timedelta(hours=2)
        return found.is_open == (value == "open")
    if name in ("since", "until", "opened_since", "opened_until"):
        moment = ticket.opened_at if name.startswith("opened") else present(row.last_message_at)
        is_end = name.endswith("until")
        if value in AGES:
            limit = NOW - AGES[value]
        elif "T" in value:
            limit = datetime.fromisoformat(value)
        else:
            limit = datetime.fromisoformat(value).replace(tzinfo=ZONE) + timedelta(days=int(is_end))
        return moment < limit if is_end else moment >= limit
    facts = {
        "status": "open" if row.is_open else "closed",
        "unread": "yes" if row.unread_count else "no",
        "snoozed": "yes" if row.is_snoozed else "no",
    }
    return facts[name] == value


@pytest.mark.parametrize("is_human_agent", [True, False])
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_database_finds_what_the_words_say(
    shop: Shop, settings: Settings, is_human_agent: bool, data: st.DataObject
) -> None:
    settings.META_HUMAN_AGENT, settings.META_AD_WINDOW = is_human_agent, True
    with time_machine.travel(NOW, tick=False):
        scatter(shop, data)
        wanted = drawn(shop, data)
        reader = filtering.Reader(shop.me.pk, timezone.now(), ZONE)
        found = set(filtering.matching(Conversation.objects.all(), wanted, reader).values_list("pk", flat=True))
        everything = Conversation.objects.select_related("current_ticket")
        assert found == {
            row.pk
            for row in everything
            if all(belongs(row, name, values, shop, is_human_agent) for name, values in wanted.values)
        }, wanted


@pytest.mark.parametrize("few", [0, filtering.RARE])
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    own=st.sampled_from([(0, 0), (access.FEW, 0), (access.FEW, access.VERY_FEW)]),
    most=st.sampled_from([1, 3, list_pages.MOST_READ]),
)
def test_the_pages_of_a_list_show_what_the_filter_finds(
    shop: Shop, few: int, data: st.DataObject, own: tuple[int, int], most: int
) -> None:
    with (
        time_machine.travel(NOW, tick=False),
        mock.patch.object(filtering, "RARE", few),
        mock.patch.object(access, "FEW", own[0]),
        mock.patch.object(access, "VERY_FEW", own[1]),
        mock.patch.object(list_pages, "MOST_READ", most),
    ):
        scatter(shop, data)
        query = ListQuery(VIEWS["all"], pick(data, *ORDERS), filter=drawn(shop, data))
        facts = access.facts_for(shop.me)
        found, _hits = list_pages.candidates(facts, shop.me, query)
        seen: list[int] = []
        cursor = ""
        for _page in range(3 * AMOUNT):
            page, cursor = list_pages.page_of(found, query.order, cursor, 2)
            seen += [row.pk for row in page]
            if not cursor:
                break
        whole, after = list_pages.page_of(listing.in_list(facts, shop.me, query), query.order)
        assert (seen, cursor, after) == ([row.pk for row in whole], "", ""), query
