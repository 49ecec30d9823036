"""Saved views through the API, and the filters of the list of conversations."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from tests import factories
from tickets.models import Conversation, Label, SavedView, Ticket
from tickets.rules.sending import Refusal

from .conftest import Shop, client_of

VIEWS = "/api/v1/views/"


def create(client: APIClient, **fields: Any) -> Any:
    return client.post(VIEWS, {"name": "Urgent", **fields}, format="json")


def test_a_view_is_created_listed_changed_ordered_and_deleted(shop: Shop, alice: APIClient) -> None:
    made = create(alice, filter={"priority": ["urgent", "high"], "unread": True}, base="open", order="waiting")
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    expected = {
        "id": pk,
        "name": "Urgent",
        "audience": "me",
        "department": None,
        "base": "open",
        "filter": {"priority": ["high", "urgent"], "unread": ["yes"]},
        "order": "waiting",
        "position": 0,
        "version": 1,
    }
    assert made.json() == expected
    assert alice.get(VIEWS).json()["results"] == [expected]
    other = create(alice, name="Other").json()["id"]
    changed = alice.patch(f"{VIEWS}{pk}/", {"name": "Later", "filter": {}, "position": 1, "version": 1}, format="json")
    assert changed.json() == {**expected, "name": "Later", "filter": {}, "position": 1, "version": 2}
    assert alice.get(f"{VIEWS}{other}/").json()["position"] == 0
    late = alice.patch(f"{VIEWS}{pk}/", {"name": "Too late", "version": 1}, format="json")
    assert (late.status_code, late.json()["code"]) == (409, "changed_meanwhile")
    assert late.json()["code"] in set(Refusal), "the description lists it"
    assert alice.delete(f"{VIEWS}{pk}/").status_code == 204
    assert alice.get(f"{VIEWS}{pk}/").status_code == 404


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"filter": {"colour": "red"}}, "filter"),
        ({"filter": {"since": "yesterday"}}, "filter"),
        ({"filter": ["unread"]}, "filter"),
        ({"filter": {"label": {"id": 1}}}, "filter"),
        ({"base": "nonsense"}, "base"),
        ({"order": "nonsense"}, "order"),
        ({"audience": "department"}, "department"),
        ({"department": "Sales"}, "department"),
    ],
)
def test_what_cannot_be_saved_is_refused_by_field(
    shop: Shop, alice: APIClient, fields: dict[str, Any], field: str
) -> None:
    answer = create(alice, **fields)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert not SavedView.objects.exists()


def test_sharing_needs_the_permission_and_others_views_stay_theirs(shop: Shop, alice: APIClient) -> None:
    assert create(alice, audience="everybody").status_code == 403
    assert create(alice, audience="department", department="Sales").status_code == 403
    shop.bob.user_permissions.add(Permission.objects.get(codename="share_savedview"))
    bob = client_of(shop.bob)
    shared = create(bob, audience="everybody").json()["id"]
    assert create(bob, audience="department", department="Sales").json()["department"] == "Sales"
    own = create(bob).json()["id"]
    assert {row["audience"] for row in alice.get(VIEWS).json()["results"]} == {"everybody", "department"}
    assert alice.patch(f"{VIEWS}{shared}/", {"name": "Mine"}, format="json").status_code == 403
    assert alice.delete(f"{VIEWS}{shared}/").status_code == 403
    assert alice.get(f"{VIEWS}{own}/").status_code == 404
    assert alice.get(f"/api/v1/conversations/?view={own}").status_code == 400
    reader = APIClient()
    reader.credentials(HTTP_AUTHORIZATION=f"Token {factories.make_token(shop.alice, 'read')}")
    assert create(reader).status_code == 403


def test_conversations_are_filtered_as_in_the_inbox(shop: Shop, alice: APIClient) -> None:
    pk, ticket = shop.conversation.pk, Ticket.objects.get(pk=Conversation.objects.get().current_ticket_id or 0)
    bug = Label.objects.create(name="Bug", key="bug")
    ticket.labels.add(bug)
    Ticket.objects.filter(pk=ticket.pk).update(priority="high")
    view = create(alice, filter={"label": bug.pk}).json()["id"]

    def found(query: str) -> list[int]:
        answer = alice.get(f"/api/v1/conversations/?{query}")
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    for query in (f"label={bug.pk}", "priority=low,high", "window=closed", "snoozed=false", "waiting_for=1h"):
        assert found(query) == [pk], query
    for query in (f"view={view}", "view=open", "opened_since=2026-01-01", "opened_until=1d"):
        assert found(query) == [pk], query
    for query in ("priority=urgent", "window=open", "snoozed=true", "opened_until=2026-01-01", "label=999"):
        assert found(query) == [], query


@pytest.mark.parametrize(
    "query", ["view=nonsense", "view=999", "label=bug", "priority=huge", "window=x", "snoozed=x", "waiting_for=soon"]
)
def test_a_bad_filter_is_answered_with_a_sentence(shop: Shop, alice: APIClient, query: str) -> None:
    answer = alice.get(f"/api/v1/conversations/?{query}")
    assert (answer.status_code, list(answer.json())) == (400, [query.split("=")[0]])
