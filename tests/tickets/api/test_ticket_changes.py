"""Splitting, merging and relating tickets through the API."""

from datetime import timedelta
from typing import Any

from rest_framework.test import APIClient

from tests import factories
from tests.factories import NOON
from tests.matching import present
from tickets.models import Ticket

from .conftest import Shop

MINUTE = timedelta(minutes=1)


def post(client: APIClient, number: int, action: str, **fields: Any) -> Any:
    return client.post(f"/api/v1/tickets/{number}/{action}/", fields, format="json")


def number_of(shop: Shop) -> int:
    shop.conversation.refresh_from_db()
    return present(shop.conversation.current_ticket_id)


def test_a_ticket_is_split_merged_and_put_back(shop: Shop, alice: APIClient) -> None:
    second = factories.receive(shop.conversation, "Another matter", NOON + MINUTE)
    old = number_of(shop)
    made = post(alice, old, "split", message=second.pk)
    assert (made.status_code, made.json()["subject"]) == (200, "Another matter")
    new = made.json()["number"]
    assert alice.get(f"/api/v1/messages/{second.pk}/").json()["ticket"] == new
    merged = post(alice, new, "merge")
    assert (merged.status_code, merged.json()["number"]) == (200, old)
    assert alice.get(f"/api/v1/tickets/{new}/").status_code == 404
    assert post(alice, old, "undo").json()["number"] == new  # of the merge
    assert post(alice, old, "undo").json()["number"] == old  # of the split
    nothing = post(alice, old, "undo")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "not_possible")
    assert Ticket.objects.count() == 1


def test_each_open_ticket_of_a_conversation_is_closed_and_reopened(
    shop: Shop, alice: APIClient, bob: APIClient
) -> None:
    old = number_of(shop)
    second = factories.receive(shop.conversation, "Another matter", NOON + MINUTE)
    new = post(alice, old, "split", message=second.pk).json()["number"]

    def states() -> tuple[str, str, str]:
        conversation = alice.get(f"/api/v1/conversations/{shop.conversation.pk}/").json()
        tickets = [alice.get(f"/api/v1/tickets/{number}/").json()["status"] for number in (old, new)]
        return (tickets[0], tickets[1], conversation["status"])

    closed = post(alice, old, "close")
    assert (closed.status_code, closed.json()["number"], closed.json()["status"]) == (200, old, "closed")
    assert states() == ("closed", "open", "open")
    assert post(alice, old, "close").status_code == 200  # again
    post(alice, old, "reopen")
    assert states() == ("open", "open", "open")
    post(alice, new, "close")
    assert states() == ("open", "closed", "closed")
    assert [post(bob, number, action).status_code for number in (old, new) for action in ("close", "reopen")] == [
        404
    ] * 4


def test_what_is_not_possible_is_said(shop: Shop, alice: APIClient, bob: APIClient) -> None:
    number = number_of(shop)
    assert post(alice, number, "split", message=shop.message.pk).status_code == 409
    assert post(alice, number, "split", message=0).status_code == 400
    assert post(alice, number, "split", message=2**62).json() == {
        "message": ["There is no such message in this ticket."]
    }
    assert post(alice, number, "merge").json()["detail"] == "There is no ticket before this one in the conversation."
    assert [post(bob, number, action).status_code for action in ("split", "merge", "undo", "related")] == [404] * 4


def test_tickets_are_related_both_ways(shop: Shop, alice: APIClient) -> None:
    other = factories.make_conversation(shop.channel)
    factories.receive(other)
    first, second = number_of(shop), present(other.current_ticket_id)
    assert [row["number"] for row in post(alice, first, "related", ticket=second).json()] == [second]
    assert [row["number"] for row in alice.get(f"/api/v1/tickets/{second}/related/").json()] == [first]
    refused = post(alice, first, "related", ticket=second + 1000)
    assert (refused.status_code, list(refused.json())) == (400, ["ticket"])
    assert post(alice, first, "unrelate", ticket=second).status_code == 204
    assert alice.get(f"/api/v1/tickets/{second}/related/").json() == []


def test_tickets_are_searched_and_sorted_by_their_last_message(shop: Shop, alice: APIClient) -> None:
    other = factories.make_conversation(shop.channel, name="Ólafur")
    factories.receive(other, "A question", NOON + MINUTE)
    first, second = number_of(shop), present(other.current_ticket_id)

    def found(**query: str) -> list[int]:
        return [row["number"] for row in alice.get("/api/v1/tickets/", query).json()["results"]]

    assert found(ordering="-last_message_at") == [second, first]
    assert (found(search="olafur"), found(search=f"#{first}"), found(search="order")) == ([second], [first], [first])
