"""Labels, priority and subject of tickets through the API, and the webhook event about them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from desk.models import AuditEntry, User
from tests import factories
from tests.matching import present
from tickets.models import EventDelivery, EventSubscription, Label, Ticket
from tickets.services.inbox import labels
from tickets.services.privacy import erasure

from .conftest import Shop, client_of


@pytest.fixture
def manager(shop: Shop) -> APIClient:
    """Alice, who may also manage labels."""
    shop.alice.user_permissions.set(Permission.objects.filter(codename__endswith="_label"))
    User.objects.filter(pk=shop.alice.pk).update(is_staff=True)
    return client_of(User.objects.get(pk=shop.alice.pk))


def ticket_of(shop: Shop) -> Ticket:
    shop.conversation.refresh_from_db()
    return Ticket.objects.get(pk=present(shop.conversation.current_ticket_id))


def patch(client: APIClient, ticket: Ticket, **fields: Any) -> Any:
    return client.patch(f"/api/v1/tickets/{ticket.pk}/", fields, format="json")


def test_a_label_is_created_changed_and_deleted(shop: Shop, manager: APIClient) -> None:
    made = manager.post("/api/v1/labels/", {"name": "  VIP  customer", "color": "pink"}, format="json")
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    expected = {"id": pk, "name": "VIP customer", "color": "pink", "description": "", "department": None, "tickets": 0}
    assert made.json() == expected
    again = manager.post("/api/v1/labels/", {"name": "vip CUSTOMER", "department": "Sales"}, format="json")
    assert (again.status_code, again.json()) == (400, {"name": ["There is a label “vip CUSTOMER” already."]})

    changed = manager.patch(f"/api/v1/labels/{pk}/", {"name": "Vip", "department": "Sales"}, format="json")
    assert changed.json() == {**expected, "name": "Vip", "department": "Sales"}
    patch(manager, ticket_of(shop), labels=[pk])
    assert manager.get("/api/v1/labels/", {"name": "VIP"}).json()["results"][0]["tickets"] == 1
    assert manager.delete(f"/api/v1/labels/{pk}/").status_code == 204
    assert patch(manager, ticket_of(shop), priority="low").json()["labels"] == []
    assert list(
        AuditEntry.objects.filter(content_type__model="label").order_by("pk").values_list("sentence", flat=True)
    ) == ["Added.", "Changed name, department.", "Deleted; it was on 1 ticket."]


def test_who_may_not_manage_labels_only_reads_them(shop: Shop, alice: APIClient) -> None:
    everywhere = Label.objects.create(name="Bug", key="bug")
    Label.objects.create(name="Other", key="other", department=factories.make_department("Elsewhere"))
    assert [row["id"] for row in alice.get("/api/v1/labels/").json()["results"]] == [everywhere.pk]
    answers = [
        alice.post("/api/v1/labels/", {"name": "New"}, format="json"),
        alice.patch(f"/api/v1/labels/{everywhere.pk}/", {"name": "New"}, format="json"),
        alice.delete(f"/api/v1/labels/{everywhere.pk}/"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert "may not add labels" in answers[0].json()["detail"]
    assert Label.objects.count() == 2


def test_a_ticket_is_changed_and_webhooks_are_told_what(shop: Shop, alice: APIClient) -> None:
    EventSubscription.objects.create(name="CRM", url="https://crm.example/", events=["ticket.updated"])
    bug = Label.objects.create(name="Bug", key="bug", color="green")
    ticket = ticket_of(shop)
    answer = patch(alice, ticket, priority="urgent", subject=" Late\n parcel ", labels=[bug.pk])
    assert answer.status_code == 200, answer.content
    shown = {name: answer.json()[name] for name in ("priority", "subject", "labels")}
    bug_shown = {"id": bug.pk, "name": "Bug", "color": "green"}
    assert shown == {"priority": "urgent", "subject": "Late parcel", "labels": [bug_shown]}
    event = EventDelivery.objects.get()
    assert (event.ticket_id, event.facts) == (
        ticket.pk,
        {"by": "alice", "changed": ["priority", "subject", "labels"]},
    )
    assert patch(alice, ticket, priority="urgent", labels=[bug.pk]).status_code == 200
    assert EventDelivery.objects.count() == 1  # nothing changed

    for query in ({"label": bug.pk}, {"priority": "urgent"}):
        assert [row["id"] for row in alice.get("/api/v1/tickets/", query).json()["results"]] == [ticket.pk]
    assert alice.get("/api/v1/tickets/", {"priority": "low"}).json()["results"] == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"subject": " \n "}, "The subject is empty. Write 1 to 80 characters."),
        ({"subject": "x" * 81}, "The subject has 81 characters; at most 80 fit. Shorten it."),
        ({"labels": [99]}, "This label was deleted, or is not for this department. Choose another one."),
        ({"priority": "huge"}, '"huge" is not a valid choice.'),
        ({}, "Give at least one of priority, subject, labels, fields."),
    ],
)
def test_bad_input_changes_nothing(shop: Shop, alice: APIClient, fields: dict[str, Any], sentence: str) -> None:
    ticket = ticket_of(shop)
    answer = patch(alice, ticket, **{"priority": "high", **fields} if fields else {})
    assert (answer.status_code, next(iter(answer.json().values()))) == (400, [sentence])
    ticket.refresh_from_db()
    assert (ticket.priority, ticket.subject) == ("normal", "Where is my order?")


def test_a_label_of_another_department_is_not_for_this_ticket(shop: Shop, alice: APIClient) -> None:
    foreign = Label.objects.create(name="Foreign", key="foreign", department=factories.make_department("Elsewhere"))
    assert patch(alice, ticket_of(shop), labels=[foreign.pk]).status_code == 400
    assert client_of(shop.bob).patch(f"/api/v1/tickets/{ticket_of(shop).pk}/", {"priority": "low"}).status_code == 404


def test_the_subject_of_an_agent_outlives_changes_of_the_first_message(shop: Shop, alice: APIClient) -> None:
    patch(alice, ticket_of(shop), subject="Parcel 17")
    factories.receive(shop.conversation, "I wrote this before", at=factories.NOON - timedelta(minutes=5))
    assert ticket_of(shop).subject == "Parcel 17"


def test_merging_gives_each_ticket_the_other_label_once(shop: Shop) -> None:
    bug, defect = (Label.objects.create(name=name, key=name) for name in ("bug", "defect"))
    second = factories.make_conversation(shop.channel)
    factories.receive(second, "Hello")
    second.refresh_from_db()
    ticket_of(shop).labels.add(bug, defect)
    present(second.current_ticket).labels.add(bug)
    assert labels.merge(shop.alice, bug, defect) == 2
    assert labels.ticket_count(defect) == 2
    assert list(Label.objects.values_list("name", flat=True)) == ["defect"]


def test_erasing_the_customer_removes_what_was_said_about_their_tickets(shop: Shop, alice: APIClient) -> None:
    patch(alice, ticket_of(shop), subject="Owes us money", priority="high", labels=[Label.objects.create(name="x").pk])
    erasure.erase(factories.make_admin(), shop.conversation.contact)
    ticket = ticket_of(shop)
    assert (ticket.subject, ticket.priority, ticket.labels.count()) == ("", "normal", 0)
    answer = patch(alice, ticket, priority="low")
    assert (answer.status_code, answer.json()["code"]) == (409, "contact_erased")
