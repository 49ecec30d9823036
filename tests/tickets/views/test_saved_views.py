"""Filters in the address, chips, and views that people save."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels_im.models import Channel
from desk.errors import Refused
from desk.models import AuditEntry, User
from tests.http import Response
from tests.pages import html_of
from tickets.models import Conversation, Label, SavedView
from tickets.rules.filters import parse
from tickets.services.conversation import access
from tickets.services.inbox import counts, labels, listing, saved_views
from tickets.services.inbox.saved_views import Audience

from . import world
from .test_list import HX, ids

LIST, ADD, VIEWS, SIZES = "/inbox/list/", "/inbox/views/add/", "/inbox/views/", "/inbox/views/sizes/"


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    cache.clear()


@pytest.fixture
def lead(desk: world.Desk, as_user: Callable[[User], Client]) -> Client:
    """Bob leads Support."""
    desk.bob.user_permissions.add(Permission.objects.get(codename="see_department_conversations"))
    return as_user(desk.bob)


def save(user: User, name: str = "View", audience: Audience | None = None, **values: Any) -> SavedView:
    values = {"base": "all", "filter": {}, "order": "newest", **values}
    return saved_views.save(User.objects.get(pk=user.pk), None, {"name": name, **values}, audience)


def label(name: str, *rows: Conversation) -> Label:
    made = Label.objects.create(name=name, key=name.casefold())
    for row in rows:
        world.Ticket.objects.get(conversation=row).labels.add(made)
    return made


def chips(response: Response) -> list[str]:
    """The words of the chips of the list."""
    found = re.findall(r'filter-chip__text">(.*?)</span>', html_of(response), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", "", words).split()) for words in found]


# --- Filters in the address -------------------------------------------------------------------------------------------
def test_open_is_the_default_and_old_links_to_all_still_work(alice: Client, desk: world.Desk) -> None:
    shown, closed = world.make_conversation(desk.shop), world.make_conversation(desk.shop)
    world.close(closed)
    snoozed = world.make_conversation(desk.shop, is_snoozed=True)
    assert ids(alice.get("/inbox/")) == [shown.pk]
    assert set(ids(alice.get("/inbox/?view=all"))) == {shown.pk, closed.pk}
    assert set(ids(alice.get(LIST, {"view": "all", "snoozed": "yes"}))) == {snoozed.pk}
    assert ids(alice.get("/inbox/", {"status": "closed"})) == [closed.pk]  # not "open and closed": nothing


def test_what_a_view_says_itself_is_replaced_by_the_filter(alice: Client, desk: world.Desk) -> None:
    mine, theirs = (world.make_conversation(desk.shop, assignee=user) for user in (desk.alice, desk.bob))
    closed = world.make_conversation(desk.shop, assignee=desk.alice)
    world.close(closed)
    assert ids(alice.get(LIST, {"view": "mine", "assignee": str(desk.bob.pk)})) == [theirs.pk]
    assert ids(alice.get(LIST, {"view": "mine", "status": "closed"})) == [closed.pk]
    shown = alice.get(LIST, {"view": "unassigned", "assignee": "me,nobody"})
    assert ids(shown) == [mine.pk]
    assert 'data-view="open" aria-current' in " ".join(html_of(shown).split())


def test_filters_are_in_the_address_and_each_chip_removes_its_value(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop, assignee=desk.alice, waiting_since=timezone.now() - timedelta(hours=9))
    bug = label("Bug", wanted)
    raw: dict[str, Any] = {"assignee": ["me", "nobody"], "label": str(bug.pk), "waiting": "4h", "since": "2026-03-01"}
    shown = alice.get(LIST, raw)
    assert ids(shown) == [wanted.pk]
    assert chips(shown) == [
        "Assigned to: Me",
        "Assigned to: Nobody",
        "Label: Bug",
        "Waiting for reply: Longer than 4 hours",
        "Last message on or after: 1 Mar 2026",
    ]
    html = html_of(shown)
    everything = f"assignee=me%2Cnobody&amp;label={bug.pk}&amp;waiting=4h&amp;since=2026-03-01"
    assert f'data-query="{everything}"' in html
    assert f'href="/inbox/?{everything.replace("me%2Cnobody", "nobody")}"' in html
    assert f'href="/inbox/?{everything.replace(f"&amp;label={bug.pk}", "")}"' in html
    assert f'<option value="{bug.pk}" selected>Bug</option>' in html
    assert "data-needs-server" in html


@pytest.mark.parametrize(
    "query",
    [
        "view=999999999",
        "view=99999999999999999999",
        "view=-1&label=x&since=yesterday&waiting=-4h",
        "view=1&edited=1&base=nonsense",
        "priority=urgent%00&assignee=%3Cscript%3E",
        "label=" + "x," * 2000,
        "since=" + "x" * 3000,
    ],
)
def test_junk_in_the_address_is_left_out(alice: Client, desk: world.Desk, query: str) -> None:
    row = world.make_conversation(desk.shop)
    shown = alice.get(f"{LIST}?{query}")
    assert ids(shown) == [row.pk]
    assert "<script>alert" not in html_of(shown)


def test_a_filter_never_shows_more_than_its_reader_may_see(alice: Client, desk: world.Desk) -> None:
    world.make_conversation(desk.service, assignee=desk.bob)
    foreign = Label.objects.create(name="Secret label", key="secret label", department=desk.support)
    raw: dict[str, Any] = {"channel": desk.service.pk, "assignee": desk.bob.pk, "label": foreign.pk, "view": "all"}
    shown = alice.get(LIST, raw)
    assert ids(shown) == []
    assert chips(shown) == [
        "Assigned to: no longer available",
        "Channel: no longer available",
        "Label: no longer available",
    ]
    assert not any(secret in html_of(shown) for secret in ("Secret label", "Service", ">Bob<"))


def test_the_form_offers_colleagues_when_it_is_opened(alice: Client, desk: world.Desk) -> None:
    """A whole page asks for them later, unless a chip names one."""
    ann = world.make_agent("ann", desk.sales)
    option = f'<option value="{ann.pk}"'
    assert option not in html_of(alice.get("/inbox/"))
    assert option in html_of(alice.get("/inbox/filters/", headers=HX))
    assert chips(alice.get("/inbox/", {"assignee": ann.pk})) == ["Assigned to: Ann"]


def test_an_empty_filter_says_how_to_leave_it(alice: Client, desk: world.Desk) -> None:
    world.make_conversation(desk.shop)
    shown = html_of(alice.get(LIST, {"priority": "urgent"}))
    assert "Nothing found in Open." in " ".join(shown.split())
    assert shown.count("Clear filters") == 2  # beside the chips, and in the empty list


# --- Saving -----------------------------------------------------------------------------------------------------------
def test_a_view_is_saved_from_the_list_shown_edited_and_saved_again(alice: Client, desk: world.Desk) -> None:
    urgent, closed = world.make_conversation(desk.shop), world.make_conversation(desk.shop)
    world.Ticket.objects.filter(conversation__in=[urgent, closed]).update(priority="urgent")
    world.close(closed)
    world.make_conversation(desk.shop)
    form = {"name": "  Very   urgent ", "list": "priority=urgent&sort=oldest&q=lost"}
    saved = alice.post(ADD, form, headers=HX)
    view = SavedView.objects.get()
    assert (view.name, view.base, view.filter, view.order) == (
        "Very urgent",
        "open",
        {"priority": ["urgent"]},
        "oldest",
    )
    assert (view.owner, ids(saved)) == (desk.alice, [urgent.pk])
    assert f'data-query="view={view.pk}"' in html_of(saved)
    assert alice.post(ADD, form).headers["Location"].startswith("/inbox/?view=")

    edited = alice.get(f"{LIST}?view={view.pk}&edited=1&base=all&priority=urgent")
    assert set(ids(edited)) == {urgent.pk, closed.pk}
    html = html_of(edited)
    assert "Save changes" in html
    assert "Undo changes" in html
    change = {"list": f"view={view.pk}&edited=1&base=all&priority=urgent", "narrowing": "yes", "version": view.version}
    assert set(ids(alice.post(f"{VIEWS}{view.pk}/change/", change, headers=HX))) == {urgent.pk, closed.pk}
    view.refresh_from_db()
    assert (view.base, view.order, view.version) == ("all", "newest", 2)
    late = alice.post(f"{VIEWS}{view.pk}/change/", {**change, "list": f"view={view.pk}&edited=1"}, headers=HX)
    assert late.status_code == 422
    assert "Somebody has changed this view meanwhile." in html_of(late)
    view.refresh_from_db()
    assert view.base == "all"


def test_views_are_renamed_ordered_and_deleted(alice: Client, desk: world.Desk) -> None:
    first, second, third = (save(desk.alice, name) for name in ("One", "Two", "Three"))
    alice.post(f"{VIEWS}{third.pk}/move/", {"step": "up"})
    alice.post(f"{VIEWS}{first.pk}/move/", {"step": "up"})
    order = list(saved_views.seen_by(desk.alice, access.facts_for(desk.alice)))
    assert order == [first, third, second]
    alice.post(f"{VIEWS}{second.pk}/change/", {"name": "Two <b>", "audience": "me", "version": 1})
    page = html_of(alice.get(VIEWS))
    assert "Two &lt;b&gt;" in page
    assert page.index(f'id="view-{third.pk}"') < page.index(f'id="view-{second.pk}"')
    assert "Delete Two &lt;b&gt;?" in html_of(alice.get(f"{VIEWS}{second.pk}/delete/"))
    assert alice.post(f"{VIEWS}{second.pk}/delete/").status_code == 302
    assert not SavedView.objects.filter(pk=second.pk).exists()
    assert alice.post(f"{VIEWS}{second.pk}/delete/").status_code == 404
    assert ids(alice.get(LIST, {"view": second.pk})) == []
    assert not AuditEntry.objects.filter(content_type__model="savedview").exists()  # her own matter


def test_who_may_share_with_whom(
    alice: Client, lead: Client, desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    def saved(client: Client, audience: str) -> int:
        return client.post(ADD, {"name": audience, "audience": audience, "list": "unread=yes"}, headers=HX).status_code

    sales, support = f"department-{desk.sales.pk}", f"department-{desk.support.pk}"
    assert [saved(alice, one) for one in ("me", sales, "everybody", "nonsense")] == [200, 422, 422, 422]
    assert [saved(lead, one) for one in ("me", sales, support, "everybody")] == [200, 422, 200, 422]
    root = as_user(desk.root)
    assert [saved(root, one) for one in (sales, support, "everybody")] == [200, 200, 200]
    desk.charlie.user_permissions.add(Permission.objects.get(codename="share_savedview"))
    assert saved(as_user(desk.charlie), "everybody") == 200

    def names(user: User) -> list[str]:
        return [view.name for view in saved_views.seen_by(user, access.facts_for(User.objects.get(pk=user.pk)))]

    assert names(desk.alice) == ["me", sales, "everybody", "everybody"]
    assert names(desk.bob) == ["me", support, support, "everybody", "everybody"]
    assert names(desk.root) == [sales, support, support, "everybody", "everybody"]
    entries = AuditEntry.objects.filter(content_type__model="savedview")
    assert set(entries.values_list("sentence", flat=True)) == {"Added."}


def test_views_of_others_can_neither_be_seen_nor_changed(alice: Client, lead: Client, desk: world.Desk) -> None:
    own = save(desk.bob, "Private of Bob")
    shared = save(desk.root, "Of all", saved_views.EVERYBODY)
    foreign = save(desk.root, "Of Support", Audience(department_id=desk.support.pk))
    row = world.make_conversation(desk.shop)
    for view in (own, foreign):
        assert alice.post(f"{VIEWS}{view.pk}/change/", {"name": "Mine"}).status_code == 404
        assert alice.get(f"{VIEWS}{view.pk}/delete/").status_code == 404
        assert ids(alice.get(LIST, {"view": view.pk})) == [row.pk]  # as any unknown view
    assert "Private of Bob" not in html_of(alice.get(VIEWS))
    for path in ("change", "move", "delete"):
        fields = {"name": "Mine", "step": "up"}
        assert alice.post(f"{VIEWS}{shared.pk}/{path}/", fields, headers=HX).status_code == 422
    shared.refresh_from_db()
    assert shared.name == "Of all"
    assert alice.post(f"{VIEWS}{shared.pk}/change/", {"name": "x", "audience": "me"}, headers=HX).status_code == 422
    assert lead.post(f"{VIEWS}{foreign.pk}/delete/").status_code == 302


def test_a_refused_change_keeps_what_was_typed(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    root = as_user(desk.root)
    view = save(desk.root, "Late", saved_views.EVERYBODY)
    audience = f"department-{desk.support.pk}"
    fields = {"name": "x" * 61, "audience": audience, "version": view.version}
    answer = root.post(f"{VIEWS}{view.pk}/change/", fields)
    page = html_of(answer)
    assert (answer.status_code, "longer than 60 characters" in page) == (422, True)
    assert f'value="{fields["name"]}"' in page
    assert re.search(rf'value="{audience}"\s+selected', page)
    assert '<details class="view-edit" open>' in page


def test_there_are_only_so_many_and_none_without_a_name(alice: Client, desk: world.Desk) -> None:
    for name, words in (("", "Give the view a name."), ("x" * 61, "longer than 60 characters")):
        refused = alice.post(ADD, {"name": name, "list": ""}, headers=HX)
        assert (refused.status_code, words in html_of(refused)) == (422, True)
    for number in range(saved_views.MOST):
        save(desk.alice, str(number))
    refused = alice.post(ADD, {"name": "One more", "list": ""}, headers=HX)
    assert (refused.status_code, "There are 30 views here already." in html_of(refused)) == (422, True)


# --- What views refer to ----------------------------------------------------------------------------------------------
def test_a_view_outlives_what_it_refers_to(alice: Client, desk: world.Desk) -> None:
    """Without its label it shows nothing and says why; it does not show everything."""
    row = world.make_conversation(desk.shop)
    bug, defect = label("Bug", row), label("Defect")
    merged = save(desk.alice, "Bugs", filter={"label": [str(bug.pk)]})
    labels.merge(desk.root, bug, defect)
    merged.refresh_from_db()
    assert (merged.filter, merged.version) == ({"label": [str(defect.pk)]}, 2)
    assert ids(alice.get(LIST, {"view": merged.pk})) == [row.pk]
    labels.delete(desk.root, defect)
    shown = alice.get(LIST, {"view": merged.pk})
    assert (ids(shown), chips(shown)) == ([], ["Label: no longer available"])

    of_bob = save(desk.alice, "Bob", filter={"assignee": [str(desk.bob.pk)], "channel": [str(desk.shop.pk)]})
    User.objects.filter(pk=desk.bob.pk).update(is_active=False)
    assert alice.get(LIST, {"view": of_bob.pk}).status_code == 200
    Channel.objects.filter(pk=desk.shop.pk).update(deleted_at=timezone.now(), is_active=False)
    assert any("(deleted)" in chip for chip in chips(alice.get(LIST, {"view": of_bob.pk})))


def test_what_this_version_does_not_know_in_a_stored_view_is_left_out(alice: Client, desk: world.Desk) -> None:
    row = world.make_conversation(desk.shop)
    odd = SavedView.objects.create(
        name="Odd", owner=desk.alice, base="gone", order="gone", filter={"plan": ["gold"], "status": "open", "since": 7}
    )
    assert ids(alice.get(LIST, {"view": odd.pk})) == [row.pk]
    SavedView.objects.filter(pk=odd.pk).update(filter=["not", "a", "filter"])
    assert ids(alice.get(LIST, {"view": odd.pk})) == [row.pk]
    assert alice.get(SIZES).status_code == 200


def test_me_in_a_shared_view_is_whoever_reads_it(alice: Client, lead: Client, desk: world.Desk) -> None:
    view = save(desk.root, "Mine, unread", saved_views.EVERYBODY, filter={"assignee": ["me"]})
    mine = world.make_conversation(desk.shop, assignee=desk.alice)
    theirs = world.make_conversation(desk.service, assignee=desk.bob)
    assert ids(alice.get(LIST, {"view": view.pk})) == [mine.pk]
    assert ids(lead.get(LIST, {"view": view.pk})) == [theirs.pk]


# --- Counts -----------------------------------------------------------------------------------------------------------
def test_counts_are_one_query_for_all_views_and_none_for_a_while(alice: Client, desk: world.Desk) -> None:
    world.make_conversation(desk.shop, unread_count=1)
    views = [save(desk.alice, str(number), filter={"unread": ["yes"]}) for number in range(2)]

    def queries() -> tuple[int, dict[str, str]]:
        with CaptureQueriesContext(connection) as captured:
            found = alice.get(SIZES).json()
        return sum("count_" in query["sql"] for query in captured.captured_queries), found

    assert queries() == (1, {str(view.pk): "1" for view in views})
    world.make_conversation(desk.shop, unread_count=1)
    assert queries() == (0, {str(view.pk): "1" for view in views})
    views += [save(desk.alice, str(number), base="waiting") for number in range(10)]
    asked, found = queries()
    assert (asked, len(found)) == (1, 12)
    saved_views.save(desk.alice, views[0], {"filter": {"unread": ["no"]}})
    assert queries() == (1, {**found, str(views[0].pk): ""})


def test_many_views_cost_a_page_no_query(alice: Client, desk: world.Desk) -> None:
    def queries(address: str) -> int:
        alice.get(address)
        with CaptureQueriesContext(connection) as captured:
            alice.get(address)
        return len(captured)

    before = queries("/inbox/")
    views = [save(desk.alice, str(number), filter={"unread": ["yes"]}) for number in range(20)]
    assert queries("/inbox/") == before
    assert queries(f"/inbox/?view={views[0].pk}") <= before + 2  # whom it could be shared with is not asked


def test_counts_stop_at_the_limit_and_read_only_the_newest_rows(
    desk: world.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "VERY_FEW", 0)
    monkeypatch.setattr(counts, "MOST_READ", 3)
    monkeypatch.setattr(counts, "COUNT_LIMIT", 4)
    for number in range(6):
        row = world.make_conversation(desk.shop, at=world.NOON + timedelta(minutes=number))
        world.Ticket.objects.filter(conversation=row).update(priority="urgent" if number % 2 else "low")

    def size(**raw: str) -> counts.Size:
        query = listing.ListQuery(filter=parse(raw))
        facts = access.facts_for(desk.alice)
        return counts.sizes(desk.alice, facts, {1: query}, timezone.now())[1]

    assert size(channel=str(desk.shop.pk)) == counts.Size(4)
    assert size(priority="urgent") == counts.Size(2, is_cut=True)  # of the newest three
    assert size(priority="urgent", until="2026-03-03") == counts.Size(0)


# --- Two at once ------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_of_two_who_edit_a_shared_view_the_second_is_told(desk: world.Desk) -> None:
    view = save(desk.root, "Shared", saved_views.EVERYBODY)
    outcomes: list[str] = []
    gate = threading.Barrier(2)

    def edit(order: str) -> None:
        try:
            gate.wait(10)
            saved_views.save(User.objects.get(pk=desk.root.pk), view, {"order": order}, version=1)
            outcomes.append("saved")
        except Refused as refused:
            outcomes.append(refused.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=edit, args=(order,)) for order in ("oldest", "waiting")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["changed_meanwhile", "saved"]
    view.refresh_from_db()
    assert view.version == 2
