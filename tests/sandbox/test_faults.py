"""The faults, set as JSON and by form."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from tests.sandbox.graph import call, message, refusal
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.processes


def send(sandbox: SandboxProcess, token: str, psid: str, **options: Any) -> requests.Response:
    return call(sandbox.url, "POST", f"{BERG_BIKES}/messages", token, json=message(psid), **options)


def test_http_500_hits_the_next_calls_and_no_more(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.fault("http_500", count=2, endpoint="messages")
    assert [send(sandbox, token, psid).status_code for _ in range(3)] == [500, 500, 200]
    assert len(sandbox.sent(BERG_BIKES, psid)) == 1


def test_a_fault_without_count_stays_until_it_is_switched_off(sandbox: SandboxProcess, token: str, psid: str) -> None:
    fault = sandbox.fault("http_500", count=None)
    assert [send(sandbox, token, psid).status_code for _ in range(3)] == [500, 500, 500]
    sandbox.control("DELETE", f"faults/{fault['id']}")
    assert send(sandbox, token, psid).ok


def test_a_fault_of_one_endpoint_or_page_spares_the_others(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.fault("http_500", count=None, endpoint="messages", page=BERG_BIKES)
    assert call(sandbox.url, "GET", "me", token).ok
    bakery = sandbox.grant("anna")["pages"][1]
    other = sandbox.customer_writes("lena", bakery["id"], "Hi")["psid"]
    assert call(sandbox.url, "POST", "me/messages", bakery["access_token"], json=message(other)).ok


@pytest.mark.slow
def test_a_time_out_before_accepting_sends_nothing(
    sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    sandbox.fault("timeout_before", endpoint="messages", hold_s=1)
    with pytest.raises(requests.ReadTimeout):
        send(sandbox, token, psid, timeout=0.3)
    time.sleep(1)
    assert sandbox.sent(BERG_BIKES, psid) == []


def test_a_time_out_after_accepting_sends_the_message_and_its_echo(
    sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    sandbox.fault("timeout_after", endpoint="messages", hold_s=1)
    with pytest.raises(requests.ReadTimeout):
        send(sandbox, token, psid, timeout=0.3)
    (echo,) = receiver.wait_items("message")
    assert echo["message"]["is_echo"] is True
    assert len(sandbox.sent(BERG_BIKES, psid)) == 1


@pytest.mark.parametrize("code", [4, 613, 80006])
def test_a_rate_limit_tells_the_minutes_in_the_header(
    sandbox: SandboxProcess, token: str, psid: str, code: int
) -> None:
    sandbox.fault("rate_limit", code=code, minutes=7, endpoint="messages")
    answer = send(sandbox, token, psid)
    assert refusal(answer)[0] == code
    usage = json.loads(answer.headers["X-Business-Use-Case-Usage"])
    assert usage[BERG_BIKES][0]["estimated_time_to_regain_access"] == 7
    assert usage[BERG_BIKES][0]["type"] == "messenger"


def test_any_code_and_subcode_can_be_answered(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.fault("error", code=1, subcode=1357046, transient=True, status=500)
    answer = send(sandbox, token, psid)
    assert refusal(answer) == (1, 1357046)
    assert answer.status_code == 500
    assert answer.json()["error"]["is_transient"] is True


def test_a_slow_answer_is_right(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.fault("slow", ms=300)
    started = time.monotonic()
    assert send(sandbox, token, psid).ok
    assert time.monotonic() - started >= 0.3


def test_a_duplicated_webhook_has_the_same_mid(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.fault("webhook_duplicate", copies=4)
    mid = sandbox.customer_writes("lena", BERG_BIKES, "once")["mid"]
    receiver.wait_items("message", 5)
    assert [item["message"]["mid"] for item in receiver.items()] == [mid] * 5


def test_reordered_webhooks_come_in_reverse(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.fault("webhook_reorder", size=3)
    for text in "abcd":
        sandbox.customer_writes("lena", BERG_BIKES, text)
    receiver.wait_items("message", 4)
    assert "".join(item["message"]["text"] for item in receiver.items()) == "cbad"


@pytest.mark.slow
def test_a_delayed_webhook_is_overtaken(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.fault("webhook_delay", ms=2000)
    sandbox.customer_writes("lena", BERG_BIKES, "first")
    sandbox.customer_writes("lena", BERG_BIKES, "second")
    receiver.wait_items("message", 2)
    assert [item["message"]["text"] for item in receiver.items()] == ["second", "first"]


def test_removing_the_app_calls_deauthorize_with_a_signed_request(
    sandbox: SandboxProcess, token: str, receiver: Receiver
) -> None:
    sandbox.act("remove_app", person="anna")
    post = receiver.wait(lambda: [post for post in receiver.posts if post.path == "/meta/deauthorize/"])[0]
    assert payload_of(post.raw)["user_id"] == "2000000000000001"
    assert not next(row for row in sandbox.world()["pages"] if row["id"] == BERG_BIKES)["subscribed_fields"]


def test_a_request_for_deletion_is_called_back_and_its_answer_kept(
    sandbox: SandboxProcess, token: str, receiver: Receiver
) -> None:
    sandbox.act("request_deletion", person="anna")
    receiver.wait(lambda: sandbox.deliveries()["callbacks"][0]["status"])
    assert receiver.posts[0].path == "/meta/data-deletion/"
    assert "confirmation_code" in sandbox.deliveries()["callbacks"][0]["answer"]


def payload_of(raw: bytes) -> dict[str, Any]:
    """Check a signed_request as its receiver would, and return the payload."""
    signature, _, payload = parse_qs(raw.decode())["signed_request"][0].partition(".")
    mac = hmac.new(b"sandbox-app-secret", payload.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(mac).rstrip(b"=").decode() == signature
    decoded = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert decoded["algorithm"] == "HMAC-SHA256"
    assert abs(decoded["issued_at"] - time.time()) < 60
    return decoded


EVERY_ACTION = [
    {"action": "expire_user_token", "person": "anna"},
    {"action": "expire_all_tokens", "person": "anna"},
    {"action": "log_out", "person": "anna"},
    {"action": "revoke_permission", "person": "anna", "scope": "pages_messaging"},
    {"action": "restore_permission", "person": "anna", "scope": "pages_messaging"},
    {"action": "remove_app", "person": "anna", "callback": "off"},
    {"action": "request_deletion", "person": "anna"},
    {"action": "change_password", "person": "anna"},
    {"action": "checkpoint", "person": "anna", "value": "on"},
    {"action": "unconfirmed", "person": "anna", "value": "on"},
    {"action": "empty_accounts", "person": "anna", "value": "on"},
    {"action": "expire_page_token", "page": BERG_BIKES},
    {"action": "untick_page", "person": "anna", "page": BERG_BIKES},
    {"action": "tick_page", "person": "anna", "page": BERG_BIKES},
    {"action": "lose_role", "person": "anna", "page": BERG_BIKES},
    {"action": "restore_role", "person": "anna", "page": BERG_BIKES},
    {"action": "restrict_page", "page": BERG_BIKES, "value": "on"},
    {"action": "unpublish", "page": BERG_BIKES, "value": "on"},
    {"action": "default_app", "page": BERG_BIKES, "value": "on"},
    {"action": "unsubscribe", "page": BERG_BIKES},
    {"action": "set_fields", "page": BERG_BIKES, "fields": "messages"},
    {"action": "drop_fields", "page": BERG_BIKES, "fields": "message_echoes"},
    {"action": "app_mode", "value": "development"},
    {"action": "availability", "customer": "lena", "value": "deactivated"},
    {"action": "profile", "customer": "lena", "value": "empty"},
]


def test_the_list_of_actions_here_is_complete(sandbox: SandboxProcess) -> None:
    assert {row["action"] for row in EVERY_ACTION} == set(sandbox.control("GET", "faults")["actions"])


@pytest.mark.parametrize("body", EVERY_ACTION, ids=lambda body: body["action"])
def test_every_button_says_the_same_by_form_and_by_json(
    sandbox: SandboxProcess, token: str, psid: str, body: dict[str, str]
) -> None:
    by_json = sandbox.act(**body)
    sandbox.reset()
    sandbox.grant("anna", [BERG_BIKES])
    sandbox.subscribe(BERG_BIKES)
    by_form = requests.post(f"{sandbox.url}/faults/", data=body, timeout=10)
    assert by_form.ok
    assert "notice bad" not in by_form.text
    if body["action"] not in {"expire_all_tokens", "log_out", "change_password", "expire_page_token"}:
        assert by_json.partition(":")[0] in requests.compat.unquote(by_form.text).replace("&#39;", "'")


@pytest.mark.parametrize("kind", ["http_500", "webhook_reorder", "cdn_error"])
def test_a_fault_is_set_and_switched_off_by_form(sandbox: SandboxProcess, kind: str) -> None:
    page = requests.post(f"{sandbox.url}/faults/", data={"kind": kind, "count": "0", "page": ""}, timeout=10)
    assert "until off" in page.text
    page = requests.post(f"{sandbox.url}/faults/", data={"clear": "all"}, timeout=10)
    assert "None is set" in page.text


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"kind": "earthquake"}, "no fault called earthquake"),
        ({"action": "explode"}, "no action called explode"),
        ({"action": "remove_app", "person": "nobody"}, "no person 'nobody'"),
        ({"action": "untick_page", "person": "omar", "page": "101000000000003"}, "has not linked the app"),
        ({"kind": "error"}, "Give the code"),
        ({"kind": "slow", "ms": "soon"}, "must be a number"),
        ({"kind": "rate_limit", "code": 5}, "no rate-limit code"),
        ({}, "Give an action"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    sandbox: SandboxProcess, body: dict[str, Any], sentence: str
) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/faults", json=body, timeout=10)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_the_app_switches_work_by_form(sandbox: SandboxProcess) -> None:
    requests.post(f"{sandbox.url}/faults/", data={"config": "auto_read", "value": "on"}, timeout=10)
    assert sandbox.control("GET", "config")["auto_read"] is True
