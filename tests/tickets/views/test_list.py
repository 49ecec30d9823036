"""The list of conversations: views, counts, paging, search, rows for an open page."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from channels_im.models import Channel
from desk.models import User
from tests.http import Response
from tests.matching import search
from tests.pages import html_of
from tickets import tasks
from tickets.models import Conversation, Draft
from tickets.services.inbox import listing

from . import world

HX = {"HX-Request": "true"}


def ids(response: Response) -> list[int]:
    assert response.status_code == 200
    return [int(pk) for pk in re.findall(r'id="row-(\d+)"', html_of(response))]


def count_of(response: Response, view: str) -> str:
    badge = rf'data-view="{view}"[^>]*>[^<]*<span class="view__count" data-count="{view}">([^<]*)<'
    return search(badge, html_of(response))[1] or "0"


@pytest.fixture
def kinds(desk: world.Desk) -> dict[str, Conversation]:
    """One conversation for each view."""
    shop = desk.shop
    ended = world.make_conversation(shop, "Ended")
    world.close(ended)
    blocked = world.make_conversation(shop, "Blocked", assignee=desk.bob)
    blocked.contact.blocked_at = world.NOON
    blocked.contact.save()
    waiting = world.make_conversation(shop, "Waiting", assignee=desk.bob, waiting_since=world.NOON)
    closing_at = timezone.now() - timedelta(days=6, hours=23)
    return {
        "mine": world.make_conversation(shop, "Mine", assignee=desk.alice),
        "unassigned": world.make_conversation(shop, "Unassigned"),
        "waiting": waiting,
        "closing": world.make_conversation(shop, "Closing", at=closing_at, assignee=desk.bob),
        "blocked": blocked,
        "ended": ended,
    }


@pytest.mark.parametrize("view", ["mine", "unassigned", "waiting", "closing", "blocked", "ended"])
def test_each_view_holds_what_its_name_says_and_counts_it(
    alice: Client, kinds: dict[str, Conversation], view: str
) -> None:
    response = alice.get("/inbox/", {"view": view})
    assert ids(response) == [kinds[view].pk]
    assert count_of(response, view) == "1"


def test_all_holds_everything_newest_first(alice: Client, desk: world.Desk) -> None:
    older = world.make_conversation(desk.shop, at=world.NOON)
    newer = world.make_conversation(desk.shop, at=world.NOON + timedelta(minutes=1))
    assert ids(alice.get("/inbox/?view=all")) == [newer.pk, older.pk]


@pytest.mark.parametrize("view", ["", "nonsense", "<script>"])
def test_an_unknown_view_is_that_of_the_open_ones(alice: Client, kinds: dict[str, Conversation], view: str) -> None:
    assert set(ids(alice.get("/inbox/", {"view": view}))) == {row.pk for row in kinds.values()} - {kinds["ended"].pk}


def test_the_list_comes_page_by_page_without_a_gap_or_a_double(alice: Client, desk: world.Desk) -> None:
    made = [world.make_conversation(desk.shop, at=world.NOON + timedelta(minutes=n // 7)).pk for n in range(65)]
    response = alice.get("/inbox/")
    found = ids(response)
    while more := re.search(r'hx-get="(/inbox/rows/\?[^"]*before=[^"]+)"', html_of(response)):
        response = alice.get(more.group(1).replace("&amp;", "&"), headers=HX)
        found += ids(response)
    assert found == made[::-1]


@pytest.mark.parametrize(
    ("sort", "expected"), [("newest", "cba"), ("oldest", "abc"), ("waiting", "bac"), ("closing", "acb")]
)
def test_the_list_can_be_ordered(alice: Client, desk: world.Desk, sort: str, expected: str) -> None:
    now = timezone.now()
    hours = timedelta(hours=1)
    rows = {
        "a": world.make_conversation(desk.shop, at=now - 9 * hours, waiting_since=now - hours),
        "b": world.make_conversation(desk.shop, at=now - 8 * hours, waiting_since=now - 2 * hours),
        "c": world.make_conversation(desk.shop, at=now - 7 * hours),
    }
    Conversation.objects.filter(pk=rows["b"].pk).update(last_customer_message_at=now - timedelta(days=9))
    names = {row.pk: name for name, row in rows.items()}
    assert "".join(names[pk] for pk in ids(alice.get("/inbox/", {"sort": sort}))) == expected


@pytest.mark.slow
def test_search_finds_people_tickets_and_words(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop, "Rosa Diaz")
    world.make_conversation(desk.shop, "Tom Becker")
    world.say(wanted, "Where is my parcel?")
    for words in ("rosa", "DIAZ", f"#{wanted.current_ticket_id}", str(wanted.current_ticket_id), "parcel"):
        assert wanted.pk in ids(alice.get("/inbox/", {"q": words})), words
    assert ids(alice.get("/inbox/", {"q": "rosa"})) == [wanted.pk]
    assert ids(alice.get("/inbox/", {"q": "nobody says this"})) == []


def test_search_finds_nothing_of_a_colleagues_channel(alice: Client, desk: world.Desk) -> None:
    secret = world.make_conversation(desk.service, "Secret Person")
    world.say(secret, "hidden words")
    for words in ("secret", "hidden words", f"#{secret.current_ticket_id}"):
        assert ids(alice.get("/inbox/", {"q": words})) == []


@pytest.mark.parametrize("words", ["%", "_", "'", '"', "\\", "\0", "x" * 5000, "#", "#99999999999999999999999", "²"])
def test_odd_search_words_break_nothing(alice: Client, desk: world.Desk, words: str) -> None:
    world.make_conversation(desk.shop, "Rosa Diaz")
    assert alice.get("/inbox/", {"q": words}).status_code == 200


@pytest.mark.parametrize("number", ["x", "-1", "99999999999999999999999", "²", ""])
def test_odd_filters_break_nothing(alice: Client, desk: world.Desk, number: str) -> None:
    assert alice.get("/inbox/", {"channel": number, "department": number, "sort": number}).status_code == 200


def test_the_list_can_be_filtered_by_channel(alice: Client, desk: world.Desk) -> None:
    world.make_conversation(desk.shop)
    second = world.make_channel(desk.sales, "Second", desk.alice)
    wanted = world.make_conversation(second)
    assert ids(alice.get("/inbox/", {"channel": second.pk})) == [wanted.pk]


def test_the_list_can_be_filtered_by_department(alice: Client, desk: world.Desk) -> None:
    world.make_conversation(desk.shop)
    wanted = world.make_conversation(desk.shop, department=desk.support)
    html = html_of(alice.get("/inbox/"))
    assert re.search(rf'<option value="{desk.support.pk}"\s*>Support</option>', html)
    response = alice.get("/inbox/", {"department": desk.support.pk})
    assert ids(response) == [wanted.pk]
    assert f'<option value="{desk.support.pk}" selected>Support</option>' in html_of(response)


def test_the_filter_offers_every_department_also_beside_an_open_conversation(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    html = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    chosen = search(r'<select class="field" id="list-department".*?</select>', html, re.DOTALL)[0]
    assert re.findall(r">(\w+)</option>", chosen) == ["Any", "Sales", "Support"]


def test_an_open_page_gets_only_rows_of_its_list(
    alice: Client, desk: world.Desk, kinds: dict[str, Conversation]
) -> None:
    hidden = world.make_conversation(desk.service)
    asked = [kinds["mine"].pk, kinds["unassigned"].pk, hidden.pk, 10**15]
    asking: dict[str, Any] = {"view": "mine", "id": asked}
    response = alice.get("/inbox/rows/", asking, headers=HX)
    assert ids(response) == [kinds["mine"].pk]
    assert count_of(response, "unassigned") == "1"


def test_a_row_shows_who_wrote_last_what_is_unread_and_the_draft(alice: Client, desk: world.Desk) -> None:
    ours = world.make_conversation(desk.shop, preview="On its way", preview_is_ours=True)
    world.make_conversation(desk.shop, preview="Hello?", unread_count=12)
    Draft.objects.create(conversation=ours, user=desk.bob, text="not yours")
    html = html_of(alice.get("/inbox/"))
    assert "Our reply:</span> <bdi>On its way" in html
    assert "> 9+ <" in html
    assert "not yours" not in html
    Draft.objects.create(conversation=ours, user=desk.alice, text="half a sentence")
    assert "half a sentence" in html_of(alice.get("/inbox/"))


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(days=6, hours=20), "3 h 59 m"),
        (timedelta(days=6, hours=22, minutes=30), "pill--warning"),
        (timedelta(days=6, hours=23, minutes=45), "pill--danger"),
        (timedelta(days=8), "Window closed"),
    ],
)
def test_the_row_says_when_the_window_is_about_to_close(
    alice: Client, desk: world.Desk, age: timedelta, words: str
) -> None:
    world.make_conversation(desk.shop, at=timezone.now() - age)
    assert words in html_of(alice.get("/inbox/"))


def test_the_title_counts_what_is_unread_and_not_a_colleagues(alice: Client, desk: world.Desk) -> None:
    world.make_conversation(desk.shop, unread_count=3)
    world.make_conversation(desk.shop, unread_count=1, assignee=desk.alice)
    world.make_conversation(desk.shop, unread_count=1, assignee=desk.bob)
    assert "<title>(2) Inbox</title>" in html_of(alice.get("/inbox/"))


def test_a_badge_stops_counting_at_99(alice: Client, desk: world.Desk) -> None:
    for n in range(103):
        world.make_conversation(desk.shop, f"Person {n}")
    assert count_of(alice.get("/inbox/"), "all") == "99+"


@pytest.mark.slow
def test_the_list_needs_as_many_queries_with_60_conversations_as_with_2(alice: Client, desk: world.Desk) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            alice.get("/inbox/")
        return len(captured)

    def add(amount: int) -> None:
        for n in range(amount):
            row = world.make_conversation(desk.shop, f"P{n}", assignee=[None, desk.alice, desk.bob][n % 3])
            Draft.objects.create(conversation=row, user=desk.alice, text="draft")

    add(2)
    count()
    few = count()
    add(58)
    assert count() == few
    assert few <= 15


def test_an_agent_without_a_channel_reads_what_to_do(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    assert "You are not associated with a channel yet" in html_of(as_user(desk.charlie).get("/inbox/"))


def test_the_channels_of_others_are_not_named(alice: Client, desk: world.Desk) -> None:
    html = html_of(alice.get("/inbox/"))
    assert Channel.objects.filter(name="Service").exists()
    assert "Service" not in html


def test_the_home_page_leads_agents_to_the_inbox_and_administrators_to_setup(
    desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    assert as_user(desk.alice).get("/")["Location"] == "/inbox/"
    assert as_user(desk.root).get("/")["Location"] == "/admin/"


def test_a_count_stops_at_its_limit(alice: Client, desk: world.Desk) -> None:
    """What each badge costs is bounded by its LIMIT; its order is that of an index (test_plans.py)."""
    world.make_conversation(desk.shop)
    with CaptureQueriesContext(connection) as captured:
        alice.get("/inbox/")
    counting = [each["sql"] for each in captured.captured_queries if "COUNT(" in each["sql"]]
    assert len(counting) == 1
    inner = re.findall(r"COUNT\(\*\) FROM \((.*?)\) AS counted", counting[0], re.DOTALL)
    assert len(inner) == len(listing.VIEWS) + 1
    assert all(re.search(r"LIMIT 100$", each) for each in inner)


def test_statistics_are_kept_of_what_the_lists_read_and_of_nothing_else(desk: world.Desk) -> None:
    world.say(world.make_conversation(desk.shop))
    if connection.vendor != "sqlite":
        assert not tasks.refresh_statistics()
        return
    assert tasks.refresh_statistics()
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tbl FROM sqlite_stat1")
        assert {row[0] for row in cursor.fetchall()} == {"tickets_conversation", "tickets_ticket", "tickets_contact"}


def test_as_many_rows_are_answered_as_were_asked_for(alice: Client, desk: world.Desk) -> None:
    made = [world.make_conversation(desk.shop).pk for _ in range(50)]
    assert sorted(ids(alice.get("/inbox/rows/", {"id": made}, headers=HX))) == made


def test_without_human_agent_the_window_of_an_ad_decides_what_closes_soon(
    alice: Client, desk: world.Desk, settings: Settings
) -> None:
    settings.META_HUMAN_AGENT = False
    now, day, hour = timezone.now(), timedelta(days=1), timedelta(hours=1)
    day_ends = world.make_conversation(desk.shop, at=now - 23 * hour)
    world.make_conversation(desk.shop, at=now - 23 * hour, opened_by_ad_at=now - day)  # the ad's window is longer
    ad_ends = world.make_conversation(desk.shop, at=now - 6 * day, opened_by_ad_at=now - 7 * day + hour)
    world.make_conversation(desk.shop, at=now - hour, opened_by_ad_at=now - 7 * day + hour)  # wrote again
    world.make_conversation(desk.shop, at=now - 6 * day, opened_by_ad_at=now - 8 * day)
    response = alice.get("/inbox/", {"view": "closing"})
    assert set(ids(response)) == {day_ends.pk, ad_ends.pk}
    assert "Opened by an ad" in html_of(response)
