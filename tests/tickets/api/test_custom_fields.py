"""Custom fields through the API: reading, writing, filtering, and the webhook events about them."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from desk.models import AuditEntry
from tests import factories
from tests.matching import present
from tickets.api import payloads
from tickets.models import CustomField, EventDelivery, EventSubscription, FieldValue, Message, SavedView, Ticket
from tickets.services.inbox import field_setup
from tickets.services.privacy import erasure

from .conftest import Shop


def field(key: str, kind: str = "text", of: str = "ticket", **values: Any) -> CustomField:
    values = {"name": key.title(), "key": key, "kind": kind, "of": of, **values}
    return field_setup.save(factories.make_user(), None, values)


def ticket_of(shop: Shop) -> Ticket:
    shop.conversation.refresh_from_db()
    return present(shop.conversation.current_ticket)


def write(client: APIClient, address: str, **fields: Any) -> Any:
    return client.patch(f"/api/v1/{address}/", {"fields": fields}, format="json")


def ids(client: APIClient, kind: str, **filters: Any) -> list[int]:
    answer = client.get(f"/api/v1/{kind}/", filters)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_values_are_written_read_and_emptied(shop: Shop, alice: APIClient) -> None:
    field("order")
    field("seats", "number")
    field("due", "date")
    field("plan", "choice", choices=["Gold", "Silver"])
    field("paid", "yes_no")
    address = f"tickets/{ticket_of(shop).pk}"
    given = {"order": "A\0 17\u202e", "seats": "12.50", "due": "2026-03-01", "plan": "gold", "paid": False}
    stored = {"order": "A 17", "seats": 12.5, "due": "2026-03-01", "plan": "Gold", "paid": False}
    answer = write(alice, address, **given)
    assert (answer.status_code, answer.json().get("fields")) == (200, stored), answer.content
    assert alice.get(f"/api/v1/{address}/").json()["fields"] == stored
    assert write(alice, address, order=None, seats="").json()["fields"] == {
        name: stored[name] for name in ("due", "plan", "paid")
    }


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("seats", "1e999", "takes a number"),
        ("seats", "NaN", "takes a number"),
        ("seats", 11, "at most 10."),
        ("due", "0001-01-01", "takes a day from 1900-01-01"),
        ("order", "x" * 10_000, "10,000 characters"),
        ("order", ["x"], "as a text"),
        ("plan", "Bronze", "Choose another one."),
        ("nothing", "x", "There is no field"),
        ("age", "x", "There is no field"),
    ],
)
def test_what_a_field_does_not_take_is_refused_and_nothing_is_written(
    shop: Shop, alice: APIClient, key: str, value: object, words: str
) -> None:
    field("order")
    field("seats", "number", maximum=10)
    field("due", "date")
    field("plan", "choice", choices=["Gold"])
    field("age", of="contact")
    address = f"tickets/{ticket_of(shop).pk}"
    fields = {"plan": "Gold", key: value}
    answer = alice.patch(f"/api/v1/{address}/", {"priority": "high", "fields": fields}, format="json")
    assert answer.status_code == 400
    assert words in answer.json()["fields"][0]
    shown = alice.get(f"/api/v1/{address}/").json()
    assert (shown["fields"], shown["priority"]) == ({}, "normal")


def test_fields_of_another_department_and_archived_ones_are_refused(shop: Shop, alice: APIClient) -> None:
    foreign = field("foreign", department=factories.make_department("Elsewhere"))
    own = field("own", department=shop.conversation.department)
    address = f"tickets/{ticket_of(shop).pk}"
    assert "not for the tickets of this department" in write(alice, address, foreign="x").json()["fields"][0]
    assert write(alice, address, own="kept").status_code == 200
    field_setup.archive(factories.make_user(), own)
    assert "was archived meanwhile" in write(alice, address, own="x").json()["fields"][0]
    assert alice.get(f"/api/v1/{address}/").json()["fields"] == {}
    assert alice.get("/api/v1/tickets/", {"field_own": "kept"}).status_code == 400
    keys = {row["key"]: row["archived"] for row in alice.get("/api/v1/fields/").json()["results"]}
    assert keys == {"own": True}
    assert foreign.key not in keys
    field_setup.restore(factories.make_user(), own)
    assert alice.get(f"/api/v1/{address}/").json()["fields"] == {"own": "kept"}


def test_lists_are_filtered_by_fields_of_contacts_and_tickets(shop: Shop, alice: APIClient) -> None:
    field("plan", "choice", "contact", choices=["Gold", "Silver"])
    field("order")
    other = factories.make_conversation(shop.channel, "7002")
    factories.receive(other, "Hello")
    contact, ticket = shop.conversation.contact_id, ticket_of(shop).pk
    write(alice, f"contacts/{contact}", plan="Gold")
    write(alice, f"tickets/{ticket}", order="A 17")
    assert alice.get(f"/api/v1/contacts/{contact}/").json()["fields"] == {"plan": "Gold"}
    assert ids(alice, "contacts", field_plan="gold") == [contact]
    assert ids(alice, "contacts", field_plan="Silver") == []
    assert ids(alice, "tickets", field_order="a 17", field_plan="Gold") == [ticket]
    assert ids(alice, "tickets", field_order="") == [present(_fresh(other)), ticket]
    assert ids(alice, "conversations", field_order="A 17") == [shop.conversation.pk]
    assert ids(alice, "conversations", field_plan="Gold") == [shop.conversation.pk]
    for kind, name, value in (("contacts", "order", "x"), ("tickets", "nothing", "x"), ("tickets", "plan", "Lead")):
        answer = alice.get(f"/api/v1/{kind}/", {f"field_{name}": value})
        assert (answer.status_code, list(answer.json())) == (400, [f"field_{name}"])


def _fresh(conversation: Any) -> int | None:
    conversation.refresh_from_db()
    return conversation.current_ticket_id


def test_a_list_with_many_values_needs_as_many_queries_as_one_without(shop: Shop, alice: APIClient) -> None:
    address = f"tickets/{ticket_of(shop).pk}"
    for number in range(5):
        field(f"f{number}")
    write(alice, address, f0="x")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            alice.get("/api/v1/tickets/")
        return len(captured)

    before = queries()
    write(alice, address, **{f"f{number}": "y" for number in range(5)})
    for number in range(5):
        other = factories.make_conversation(shop.channel, f"80{number}")
        factories.receive(other, "Hi")
        write(alice, f"tickets/{_fresh(other)}", f1="z")
    assert queries() == before


def test_threads_history_and_webhooks_say_who_wrote_what(shop: Shop, alice: APIClient) -> None:
    EventSubscription.objects.create(
        name="CRM", url="https://crm.example/", events=["ticket.updated", "contact.updated"]
    )
    field("plan", "choice", "contact", choices=["Gold"])
    field("order")
    ticket = ticket_of(shop).pk
    write(alice, f"contacts/{shop.conversation.contact_id}", plan="Gold")
    write(alice, f"contacts/{shop.conversation.contact_id}", plan="Gold")  # nothing changes: nothing is said
    write(alice, f"tickets/{ticket}", order="A 17")
    lines = [present(row.card)["title"] for row in Message.objects.filter(kind="event").order_by("pk")]
    assert lines == [
        "alice set “Plan” of the customer to “Gold”",
        f"alice set “Order” of ticket #{ticket} to “A 17”",
    ]
    entry = AuditEntry.objects.get(action="contact")
    assert entry.sentence == "Changed fields: Plan."
    deliveries = list(EventDelivery.objects.order_by("pk"))
    bodies = [json.loads(present(body)) for body in payloads.bodies(deliveries).values()]
    assert [body["type"] for body in bodies] == ["contact.updated", "ticket.updated"]
    contact, ticket_data = bodies[0]["data"], bodies[1]["data"]
    assert (contact["contact"]["fields"], contact["fields"], contact["by"]) == ({"plan": "Gold"}, ["plan"], "alice")
    assert (ticket_data["ticket"]["fields"], ticket_data["changed"]) == ({"order": "A 17"}, ["fields"])


def test_erasing_the_customer_deletes_all_values(shop: Shop, alice: APIClient) -> None:
    archived = field("plan", of="contact")
    field("order")
    write(alice, f"contacts/{shop.conversation.contact_id}", plan="Gold")
    write(alice, f"tickets/{ticket_of(shop).pk}", order="A 17")
    field_setup.archive(factories.make_user(), archived)
    erasure.erase(factories.make_admin(), shop.conversation.contact)
    assert FieldValue.objects.count() == 0
    assert not any("A 17" in str(card) for card in Message.objects.values_list("card", flat=True))
    answer = write(alice, f"tickets/{ticket_of(shop).pk}", order="again")
    assert (answer.status_code, answer.json()["code"]) == (409, "contact_erased")


def test_agents_without_the_conversation_neither_read_nor_write(shop: Shop, bob: APIClient) -> None:
    field("plan", of="contact")
    assert write(bob, f"contacts/{shop.conversation.contact_id}", plan="x").status_code == 404
    assert write(bob, f"tickets/{ticket_of(shop).pk}", plan="x").status_code == 404
    assert ids(bob, "contacts", field_plan="x") == []


def test_lists_are_filtered_by_parts_of_texts_ranges_and_whether_there_is_a_value(shop: Shop, alice: APIClient) -> None:
    field("plan", "choice", "contact", choices=["Gold, old", "Silver"])
    field("order")
    field("seats", "number", maximum=50)
    field("due", "date")
    other = factories.make_conversation(shop.channel, "7002")
    factories.receive(other, "Hello")
    first, second = shop.conversation.pk, other.pk
    write(alice, f"contacts/{shop.conversation.contact_id}", plan="Gold, old")
    write(alice, f"tickets/{ticket_of(shop).pk}", order="A 17", seats=9, due="2026-03-01")
    write(alice, f"tickets/{_fresh(other)}", seats=10, order="B")

    def found(**filters: Any) -> set[int]:
        return set(
            ids(alice, "conversations", **{f"field_{name}".replace("__", "."): v for name, v in filters.items()})
        )

    assert found(order__has="a 1") == {first}
    assert found(order=["a 17", "b"]) == {first, second}
    assert found(plan="gold, old") == {first}
    assert found(seats__from="9.5") == {second}
    assert found(seats__from="9", seats__to="1000") == {first, second}
    assert found(due__to="2026-03-01") == {first}
    assert found(plan__set="no") == {second}
    assert set(ids(alice, "contacts", **{"field_plan.set": "yes"})) == {shop.conversation.contact_id}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("field_seats.from", "many", "Write a number such as 12.5"),
        ("field_seats.from", "2026-01-01", "takes a number"),
        ("field_seats.has", "1", "cannot be filtered like this"),
        ("field_seats.set", "maybe", "Write “yes” or “no”."),
        ("field_plan", "Bronze", "Choose another one."),
        ("field_gone.set", "yes", "There is no field “gone”"),
        ("field_seats.about", "1", "There is no filter"),
        ("field_order.has", "x" * 101, "longer than 100 characters"),
    ],
)
def test_a_filter_that_has_no_meaning_is_answered_400(
    shop: Shop, alice: APIClient, name: str, value: str, words: str
) -> None:
    field("plan", "choice", choices=["Gold"])
    field("seats", "number")
    field("order")
    for kind in ("conversations", "tickets"):
        answer = alice.get(f"/api/v1/{kind}/", {name: value})
        assert (answer.status_code, list(answer.json())) == (400, [name])
        assert words in answer.json()[name][0]
    refused = alice.post("/api/v1/views/", {"name": "V", "filter": {name: value}}, format="json")
    assert (refused.status_code, list(refused.json())) == (400, ["filter"])
    assert words in str(refused.json())


def test_filtering_by_many_fields_reads_them_once(shop: Shop, alice: APIClient) -> None:
    for number in range(10):
        field(f"k{number}")

    def cost(amount: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ids(alice, "tickets", **{f"field_k{number}": "x" for number in range(amount)}) == []
        return len(captured)

    cost(1)
    assert cost(10) == cost(1)


def test_a_saved_view_names_choices_and_filters_the_list(shop: Shop, alice: APIClient) -> None:
    plan = field("plan", "choice", "contact", choices=["Gold", "Silver"])
    hidden = field("hidden", department=factories.make_department("Elsewhere"))
    write(alice, f"contacts/{shop.conversation.contact_id}", plan="Gold")
    given = {"field_plan": ["gold"], "field_plan.set": True}
    made = alice.post("/api/v1/views/", {"name": "Rich", "filter": given}, format="json")
    assert made.status_code == 201, made.content
    assert made.json()["filter"] == {"field_plan": ["Gold"], "field_plan.set": ["yes"]}
    assert SavedView.objects.get().filter["field_plan"] == [plan.choices[0]["id"]]
    pk = made.json()["id"]
    assert ids(alice, "conversations", view=str(pk)) == [shop.conversation.pk]
    field_setup.rename_choice(factories.make_user(), plan, plan.choices[0]["id"], "Platinum")
    assert alice.get(f"/api/v1/views/{pk}/").json()["filter"]["field_plan"] == ["Platinum"]
    field_setup.archive(factories.make_user(), plan)
    assert ids(alice, "conversations", view=str(pk)) == []
    answer = alice.post("/api/v1/views/", {"name": "H", "filter": {f"field_{hidden.key}.set": ["yes"]}}, format="json")
    assert answer.status_code == 400
