"""The cards of events: who controls the thread, what the customer agreed to, calls."""

import json
from typing import Any

import pytest

from channels_im.messenger.events import Card, cards_for, parse_delivery
from tests.channels_im.messenger.deliveries import PAGE, delivery, item

OURS = "4242"


def card(raw: Any) -> Card:
    (event,) = parse_delivery(delivery(raw))
    (found,) = cards_for(event, own_app_id=OURS)
    return found


# --- Thread control ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "unnamed", [{}, {"new_owner_app_id": None}, {"new_owner_app_id": ""}, {"new_owner_app_id": []}]
)
@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("take_thread_control", "Another app took control of the conversation"),
        ("pass_thread_control", "Conversation passed to another app"),
        ("request_thread_control", "Another app requested control of the conversation"),
    ],
)
def test_an_app_that_is_not_named_is_another_app(kind: str, title: str, unnamed: Any) -> None:
    content: dict[str, Any] = {kind: unnamed}
    assert card(item(**content)).title == title


@pytest.mark.parametrize("ours", [OURS, int(OURS)])
def test_our_own_app_has_its_name(ours: Any) -> None:
    passed = card(item(pass_thread_control={"new_owner_app_id": ours, "previous_owner_app_id": 263902037430900}))
    assert passed == Card("handover", "Conversation passed to Desk", "Before: the Page inbox")
    asked = card(item(request_thread_control={"requested_owner_app_id": ours}))
    assert asked.title == "Desk requested control of the conversation"


# --- Opt-in and opt-out -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "kind", "title"),
    [
        ({"optin": {"type": "notification_messages", "title": "News"}}, "opt_in", "Agreed to notifications: News"),
        ({"optin": {"type": "one_time_notif_req", "title": "Back"}}, "opt_in", "Agreed to one notification: Back"),
        ({"optin": {"title": "News", "notification_messages_status": "STOP_NOTIFICATIONS"}}, "opt_out",
         "Stopped notifications: News"),
        ({"optin": {"title": "News", "notification_messages_status": "RESUME_NOTIFICATIONS"}}, "opt_in",
         "Resumed notifications: News"),
        ({"optout": {"type": "notification_messages", "topic": "News"}}, "opt_out", "Stopped notifications: News"),
    ],
)  # fmt: skip
def test_an_opt_in_reads_as_what_it_is(raw: dict[str, Any], kind: str, title: str) -> None:
    found = card(item(**raw))
    assert (found.kind, found.title) == (kind, title)


def test_an_opt_in_keeps_status_frequency_and_end_but_no_token() -> None:
    optin = {
        "type": "notification_messages",
        "title": "News",
        "payload": "P",
        "notification_messages_token": "secret-token",
        "notification_messages_frequency": "WEEKLY",
        "notification_messages_status": "STOP_NOTIFICATIONS",
        "user_token_status": "NOT_REFRESHED",
        "token_expiry_timestamp": 1_790_000_000_000,
    }
    assert card(item(optin=optin)).text.splitlines() == [
        "Status: Stop notifications",
        "Permission: Not refreshed",
        "Frequency: weekly",
        "Valid until 21 September 2026 14:13 UTC",
        "P",
    ]


# --- Calls ------------------------------------------------------------------------------------------------------------
def calls(*raw: Any, name: str = "calls") -> list[tuple[str | None, Card]]:
    entry = {"id": PAGE, name: list(raw)}
    body = json.dumps({"object": "page", "entry": [entry]}).encode()
    return [(event.psid, cards_for(event)[0]) for event in parse_delivery(body)]


@pytest.mark.parametrize(
    ("call", "title"),
    [
        ({"event": "terminate", "status": "MISSED"}, "Missed call"),
        ({"event": "terminate"}, "Missed call"),
        ({"event": "terminate", "duration": 75}, "Call, 1 min 15 s"),
        ({"event": "connect"}, "The customer made a call"),
        ({"event": "connect", "media_type": "video"}, "The customer made a video call"),
        ({"status": "no_answer", "direction": "BUSINESS_INITIATED"}, "The customer did not take the call"),
    ],
)
def test_a_call_says_what_became_of_it(call: dict[str, Any], title: str) -> None:
    ((psid, found),) = calls({"id": "c1", "from": "7001", "to": PAGE, "timestamp": 1_790_000_000, **call})
    assert (psid, found.title) == ("7001", title)


def test_the_customer_of_a_call_is_whoever_is_not_the_page() -> None:
    people = [{"from": PAGE, "to": {"id": 7001}}, {"sender": {"id": "7001"}}, {"to": "7001"}]
    assert [psid for psid, _card in calls(*people)] == ["7001"] * 3
    ((psid, _card),) = calls({"field": "calls", "value": {"calls": [{"id": "c", "from": "7001"}]}}, name="changes")
    assert psid == "7001"


def test_a_call_of_no_sense_is_kept() -> None:
    assert [found.kind for _psid, found in calls({}, {"id": []})] == ["call", "call"]


@pytest.mark.parametrize(
    ("response", "title"), [("accept", "Allows the Page to call"), ("REJECT", "Does not allow the Page to call")]
)
def test_the_answer_to_a_call_permission_is_shown(response: str, title: str) -> None:
    assert card(item(call_permission_reply={"response": response})).title == title
