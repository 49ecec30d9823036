"""Lists are filtered by custom fields; what cannot be filtered by any more is said, and shows nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from desk.models import User
from tests.http import Response
from tests.matching import present
from tests.pages import html_of
from tickets.models import Conversation, CustomField, SavedView
from tickets.services.inbox import field_filters, field_setup, field_values, saved_views

from . import world
from .test_list import HX, ids
from .test_plans import bad_plans
from .test_saved_views import ADD, LIST, SIZES, chips, save

STUCK = "This list is empty because"


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    cache.clear()


def field(key: str, kind: str = "text", of: str = "ticket", **values: Any) -> CustomField:
    by = User.objects.get(username="root")
    return field_setup.save(by, None, {"name": key.title(), "key": key, "kind": kind, "of": of, **values})


def choice(of: CustomField, name: str) -> str:
    of.refresh_from_db()
    return next(one["id"] for one in of.choices if one["name"] == name)


def row(desk: world.Desk, contact: dict[str, Any] | None = None, **ticket: Any) -> Conversation:
    """A conversation whose contact and current ticket have these values."""
    made = world.make_conversation(desk.shop)
    field_values.change_contact(desk.root, made.contact, contact or {})
    field_values.change_ticket(desk.root, made, ticket)
    return made


def found(client: Client, **raw: Any) -> set[int]:
    return set(ids(client.get(LIST, {name.replace("__", "."): value for name, value in raw.items()})))


def said(response: Response) -> str:
    return " ".join(html_of(response).split())


# --- what is found ----------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("few", [0, field_filters.RARE])
def test_each_kind_is_filtered_by_its_own_conditions(
    alice: Client, desk: world.Desk, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(field_filters, "RARE", few)  # 0: each row is looked up, whose ids are compared otherwise
    field("order"), field("seats", "number"), field("due", "date"), field("paid", "yes_no")
    field("plan", "choice", "contact", choices=["Gold", "Silver, new", "Bronze"])
    one = row(desk, {"plan": "Gold"}, order="ÄRA-17 100%", seats="9", due="2026-03-01", paid=True)
    two = row(desk, {"plan": "Silver, new"}, order="b_c", seats="-12.5", due="2026-12-31", paid=False)
    bare = row(desk)
    both, every = {one.pk, two.pk}, {one.pk, two.pk, bare.pk}
    assert found(alice, field_order__has="ära") == {one.pk}
    assert found(alice, field_order__has="0%") == {one.pk}
    assert found(alice, field_order__has="%") == {one.pk}
    assert found(alice, field_order__has="_") == {two.pk}
    assert found(alice, field_order="B_C") == {two.pk}
    assert found(alice, field_seats__from="-12.5", field_seats__to="9.0") == both  # both ends count, as numbers
    assert found(alice, field_seats__from="10") == set()
    assert found(alice, field_seats__to="-0.000001") == {two.pk}
    assert found(alice, field_seats="9.000") == {one.pk}
    assert found(alice, field_due__from="2026-03-01", field_due__to="2026-12-30") == {one.pk}
    assert found(alice, field_paid="no") == {two.pk}
    assert found(alice, field_plan=["gold", r"silver\, new"]) == both
    assert found(alice, field_plan__set="no") == {bare.pk}
    assert found(alice, field_seats__set="yes") == both
    assert found(alice, field_seats__set="yes", field_seats__to="0") == {two.pk}
    assert found(alice, field_seats__set="", field_due__from="") == every  # empty inputs of the form


def test_long_texts_are_searched_whole_and_never_by_what_they_are_found_by(alice: Client, desk: world.Desk) -> None:
    field("story", of="contact")
    long = row(desk, {"story": "Begin " + "x" * 300 + " END here"})
    assert found(alice, field_story__has="end HERE") == {long.pk}
    lookup = present(long.contact.field_values.get()).lookup
    assert found(alice, field_story__has=lookup[-20:]) == set()


def test_only_the_current_ticket_counts(alice: Client, desk: world.Desk) -> None:
    field("order")
    old = row(desk, order="A")
    ticket = world.Ticket.objects.create(
        conversation=old, department_id=old.department_id, opened_at=world.NOON, last_message_at=world.NOON
    )
    Conversation.objects.filter(pk=old.pk).update(current_ticket=ticket)
    assert found(alice, field_order="A") == set()
    assert found(alice, field_order__set="no") == {old.pk}


# --- what it says -----------------------------------------------------------------------------------------------------
def test_the_form_and_the_chips_say_what_is_chosen(alice: Client, desk: world.Desk) -> None:
    plan, _seats, _order = (
        field("plan", "choice", "contact", choices=["Gold", "Tin"]),
        field("seats", "number"),
        field("order"),
    )
    gold, tin = choice(plan, "Gold"), choice(plan, "Tin")
    raw = {"field_plan": [gold, "tin"], "field_seats.from": "1.50", "field_order.has": "<b>", "field_order.set": "yes"}
    shown = alice.get(LIST, raw)
    assert chips(shown) == [
        "Order: contains “&lt;b&gt;”",
        "Order: Set",
        "Plan: Gold",
        "Plan: Tin",
        "Seats from: 1.5",
    ]
    html = said(shown)
    assert "data-needs-server" in html
    for pk in (gold, tin):
        assert f'value="{pk}" form="list-form" checked' in html
    assert 'name="field_seats.from" value="1.5"' in html
    assert STUCK not in html
    assert "field_seats" not in said(alice.get("/inbox/"))  # a whole page asks later
    assert 'name="field_seats.from"' in said(alice.get("/inbox/filters/", headers=HX))
    assert 'name="field_seats.from" value="3"' in said(alice.get("/inbox/", {"field_seats.from": "3"}))


def test_the_chips_of_choices_have_the_order_of_the_field(alice: Client, desk: world.Desk) -> None:
    names = [f"Choice {number}" for number in range(8)]  # their ids have no order
    plan = field("plan", "choice", "contact", choices=names)
    shown = alice.get(LIST, {"field_plan": ["gone", *(choice(plan, name) for name in reversed(names))]})
    assert chips(shown) == [*(f"Plan: {name}" for name in names), "Plan: no longer available"]


@pytest.mark.parametrize(
    ("raw", "chip"),
    [
        ({"field_gone": "x"}, "Field “gone”: no longer available"),
        ({"field_hidden.set": "yes"}, "Field “hidden”: no longer available"),
        ({"field_seats.from": "many"}, "Seats from: “many” cannot be used"),
        ({"field_seats.from": "2026-01-01"}, "Seats from: “2026-01-01” cannot be used"),
        ({"field_seats.has": "1"}, "Seats: “1” cannot be used"),
        ({"field_seats.set": "maybe"}, "Seats: “maybe” cannot be used"),
        ({"field_due.to": "2026-02-30"}, "Due until: “2026-02-30” cannot be used"),
        ({"field_due.to": "5"}, "Due until: “5” cannot be used"),
        ({"field_plan": "Removed"}, "Plan: no longer available"),
        ({"field_order.has": "x" * 5000}, f"Order: “{'x' * 101}” cannot be used"),
        ({"field_seats": "9" * 4000}, f"Seats: “{'9' * 501}” cannot be used"),
    ],
)
def test_what_cannot_be_filtered_by_is_said_and_shows_nothing(
    alice: Client, desk: world.Desk, raw: dict[str, str], chip: str
) -> None:
    field("seats", "number"), field("due", "date"), field("order"), field("plan", "choice", choices=["Gold"])
    field("hidden", name="Secret name", department=desk.support)
    row(desk, seats=5, due="2026-01-01", order="x", plan="Gold")
    shown = alice.get(LIST, raw)
    assert (ids(shown), chips(shown)) == ([], [chip])
    html = said(shown)
    assert STUCK in html
    assert "Secret name" not in html
    # Another filter that is chosen in the form does not lose it.
    assert f'type="hidden" name="{next(iter(raw))}"' in html
    assert ids(alice.get("/tickets/", raw)) == []
    assert STUCK in said(alice.get("/tickets/", raw))


def test_more_fields_than_a_filter_may_have_show_nothing(alice: Client, desk: world.Desk) -> None:
    for number in range(21):
        field(f"k{number}", of="contact")
    full = row(desk, {f"k{number}": "x" for number in range(21)})
    raw = {f"field_k{number}": "x" for number in range(20)}
    assert found(alice, **raw) == {full.pk}
    shown = alice.get(LIST, {**raw, "field_k20": "x"})
    assert (ids(shown), STUCK in said(shown)) == ([], True)


# --- saved views ------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_saved_view_says_when_its_field_changes_or_is_gone(alice: Client, desk: world.Desk) -> None:
    plan = field("plan", "choice", "contact", choices=["Gold", "Tin"])
    gold = row(desk, {"plan": "Gold"})
    row(desk, {"plan": "Tin"})
    alice.post(ADD, {"name": "Rich", "list": f"field_plan={choice(plan, 'Gold')}"}, headers=HX)
    view = SavedView.objects.get()
    address: dict[str, Any] = {"view": view.pk}

    def state() -> tuple[list[int], list[str], str]:
        cache.clear()
        shown = alice.get(LIST, address)
        return ids(shown), chips(shown), alice.get(SIZES).json()[str(view.pk)]

    assert state() == ([gold.pk], ["Plan: Gold"], "1")
    field_setup.rename_choice(desk.root, plan, choice(plan, "Gold"), "Platinum")
    field_setup.save(desk.root, plan, {"name": "Tier"})
    assert state() == ([gold.pk], ["Tier: Platinum"], "1")
    field_setup.archive(desk.root, plan)
    assert state() == ([], ["Field “plan”: no longer available"], "")
    field_setup.restore(desk.root, plan)
    field_setup.remove_choice(desk.root, plan, choice(plan, "Platinum"))
    assert state() == ([], ["Tier: no longer available"], "")
    field_setup.delete(desk.root, plan)
    assert state() == ([], ["Field “plan”: no longer available"], "")
    again = field("plan", "number", "contact")  # the same key, another kind
    assert state() == ([], [f"Plan: “{view.filter['field_plan'][0]}” cannot be used"], "")
    # Another filter keeps what is not understood; the chip removes it.
    edited = alice.get(LIST, {**address, "edited": "1", "field_plan": view.filter["field_plan"], "unread": "no"})
    assert f"field_plan={view.filter['field_plan'][0]}" in said(edited)
    assert set(ids(alice.get(LIST, {**address, "edited": "1"}))) != set()
    assert again.pk != plan.pk


def test_a_view_for_everybody_shows_each_reader_only_what_they_may_see(
    alice: Client, desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    field("order", department=desk.sales)
    mine = row(desk, order="A")
    world.make_conversation(desk.service)  # Bob sees it, and not the field
    view = save(desk.root, "Orders", saved_views.EVERYBODY, filter={"field_order.set": ["yes"]})
    assert ids(alice.get(LIST, {"view": view.pk})) == [mine.pk]
    bob = as_user(desk.bob).get(LIST, {"view": view.pk})
    assert (ids(bob), chips(bob)) == ([], ["Field “order”: no longer available"])
    assert ids(as_user(desk.root).get(LIST, {"view": view.pk})) == [mine.pk]


def test_a_row_that_no_longer_fits_leaves_an_open_list(alice: Client, desk: world.Desk) -> None:
    field("order")
    fits = row(desk, order="A")
    address = "/inbox/rows/"
    raw: dict[str, Any] = {"id": fits.pk, "field_order": "A"}
    assert ids(alice.get(address, raw, headers=HX)) == [fits.pk]
    field_values.change_ticket(desk.root, fits, {"order": "B"})
    assert ids(alice.get(address, raw, headers=HX)) == []
    bulk = {"do": "close", "id": [fits.pk], "list": "field_order=B"}
    assert ids(alice.post("/inbox/bulk/", bulk, headers=HX)) == []  # closed: not in Open any more


# --- tickets and contacts ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("few", [0, field_filters.RARE])
def test_the_lists_of_tickets_and_contacts_are_filtered_too(
    alice: Client, desk: world.Desk, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(field_filters, "RARE", few)
    field("order"), field("plan", "choice", "contact", choices=["Gold"])
    fits, other = row(desk, {"plan": "Gold"}, order="A, 1"), row(desk, order="B")
    tickets = said(alice.get("/tickets/", {"field_plan": "Gold", "field_order.has": "a"}))
    assert f"/tickets/{fits.current_ticket_id}/" in tickets
    assert f"/tickets/{other.current_ticket_id}/" not in tickets
    assert "Order: contains “a”" in tickets
    exported = alice.post("/tickets/export/", {"field_order": r"a\, 1"})
    lines = b"".join(exported.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 2
    contacts = said(alice.get("/contacts/", {"field_plan": "Gold"}))
    assert f"/contacts/{fits.contact_id}/" in contacts
    assert f"/contacts/{other.contact_id}/" not in contacts
    assert "Plan: Gold" in contacts
    wrong = said(alice.get("/contacts/", {"field_order": "B"}))  # contacts have no such field
    assert STUCK in wrong
    assert f"/contacts/{other.contact_id}/" not in wrong


# --- cost -------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_number_of_statements_does_not_grow_with_fields_and_views(alice: Client, desk: world.Desk) -> None:
    row(desk)

    def cost(address: str, raw: dict[str, str]) -> int:
        cache.clear()
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert alice.get(address, raw).status_code == 200
        return len(captured)

    def costs(amount: int) -> list[int]:
        raw = {f"field_k{number}": "x" for number in range(amount)}
        addresses = ("/inbox/", LIST, "/inbox/filters/", "/tickets/", "/contacts/")
        return [*(cost(address, raw) for address in addresses), cost(SIZES, {})]

    cost(LIST, {})
    field("k0", of="contact")
    save(desk.alice, "One", filter={"field_k0": ["x"]})
    few = costs(1)
    for number in range(1, 12):
        field(f"k{number}", of="contact")
        save(desk.alice, f"View {number}", filter={f"field_k{number}": ["x"], "field_k0.set": ["yes"]})
    assert costs(12) == few


@pytest.mark.parametrize(
    "query",
    ["field_order.has=a", "field_seats.from=1&field_seats.to=5", "field_plan=Gold,Tin", "field_plan.set=no"],
)
@pytest.mark.django_db(transaction=True)
def test_the_lists_are_read_in_the_order_of_an_index(client: Client, query: str) -> None:
    from tests import factories as make
    from tickets.demo import many

    channels = [make.make_channel(), make.make_channel()]
    admin = make.make_admin("root")
    many.fill(channels, [make.make_agent(channels=(channel,)) for channel in channels], 400)
    field("order"), field("seats", "number"), field("plan", "choice", "contact", choices=["Gold", "Tin"])
    client.force_login(admin)
    for address in ("/inbox/list/", "/tickets/"):
        assert bad_plans(client, f"{address}?{query}") == []
