"""ETags: what was read need not be sent again, and a change of an older state is refused."""

import pytest
from django.core.cache import caches
from rest_framework.test import APIClient

from tests import factories
from tickets.models import CannedReply, Ticket

from .conftest import Shop


@pytest.mark.parametrize("address", ["conversations/", "conversations/{}/", "messages/?page_size=1"])
def test_what_has_not_changed_is_answered_without_a_body(shop: Shop, alice: APIClient, address: str) -> None:
    url = f"/api/v1/{address.format(shop.conversation.pk)}"
    etag = alice.get(url)["ETag"]
    for tag in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        same = alice.get(url, headers={"If-None-Match": tag})
        assert (same.status_code, same.content, same["ETag"]) == (304, b"", etag)
    factories.receive(shop.conversation, "One more thing")
    changed = alice.get(url, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed["ETag"] != etag


def test_of_two_who_change_what_they_read_the_second_is_told(shop: Shop, alice: APIClient) -> None:
    ticket = Ticket.objects.get()
    url = f"/api/v1/tickets/{ticket.pk}/"
    etag = alice.get(url)["ETag"]
    first = alice.patch(url, {"priority": "high"}, format="json", headers={"If-Match": etag})
    assert first.status_code == 200, first.content
    second = alice.patch(url, {"priority": "low"}, format="json", headers={"If-Match": etag})
    assert second.status_code == 412
    assert second.json()["detail"].startswith("Somebody has changed this since you read it. Nothing was saved")
    ticket.refresh_from_db()
    assert ticket.priority == "high"
    again = alice.patch(url, {"priority": "low"}, format="json", headers={"If-Match": alice.get(url)["ETag"]})
    assert again.json()["priority"] == "low"
    assert alice.patch(url, {"priority": "low"}, format="json", headers={"If-Match": "nonsense"}).status_code == 400


def test_the_etag_of_an_indented_answer_is_taken(shop: Shop, alice: APIClient) -> None:
    url = f"/api/v1/tickets/{Ticket.objects.get().pk}/"
    indented = alice.get(url, headers={"Accept": "application/json; indent=4"})
    assert b"\n    " in indented.content
    changed = alice.patch(url, {"priority": "high"}, format="json", headers={"If-Match": indented["ETag"]})
    assert changed.status_code == 200, changed.content


def test_a_refused_change_with_an_etag_says_why(shop: Shop, charlie: APIClient) -> None:
    reply = CannedReply.objects.create(shortcut="mine", title="Mine", text="Hi", owner=shop.charlie)
    url = f"/api/v1/canned-replies/{reply.pk}/"
    etag = charlie.get(url)["ETag"]
    answer = charlie.patch(url, {"text": " "}, format="json", headers={"If-Match": etag})
    assert (answer.status_code, list(answer.json())) == (400, ["text"])
    assert charlie.patch(url, {"text": "Ho"}, format="json", headers={"If-Match": "*"}).json()["text"] == "Ho"


def test_over_the_rate_the_client_is_told_when_to_come_again(shop: Shop, alice: APIClient, settings: object) -> None:
    settings.DESK_API_RATE = "1/min"  # type: ignore[attr-defined]
    caches["api"].clear()
    answers = [alice.get("/api/v1/departments/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert all(int(answer["Retry-After"]) >= 1 for answer in answers[1:])
