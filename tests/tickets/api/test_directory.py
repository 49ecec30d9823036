"""Departments, colleagues, canned replies and contacts, to whom they are of use; the search of the inbox."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from desk.models import AuditEntry, User
from tests import factories
from tickets.models import AssignmentSettings, Availability, CannedReply, Contact

from .conftest import Shop, client_of


def listed(client: APIClient, resource: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/{resource}/", query)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_colleagues_are_listed_with_where_they_work(shop: Shop, alice: APIClient) -> None:
    rows = {row["username"]: row for row in listed(alice, "agents")}
    assert rows["alice"] == {
        "id": shop.alice.agent.pk,
        "username": "alice",
        "name": "alice",
        "presence": "online",
        "departments": ["Sales"],
        "channels": [shop.channel.pk],
        "capacity": None,
    }
    Availability.objects.create(agent=shop.alice.agent, capacity=4)
    assert {row["username"]: row["capacity"] for row in listed(alice, "agents")}["alice"] == 4
    assert rows["charlie"]["departments"] == rows["charlie"]["channels"] == []
    assert [row["username"] for row in listed(alice, "agents", department="Sales")] == ["alice"]
    assert [row["username"] for row in listed(alice, "agents", channel=shop.channel.pk)] == ["alice"]
    shop.bob.is_active = False
    shop.bob.save(update_fields=["is_active"])
    assert {row["username"] for row in listed(alice, "agents")} == {"alice", "charlie"}


def test_departments_are_listed(shop: Shop, alice: APIClient) -> None:
    assert {row["name"] for row in listed(alice, "departments")} >= {"Sales"}
    [row] = [row for row in listed(alice, "departments") if row["name"] == "Sales"]
    assert alice.get(f"/api/v1/departments/{row['id']}/").json() == row
    defaults = {"on_reply": "ask", "mode": "off", "capacity": 10, "last_agent_first": True, "hand_back_minutes": None}
    assert row["assignment"] == defaults
    AssignmentSettings.objects.create(department_id=row["id"], mode="round_robin", hand_back_minutes=20)
    changed = alice.get(f"/api/v1/departments/{row['id']}/").json()["assignment"]
    assert changed == {**defaults, "mode": "round_robin", "hand_back_minutes": 20}


def test_canned_replies_of_every_and_of_the_own_department_are_listed(shop: Shop, alice: APIClient) -> None:
    for shortcut, department in (
        ("all", None),
        ("ours", shop.channel.department),
        ("theirs", factories.make_department()),
    ):
        CannedReply.objects.create(shortcut=shortcut, title=shortcut, text="Hi {{name}}", department=department)
    assert [row["shortcut"] for row in listed(alice, "canned-replies")] == ["all", "ours"]
    [row] = listed(alice, "canned-replies", department="Sales")
    assert (row["department"], row["text"]) == ("Sales", "Hi {{name}}")
    assert len(listed(client_of(factories.make_admin()), "canned-replies")) == 3


def test_contacts_are_those_of_the_conversations_one_may_see(
    shop: Shop, alice: APIClient, bob: APIClient, charlie: APIClient
) -> None:
    [row] = listed(alice, "contacts")
    contact = shop.conversation.contact
    assert (row["id"], row["psid"], row["name"], row["blocked"]) == (contact.pk, "7001", "Maria Lopez", False)
    assert row["page_id"] == shop.channel.page.page_id
    Contact.objects.filter(pk=contact.pk).update(email="rosa@example.org", phone="+49 170 1234567")
    row |= {"email": "rosa@example.org", "phone": "+49 170 1234567"}
    for name in ("lopez", "LÓPEZ mar", "Ｍaria", " maria, lopez "):
        assert listed(alice, "contacts", name=name) == [row], name
    for name in ("maria rosa", "example", "4917012", "opez", "%", ".", "maria nowhere"):
        assert listed(alice, "contacts", name=name) == [], name
    Contact.objects.filter(pk=contact.pk).update(email="", phone="")
    assert [row["id"] for row in listed(alice, "contacts", name="lop mari")] == [contact.pk]
    assert listed(bob, "contacts", name="lopez") == []
    assert listed(alice, "contacts", blocked="true") == listed(alice, "contacts", psid="7") == []
    address = f"/api/v1/contacts/{contact.pk}/"
    assert [client.get(address).status_code for client in (alice, bob, charlie)] == [200, 404, 404]
    assert listed(bob, "contacts") == []


@pytest.mark.parametrize("name", ["departments", "agents", "canned-replies", "contacts"])
def test_somebody_who_does_not_work_here_sees_nothing(shop: Shop, name: str) -> None:
    CannedReply.objects.create(shortcut="all", title="all", text="Hi")
    assert listed(client_of(factories.make_user("nobody")), name) == []
    assert APIClient().get(f"/api/v1/{name}/").status_code == 401


@pytest.mark.parametrize("name", ["departments", "agents", "canned-replies", "contacts"])
def test_the_number_of_queries_does_not_grow(
    shop: Shop, alice: APIClient, name: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        department = factories.make_department()
        factories.make_agent(departments=(department,), channels=(shop.channel,))
        factories.receive(factories.make_conversation(shop.channel))
        CannedReply.objects.create(shortcut=f"c{number}", title="x", text="x")
    with django_assert_max_num_queries(10):
        assert len(listed(alice, name)) >= 12


def test_conversations_are_searched_as_in_the_inbox(shop: Shop, alice: APIClient, bob: APIClient) -> None:
    factories.receive(factories.make_conversation(shop.channel, name="Tom"), "Parcel")
    found = listed(alice, "conversations", search="Where is my order")
    assert [row["id"] for row in found] == [shop.conversation.pk]
    assert [row["contact"]["name"] for row in listed(alice, "conversations", search="Tom")] == ["Tom"]
    assert [row["id"] for row in listed(alice, "conversations", search=f"#{shop.message.ticket_id}")] == [
        shop.conversation.pk
    ]
    assert listed(bob, "conversations", search="order") == []
    assert listed(alice, "conversations", search="nothing of the kind") == []
    assert alice.get("/api/v1/conversations/", {"search": "x" * 201}).status_code == 400


def test_a_view_of_the_inbox_narrows_the_list(shop: Shop, alice: APIClient) -> None:
    other = factories.make_conversation(shop.channel)
    factories.receive(other)
    other.assignee = shop.alice
    other.save(update_fields=["assignee"])
    assert [row["id"] for row in listed(alice, "conversations", view="mine")] == [other.pk]
    assert [row["id"] for row in listed(alice, "conversations", view="unassigned")] == [shop.conversation.pk]
    assert len(listed(alice, "conversations", waiting="true", status="open")) == 2
    assert listed(alice, "conversations", status="closed") == []
    assert alice.get("/api/v1/conversations/", {"view": "none"}).status_code == 400


@pytest.fixture
def admin(shop: Shop) -> APIClient:
    """A client of an administrator who may change preferences and is no agent."""
    user = User.objects.create_user("prefs", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_impreferences"))
    client = client_of(user)
    AuditEntry.objects.all().delete()  # its token was made
    return client


def test_an_administrator_changes_the_assignment(shop: Shop, admin: APIClient) -> None:
    address = f"/api/v1/departments/{shop.channel.department_id}/"
    values = {"on_reply": "never", "mode": "least_loaded", "capacity": 4, "hand_back_minutes": 30}
    answer = admin.patch(address, {"assignment": values}, format="json")
    assert (answer.status_code, answer.json()["assignment"]) == (200, {**values, "last_agent_first": True})
    off = admin.patch(address, {"assignment": {"hand_back_minutes": None}}, format="json")
    assert off.json()["assignment"] == {**values, "last_agent_first": True, "hand_back_minutes": None}
    said = list(AuditEntry.objects.order_by("pk").values_list("sentence", flat=True))
    assert len(said) == 5
    assert "Capacity of agents: 4 open conversations." in said
    agent = f"/api/v1/agents/{shop.alice.agent.pk}/"
    assert admin.patch(agent, {"capacity": 0}, format="json").json()["capacity"] == 0
    assert admin.patch(agent, {"capacity": None}, format="json").json()["capacity"] is None
    assert AuditEntry.objects.filter(sentence__startswith="Own capacity").count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"capacity": 0},
        {"capacity": 100_000},
        {"capacity": None},
        {"capacity": True},
        {"mode": "random"},
        {"on_reply": ["ask"]},
        {"hand_back_minutes": 0},
        {"hand_back_minutes": 1441},
        {"mode": "off", "last_agent_first": "perhaps"},
        [],
        None,
    ],
)
def test_an_assignment_that_makes_no_sense_changes_nothing(shop: Shop, admin: APIClient, wrong: Any) -> None:
    address = f"/api/v1/departments/{shop.channel.department_id}/"
    assert admin.patch(address, {"assignment": wrong}, format="json").status_code == 400
    assert not AssignmentSettings.objects.exists()
    wrong_ones: tuple[Any, ...] = (-1, 100_000, "x", True, [])
    for capacity in wrong_ones:
        agent = f"/api/v1/agents/{shop.alice.agent.pk}/"
        assert admin.patch(agent, {"capacity": capacity}, format="json").status_code == 400
    assert not AuditEntry.objects.exists()


def test_only_who_may_change_preferences_changes_the_assignment(shop: Shop, alice: APIClient) -> None:
    lead = User.objects.create_user("viewer", is_staff=True)
    lead.user_permissions.add(Permission.objects.get(codename="view_impreferences"))
    for client in (alice, client_of(lead)):
        for address, body in (
            (f"/api/v1/departments/{shop.channel.department_id}/", {"assignment": {"mode": "off"}}),
            (f"/api/v1/agents/{shop.alice.agent.pk}/", {"capacity": 100}),
        ):
            assert client.patch(address, body, format="json").status_code == 403
    assert not AssignmentSettings.objects.exists()
    assert not Availability.objects.exists()
