"""The orders of the list: the pages show each conversation exactly once, in the right order."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from desk.models import User
from tests.matching import present
from tests.tickets.views import world
from tickets.models import Conversation, Ticket
from tickets.services.conversation import access
from tickets.services.inbox import list_pages
from tickets.services.inbox.cursors import read_cursor
from tickets.services.inbox.listing import ORDERS

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)
AMOUNT = 12
# few different times, so that many are equal; around the end of the window (7 days) and on it
times = st.sampled_from([timedelta(hours=hours) for hours in (0, 1, 30, 167, 168, 169, 400)]).map(lambda ago: NOW - ago)
rows = st.lists(st.tuples(times, st.none() | times, st.none() | times), min_size=AMOUNT, max_size=AMOUNT)


def promised(made: list[Conversation], order: str) -> list[int]:
    """The order in words of this test."""

    def newest(row: Conversation) -> tuple[datetime, int]:
        return (present(row.last_message_at), row.pk)

    if order == "newest":
        return [row.pk for row in sorted(made, key=newest, reverse=True)]
    if order == "oldest":
        return [row.pk for row in sorted(made, key=newest)]
    if order == "waiting":
        field = "waiting_since"
        about = [row for row in made if row.waiting_since]
    else:
        field = "last_customer_message_at"
        about = [row for row in made if (row.last_customer_message_at or EARLIEST) > NOW - timedelta(days=7)]
    others = sorted((row for row in made if row not in about), key=newest, reverse=True)
    return [row.pk for row in [*sorted(about, key=lambda row: (getattr(row, field), row.pk)), *others]]


@pytest.fixture
def made(desk: world.Desk) -> list[Conversation]:
    return [world.make_conversation(desk.shop, f"Person {number}") for number in range(AMOUNT)]


@pytest.mark.slow
@pytest.mark.parametrize("order", list(ORDERS))
@given(rows, st.integers(1, AMOUNT + 1))
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_paging_gives_each_conversation_once_in_its_order(
    made: list[Conversation], order: str, values: list[Any], size: int
) -> None:
    for row, (last, customer, waiting) in zip(made, values, strict=True):
        row.last_message_at, row.last_customer_message_at, row.waiting_since = last, customer, waiting
    Conversation.objects.bulk_update(made, ["last_message_at", "last_customer_message_at", "waiting_since"])
    with time_machine.travel(NOW, tick=False):
        seen: list[int] = []
        keys: list[int] = []
        cursor = ""
        while True:
            page, cursor = list_pages.page_of(Conversation.objects.all(), order, cursor, size)
            assert len(page) <= size
            seen += [row.pk for row in page]
            keys += [list_pages.sort_key(row, order, NOW) for row in page]
            assert len(seen) <= AMOUNT
            if not cursor:
                break
    assert seen == promised(made, order)
    assert keys == sorted(keys, reverse=ORDERS[order].descending), "an open page would put rows elsewhere"


@pytest.mark.slow
@pytest.mark.parametrize("order", list(ORDERS))
@given(rows, st.integers(1, AMOUNT + 1), st.sets(st.integers(0, AMOUNT - 1)))
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_of_which_few_rows_belong_to_the_list_go_on_until_all_are_found(
    made: list[Conversation], order: str, values: list[Any], size: int, belonging: set[int]
) -> None:
    for row, (last, customer, waiting) in zip(made, values, strict=True):
        row.last_message_at, row.last_customer_message_at, row.waiting_since = last, customer, waiting
    Conversation.objects.bulk_update(made, ["last_message_at", "last_customer_message_at", "waiting_since"])
    wanted = {made[number].pk for number in belonging}
    found = list_pages.Candidates(Conversation.objects.all(), lambda rows: rows.filter(pk__in=wanted))
    in_order = promised(made, order)
    with time_machine.travel(NOW, tick=False), mock.patch.object(list_pages, "MOST_READ", 3):
        seen: list[int] = []
        cursor, read = "", 0
        for _page in range(2 * AMOUNT):
            place = list_pages.sort_key_of(cursor)
            page, cursor = list_pages.page_of(found, order, cursor, size)
            seen += [row.pk for row in page]
            keys = [key for row in page if (key := list_pages.sort_key(row, order, NOW))]
            ends = [key for key in (place, *keys, list_pages.sort_key_of(cursor)) if key is not None]
            assert ends == sorted(ends, reverse=ORDERS[order].descending), "an open page would put a new row elsewhere"
            if not cursor:
                break
            before, read = read, in_order.index(present(read_cursor(cursor.removeprefix("~")))[1]) + 1
            assert before < read <= before + 2 * 3, "of the rows that the order sorts, and of those after them"
    assert not cursor
    assert seen == [pk for pk in in_order if pk in wanted]


@pytest.mark.parametrize("cursor", ["~", "x", "~x_1", "2026-11-20T12:00:00+00:00_x", "~2026-11-20_1", "~~"])
@pytest.mark.parametrize("order", list(ORDERS))
def test_a_cursor_that_is_none_gives_the_first_page(made: list[Conversation], order: str, cursor: str) -> None:
    expected = list_pages.page_of(Conversation.objects.all(), order, "", 3)
    assert list_pages.page_of(Conversation.objects.all(), order, cursor, 3) == expected


@pytest.mark.parametrize("order", list(ORDERS))
def test_every_order_shows_all_that_the_view_counts(
    desk: world.Desk, as_user: Callable[[User], Client], order: str
) -> None:
    world.make_conversation(desk.shop, waiting_since=world.NOON)
    silent = world.make_conversation(desk.shop)
    Conversation.objects.filter(pk=silent.pk).update(last_customer_message_at=None)
    world.make_conversation(desk.shop, at=datetime.now(UTC))
    response = as_user(desk.alice).get("/inbox/", {"sort": order})
    assert response.content.decode().count('class="row-item"') == 3


def test_a_page_without_rows_that_goes_on_does_not_say_that_there_are_none(
    made: list[Conversation], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    oldest = min(made, key=lambda row: (row.last_message_at or EARLIEST, row.pk))
    Ticket.objects.filter(conversation=oldest).update(priority="urgent")
    alice = as_user(desk.alice)
    found: list[str] = []
    address = "/inbox/list/?view=all&priority=urgent"
    with (
        mock.patch.object(list_pages, "MOST_READ", 2),
        mock.patch.object(access, "FEW", 0),
        mock.patch.object(access, "VERY_FEW", 0),
    ):
        for _page in range(AMOUNT):
            html = alice.get(address).content.decode()
            found += re.findall(r'id="row-(\d+)"', html)
            more = re.search(r'hx-get="(/inbox/rows/[^"]+)"', html)
            if "/list/" in address:
                assert re.search(r'id="rows-empty"\s+hidden', html)
                assert "Looking through more conversations" in html
            if not more:
                break
            address = unescape(more[1])
    assert found == [str(oldest.pk)]


def test_a_list_without_rows_says_so(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    html = as_user(desk.alice).get("/inbox/list/?view=all&priority=urgent").content.decode()
    assert re.search(r'id="rows-empty"\s*>', html)
    assert 'class="pager"' not in html
