"""Actions on conversations, messages and notes through the API follow the rules of the pages."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from tests import factories
from tests.factories import NOON
from tests.http import ApiResponse
from tests.matching import present
from tickets.models import Conversation, Message, ThreadControlRequest, Ticket

from .conftest import Shop, client_of

ACTIONS = ["assign", "take", "transfer", "close", "reopen", "block", "unblock", "read", "unread", "export"]
ACTIONS += ["take_control", "request_control", "snooze", "wake", "preview_macro", "run_macro"]
CHOICES = ["retry", "send_as_two", "release", "resend", "arrived", "cancel", "react"]


@pytest.fixture(autouse=True)
def _an_hour_later() -> Iterator[None]:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        yield


def act(client: APIClient, shop: Shop, action: str, **fields: Any) -> ApiResponse:
    return client.post(f"/api/v1/conversations/{shop.conversation.pk}/{action}/", fields, format="json")


def settle(client: APIClient, message: Message, choice: str, **fields: Any) -> ApiResponse:
    return client.post(f"/api/v1/messages/{message.pk}/{choice}/", fields, format="json")


def write_note(client: APIClient, shop: Shop, text: str = "Call her back", **fields: Any) -> ApiResponse:
    headers = fields.pop("headers", {})
    body = {"conversation": shop.conversation.pk, "text": text, **fields}
    return client.post("/api/v1/notes/", body, format="json", headers=headers)


def delete_the_channel(shop: Shop) -> None:
    shop.channel.is_active, shop.channel.deleted_at = False, NOON
    shop.channel.save(update_fields=["is_active", "deleted_at"])


def marks(shop: Shop) -> list[str]:
    """What the thread shows of the work done."""
    events = Message.objects.filter(conversation=shop.conversation, kind="event").order_by("id")
    return [present(event.card)["kind"] for event in events]


# --- Conversations ----------------------------------------------------------------------------------------------------
def test_a_conversation_is_assigned_and_given_back_to_nobody(shop: Shop, alice: APIClient) -> None:
    colleague = factories.make_agent("dora", channels=(shop.channel,))
    answer = act(alice, shop, "assign", assignee="dora")
    assert (answer.status_code, answer.json()["assignee"]) == (200, "dora")
    assert Ticket.objects.get().assignee == colleague
    assert act(alice, shop, "assign", assignee=None).json()["assignee"] is None
    assert marks(shop) == ["assigned", "assigned"]


def test_a_conversation_is_snoozed_until_a_time_or_a_reply_and_woken(shop: Shop, alice: APIClient) -> None:
    factories.receive(shop.conversation)
    until = "2026-12-01T09:00:00+01:00"
    body = act(alice, shop, "snooze", until=until).json()
    assert (body["snoozed"], body["snoozed_until"]) == (True, "2026-12-01T08:00:00.000Z")
    body = act(alice, shop, "snooze", until_reply=True).json()
    assert (body["snoozed"], body["snoozed_until"]) == (True, None)
    assert [row["id"] for row in alice.get("/api/v1/conversations/?view=snoozed").json()["results"]] == [
        shop.conversation.pk
    ]
    assert act(alice, shop, "wake").json()["snoozed"] is False
    assert marks(shop) == ["snoozed", "snoozed", "woken"]
    assert [
        act(alice, shop, "snooze", **body).status_code
        for body in ({}, {"until": "soon"}, {"until": until, "until_reply": True}, {"until": "2025-01-01T00:00:00Z"})
    ] == [400, 400, 400, 409]


def test_taking_twice_is_taking_once(shop: Shop, alice: APIClient) -> None:
    for _ in range(2):
        assert act(alice, shop, "take").json()["assignee"] == "alice"
    assert marks(shop) == ["assigned"]


def test_nobody_is_given_what_they_do_not_answer(shop: Shop, alice: APIClient) -> None:
    answer = act(alice, shop, "assign", assignee="bob")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_associated")
    assert marks(shop) == []


@pytest.mark.parametrize("fields", [{}, {"assignee": "nobody-of-this-name"}, {"assignee": ["alice"]}])
def test_an_assignee_who_makes_no_sense_is_refused_with_a_sentence(
    shop: Shop, alice: APIClient, fields: dict[str, Any]
) -> None:
    answer = act(alice, shop, "assign", **fields)
    assert answer.status_code == 400
    [sentence] = answer.json()["assignee"]
    assert sentence.endswith(".")


def test_a_transfer_to_a_department_takes_it_away_from_who_is_not_of_it(shop: Shop) -> None:
    returns = factories.make_department("Returns")
    dora = factories.make_agent("dora", departments=(returns,))
    shop.conversation.assignee = shop.charlie
    shop.conversation.save(update_fields=["assignee"])
    answer = act(client_of(shop.charlie), shop, "transfer", department="Returns", note="Refund, please")
    assert (answer.status_code, answer.content) == (204, b"")
    row = client_of(dora).get(f"/api/v1/conversations/{shop.conversation.pk}/").json()
    assert (row["department"], row["assignee"]) == ("Returns", None)
    assert Message.objects.get(kind="note").text == "Refund, please"


def test_a_transfer_to_an_agent_leaves_the_note_or_nothing(shop: Shop, alice: APIClient) -> None:
    factories.make_agent("dora", channels=(shop.channel,))
    refused = act(alice, shop, "transfer", assignee="bob", note="Yours")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_associated")
    too_long = act(alice, shop, "transfer", assignee="dora", note="x" * 20_001)
    assert (too_long.status_code, too_long.json()["code"]) == (422, "text_too_long")
    shop.conversation.refresh_from_db()
    assert (shop.conversation.assignee, marks(shop)) == (None, [])
    assert act(alice, shop, "transfer", assignee="dora", note="Yours").json()["assignee"] == "dora"
    assert Message.objects.get(kind="note").text == "Yours"


@pytest.mark.parametrize("fields", [{}, {"department": "Sales", "assignee": "alice"}, {"department": "No such"}])
def test_a_transfer_names_one_goal_that_exists(shop: Shop, alice: APIClient, fields: dict[str, Any]) -> None:
    assert act(alice, shop, "transfer", **fields).status_code == 400
    assert marks(shop) == []


def test_a_transfer_to_where_it_is_already_is_refused_with_its_reason(shop: Shop, alice: APIClient) -> None:
    answer = act(alice, shop, "transfer", department="Sales")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible")


@pytest.mark.parametrize(("action", "kind"), [("take_control", "take"), ("request_control", "request")])
def test_control_is_requested_only_from_another_app(shop: Shop, alice: APIClient, action: str, kind: str) -> None:
    refused = act(alice, shop, action)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_possible")
    Conversation.objects.update(thread_owner_app_id="222")
    answer = act(alice, shop, action)
    assert (answer.status_code, answer.json()["thread_owner"]) == (200, "222")
    row = ThreadControlRequest.objects.get()
    assert (row.action, row.state, row.author) == (kind, "waiting", shop.alice)


def test_a_ticket_is_closed_and_reopened_once(shop: Shop, alice: APIClient) -> None:
    for _ in range(2):
        assert act(alice, shop, "close").status_code == 200
    ticket = f"/api/v1/tickets/{shop.message.ticket_id}/"
    assert (alice.get(ticket).json()["status"], alice.get(ticket).json()["closed_at"]) == (
        "closed",
        "2026-11-20T13:00:00.000Z",
    )
    for _ in range(2):
        assert act(alice, shop, "reopen").status_code == 200
    assert alice.get(ticket).json()["status"] == "open"
    assert marks(shop) == ["closed", "reopened"]


def test_a_person_is_blocked_and_no_reply_goes_out_until_they_are_not(shop: Shop, alice: APIClient) -> None:
    assert act(alice, shop, "block").json()["contact"]["blocked"] is True
    reply = alice.post("/api/v1/messages/", {"conversation": shop.conversation.pk, "text": "Hi"}, format="json")
    assert (reply.status_code, reply.json()["code"]) == (409, "contact_blocked")
    assert act(alice, shop, "unblock").json()["contact"]["blocked"] is False
    assert marks(shop) == ["blocked", "unblocked"]


def test_a_conversation_is_read_up_to_a_message_and_unread_again(shop: Shop, alice: APIClient) -> None:
    factories.receive(shop.conversation, "And?", at=NOON + timedelta(minutes=1))
    assert act(alice, shop, "read", upto=shop.message.pk).json()["unread"] == 1
    assert act(alice, shop, "read").json()["unread"] == 0
    assert act(alice, shop, "unread").json()["unread"] == 1
    elsewhere = factories.receive(factories.make_conversation(shop.channel))
    assert list(act(alice, shop, "read", upto=elsewhere.pk).json()) == ["upto"]


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("assign", {"assignee": "alice"}),
        ("take", {}),
        ("transfer", {"department": "Returns"}),
        ("transfer", {"assignee": "alice"}),
        ("block", {}),
        ("unblock", {}),
    ],
)
def test_a_deleted_channels_conversation_is_read_only(
    shop: Shop, alice: APIClient, action: str, fields: dict[str, Any]
) -> None:
    factories.make_department("Returns")
    delete_the_channel(shop)
    answer = act(alice, shop, action, **fields)
    assert (answer.status_code, answer.json()["code"]) == (409, "channel_deleted")
    assert answer.json()["detail"].endswith(".")
    shop.conversation.refresh_from_db()
    assert (shop.conversation.assignee_id, shop.conversation.department.name) == (None, "Sales")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_a_stranger_finds_no_conversation_to_work_on(shop: Shop, who: str, action: str) -> None:
    stranger = client_of(getattr(shop, who))
    hidden = act(stranger, shop, action, assignee=who, department="Sales")
    missing = stranger.post(f"/api/v1/conversations/987654/{action}/", {"assignee": who}, format="json")
    assert (hidden.status_code, hidden.json()) == (404, missing.json())
    shop.conversation.refresh_from_db()
    assert (shop.conversation.assignee_id, shop.conversation.unread_count, marks(shop)) == (None, 1, [])


@pytest.mark.parametrize("action", ACTIONS)
def test_work_is_a_post_with_a_token(shop: Shop, alice: APIClient, client: Client, action: str) -> None:
    address = f"/api/v1/conversations/{shop.conversation.pk}/{action}/"
    assert alice.get(address).status_code == 405
    client.force_login(shop.alice)
    assert client.post(address).status_code == 401


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "{", "null"])
def test_a_body_that_is_no_object_is_refused_with_a_sentence(shop: Shop, alice: APIClient, body: str) -> None:
    for action in ("assign", "transfer", "read"):
        address = f"/api/v1/conversations/{shop.conversation.pk}/{action}/"
        answer = alice.post(address, body, content_type="application/json")
        assert answer.status_code == 400, (action, answer.content)


# --- Notes ------------------------------------------------------------------------------------------------------------
def test_a_note_is_written_and_read_among_the_messages(shop: Shop, alice: APIClient) -> None:
    answer = write_note(alice, shop)
    assert answer.status_code == 201
    row = answer.json()
    assert (row["kind"], row["author"], row["text"]) == ("note", "alice", "Call her back")
    assert alice.get(f"/api/v1/messages/{row['id']}/").json() == row


@pytest.mark.parametrize("key", ["note-1", "k" * 255])
def test_the_same_key_twice_is_one_note_and_no_reply(shop: Shop, alice: APIClient, key: str) -> None:
    reply = {"conversation": shop.conversation.pk, "text": "On its way", "client_key": key}
    alice.post("/api/v1/messages/", reply, format="json")
    first = write_note(alice, shop, headers={"Idempotency-Key": key})
    second = write_note(alice, shop, client_key=key)
    assert first.json() == second.json()
    assert first.json()["kind"] == "note"
    assert Message.objects.filter(kind="note").count() == 1


@pytest.mark.parametrize(("text", "code"), [(" \n", "text_blank"), ("x" * 20_001, "text_too_long")])
def test_a_note_that_cannot_be_kept_is_refused(shop: Shop, alice: APIClient, text: str, code: str) -> None:
    answer = write_note(alice, shop, text)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not Message.objects.filter(kind="note").exists()


def test_a_stranger_writes_no_note(shop: Shop, bob: APIClient) -> None:
    assert write_note(bob, shop).status_code == 404
    assert not Message.objects.filter(kind="note").exists()


# --- Messages ---------------------------------------------------------------------------------------------------------
def test_a_failed_reply_is_sent_again_once(shop: Shop, alice: APIClient) -> None:
    message = factories.answer(shop.conversation, "Soon", state="failed", author=shop.alice, reason="It failed.")
    answer = settle(alice, message, "retry")
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "queued", None)
    again = settle(alice, message, "retry")
    assert (again.status_code, again.json()["code"]) == (409, "not_possible")


def test_a_held_reply_is_released_when_its_reason_is_gone(shop: Shop, alice: APIClient) -> None:
    message = factories.answer(shop.conversation, "Soon", state="held", author=shop.alice)
    act(alice, shop, "block")
    refused = settle(alice, message, "release")
    assert (refused.status_code, refused.json()["code"]) == (409, "contact_blocked")
    act(alice, shop, "unblock")
    assert settle(alice, message, "release").json()["state"] == "queued"


@pytest.mark.parametrize(("state", "choice"), [("failed", "retry"), ("held", "release"), ("unsure", "resend")])
def test_what_somebody_answered_since_is_named_before_a_reply_goes_out(
    shop: Shop, alice: APIClient, state: str, choice: str
) -> None:
    message = factories.answer(shop.conversation, "Soon", state=state, author=shop.alice)
    other = factories.answer(shop.conversation, "Never", author=factories.make_agent("dora"))
    asked = settle(alice, message, choice)
    assert (asked.status_code, asked.json()["code"], asked.json()["message"]) == (409, "answered_meanwhile", other.pk)
    assert asked.json()["detail"].startswith("dora replied on 20 November 2026 at 12:00 UTC, after this reply was")
    assert settle(alice, message, choice, seen=message.pk).status_code == 409
    assert Message.objects.get(pk=message.pk).state == state
    assert settle(alice, message, choice, seen=other.pk).json()["state"] == "queued"


@pytest.mark.parametrize("seen", [-1, "x", 2**63, [1]])
def test_what_no_message_can_be_was_not_seen(shop: Shop, alice: APIClient, seen: object) -> None:
    message = factories.answer(shop.conversation, "Soon", state="failed", author=shop.alice)
    answer = settle(alice, message, "retry", seen=seen)
    assert (answer.status_code, list(answer.json())) == (400, ["seen"])


def test_an_unsure_reply_is_settled_by_the_programs_word(shop: Shop, alice: APIClient) -> None:
    arrived = factories.answer(shop.conversation, "One", state="unsure", author=shop.alice)
    lost = factories.answer(shop.conversation, "Two", state="unsure", author=shop.alice)
    assert settle(alice, arrived, "arrived").json()["state"] == "sent"
    assert settle(alice, lost, "resend").json()["state"] == "queued"


@pytest.mark.parametrize("state", ["queued", "held", "failed"])
def test_a_reply_that_has_not_gone_out_is_cancelled(shop: Shop, alice: APIClient, state: str) -> None:
    message = factories.answer(shop.conversation, "Soon", state=state, author=shop.alice)
    answer = settle(alice, message, "cancel")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not Message.objects.filter(pk=message.pk).exists()
    assert settle(alice, message, "cancel").status_code == 404


@pytest.mark.parametrize("state", ["sending", "sent", "read", "unsure"])
def test_what_may_have_gone_out_cannot_be_cancelled(shop: Shop, alice: APIClient, state: str) -> None:
    message = factories.answer(shop.conversation, "Soon", state=state, author=shop.alice)
    answer = settle(alice, message, "cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible")
    assert Message.objects.filter(pk=message.pk).exists()


@pytest.mark.parametrize("choice", ["retry", "release", "resend", "arrived", "cancel"])
def test_what_the_customer_wrote_is_not_ours_to_settle(shop: Shop, alice: APIClient, choice: str) -> None:
    assert settle(alice, shop.message, choice).status_code == 409
    assert Message.objects.get(pk=shop.message.pk).state == "received"


def test_a_reaction_is_requested(shop: Shop, alice: APIClient) -> None:
    assert settle(alice, shop.message, "react", emoji="❤").status_code == 200
    assert shop.message.page_reaction.emoji == "❤"
    refused = settle(alice, shop.message, "react", emoji="no emoji")
    assert refused.status_code == 409
    assert list(settle(alice, shop.message, "react").json()) == ["emoji"]


@pytest.mark.parametrize("choice", CHOICES)
def test_a_stranger_finds_no_message_to_settle(shop: Shop, bob: APIClient, choice: str) -> None:
    message = factories.answer(shop.conversation, "Soon", state="failed", author=shop.alice)
    assert settle(bob, message, choice, emoji="❤").status_code == 404
    assert Message.objects.get(pk=message.pk).state == "failed"


def test_a_reply_may_be_held_until_the_customer_writes(shop: Shop, alice: APIClient) -> None:
    body = {"conversation": shop.conversation.pk, "text": "Still interested?", "hold": True}
    with time_machine.travel(NOON + timedelta(days=8), tick=False):
        [row] = alice.post("/api/v1/messages/", body, format="json").json()["results"]
        assert row["state"] == "held"
        act(alice, shop, "block")
        blocked = alice.post("/api/v1/messages/", body, format="json")
    assert (blocked.status_code, blocked.json()["code"]) == (409, "contact_blocked")


# --- How often --------------------------------------------------------------------------------------------------------
def test_a_throttled_client_reads_when_to_retry(
    shop: Shop, alice: APIClient, bob: APIClient, settings: Settings
) -> None:
    settings.DESK_API_RATE = "3/hour"
    assert [alice.get("/api/v1/channels/").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = alice.get("/api/v1/channels/")
    assert int(answer["Retry-After"]) > 0
    assert answer.json()["detail"]
    assert bob.get("/api/v1/channels/").status_code == 200


@pytest.mark.parametrize("action", ["take", "close", "reopen", "block", "unread"])
def test_the_number_of_queries_does_not_grow_with_the_thread(
    shop: Shop, alice: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries, action: str
) -> None:
    for number in range(40):
        factories.receive(shop.conversation, str(number), at=NOON + timedelta(minutes=number))
    with django_assert_max_num_queries(40):
        assert act(alice, shop, action).status_code == 200


def test_the_answer_is_json_also_for_odd_ids(alice: APIClient) -> None:
    for pk in ("0", "abc", str(2**63), "9" * 40):
        answer = alice.post(f"/api/v1/conversations/{pk}/take/", json.dumps({}), content_type="application/json")
        assert (answer.status_code, list(answer.json())) == (404, ["detail"])
