"""Macros through the API: managing them, a preview, and a run that a repeated request does not repeat."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from desk.models import User
from tests import factories
from tickets.models import ApiToken, Label, Macro, Message, Ticket

from .conftest import Shop, client_of

MACROS = "/api/v1/macros/"


@pytest.fixture
def manager(shop: Shop) -> APIClient:
    """Alice, who may also manage macros."""
    shop.alice.user_permissions.set(Permission.objects.filter(codename__endswith="_macro"))
    User.objects.filter(pk=shop.alice.pk).update(is_staff=True)
    return client_of(User.objects.get(pk=shop.alice.pk))


def macro(*stored: dict[str, Any], name: str = "Refund", **fields: Any) -> Macro:
    acts = list(stored) or [{"do": "reply", "text": "Dear {{first_name}}"}, {"do": "close"}]
    return Macro.objects.create(name=name, key=name.casefold(), actions=acts, **fields)


def test_a_macro_is_created_changed_and_deleted(shop: Shop, manager: APIClient) -> None:
    refund = Label.objects.create(name="Refund", key="refund")
    acts = [
        {"do": "assign", "to": "department", "department": "Sales"},
        {"do": "assign", "to": "agent", "agent": "alice"},
        {"do": "add_labels", "labels": [refund.pk]},
        {"do": "snooze", "value": "tomorrow"},
    ]
    made = manager.post(MACROS, {"name": " Give  back ", "actions": acts}, format="json")
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["name"], row["actions"], row["problems"], row["personal"]) == ("Give back", acts, [], False)
    unordered = [{"do": "close"}, {"do": "reply", "text": "Bye"}]
    wrong = manager.post(MACROS, {"name": "x", "actions": unordered}, format="json")
    assert (wrong.status_code, wrong.json()) == (400, {"actions": ["Action 2: Put the reply before “Close”."]})
    renamed = manager.patch(f"{MACROS}{row['id']}/", {"name": "Back", "department": "Sales"}, format="json")
    assert renamed.json() == {**row, "name": "Back", "department": "Sales"}
    refund.delete()
    listed = manager.get(MACROS, {"name": "BACK"}).json()["results"]
    assert [one["problems"] for one in listed] == [["The label “Refund” was deleted."]]
    assert manager.delete(f"{MACROS}{row['id']}/").status_code == 204
    assert not Macro.objects.exists()


def test_who_may_not_manage_macros_changes_only_their_own(shop: Shop, alice: APIClient) -> None:
    shared, own = macro(), macro(name="Mine", owner=shop.alice)
    foreign = macro(name="Other", department=factories.make_department("Returns"))
    of_bob = macro(name="Bob's", owner=shop.bob)
    assert [row["id"] for row in alice.get(MACROS).json()["results"]] == [shared.pk, own.pk]
    for one, code in ((shared, 403), (foreign, 404), (of_bob, 404)):
        assert alice.patch(f"{MACROS}{one.pk}/", {"name": "New"}, format="json").status_code == code
        assert alice.delete(f"{MACROS}{one.pk}/").status_code == code
    assert alice.post(MACROS, {"name": "New", "actions": [{"do": "close"}]}, format="json").status_code == 403
    assert alice.patch(f"{MACROS}{own.pk}/", {"name": "New"}, format="json").json()["name"] == "New"
    assert alice.delete(f"{MACROS}{own.pk}/").status_code == 204


def test_a_preview_and_a_run_that_is_not_repeated(shop: Shop, alice: APIClient) -> None:
    factories.receive(shop.conversation, "Hello?", timezone.now())
    address, one = f"/api/v1/conversations/{shop.conversation.pk}", macro()
    preview = alice.post(f"{address}/preview_macro/", {"macro": one.pk}, format="json").json()
    assert (preview["possible"], [step["do"] for step in preview["steps"]]) == (True, ["reply", "close"])
    assert preview["steps"][0]["text"] == "Dear Maria"
    assert not Message.objects.filter(direction="out").exists()
    runs = [
        alice.post(f"{address}/run_macro/", {"macro": one.pk}, format="json", headers={"Idempotency-Key": "k:1"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in runs] == [200, 200]
    assert runs[0].json() == runs[1].json()
    reply = Message.objects.get(direction="out", kind="message")
    assert (runs[0].json()["messages"], reply.text) == ([reply.pk], "Dear Maria")
    shop.conversation.refresh_from_db()
    assert not shop.conversation.is_open


def test_a_refused_run_does_nothing_and_says_why(shop: Shop, alice: APIClient, bob: APIClient) -> None:
    address = f"/api/v1/conversations/{shop.conversation.pk}"
    one = macro({"do": "priority", "value": "high"}, {"do": "assign", "to": "agent", "id": shop.charlie.pk})
    refused = alice.post(f"{address}/run_macro/", {"macro": one.pk}, format="json")
    assert (refused.status_code, "charlie is an agent neither" in refused.json()["detail"]) == (409, True)
    assert Ticket.objects.get().priority == "normal"
    of_bob = macro(name="Bob's", owner=shop.bob)
    assert alice.post(f"{address}/run_macro/", {"macro": of_bob.pk}, format="json").status_code == 400
    assert bob.post(f"{address}/run_macro/", {"macro": of_bob.pk}, format="json").status_code == 404


def test_a_token_that_may_not_write_runs_no_macro_that_writes(shop: Shop, alice: APIClient) -> None:
    ApiToken.objects.update(scopes=["read", "manage"])
    address = f"/api/v1/conversations/{shop.conversation.pk}/run_macro/"
    writes, closes = macro(), macro({"do": "close"}, name="Close")
    assert alice.post(address, {"macro": writes.pk}, format="json").status_code == 403
    assert alice.post(address, {"macro": closes.pk}, format="json").status_code == 200
    ApiToken.objects.update(scopes=["read", "reply"])
    assert alice.post(address, {"macro": closes.pk}, format="json").status_code == 403
