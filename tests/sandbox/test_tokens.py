"""When tokens become invalid, and what debug_token answers for them."""

import hashlib
import hmac
import time
from typing import Any

import pytest
import requests

from tests.sandbox.graph import APP_TOKEN, call, lengthen, message, proof, refusal
from tests.sandbox.process import APP_SECRET, BERG_BAKERY, BERG_BIKES, SandboxProcess

pytestmark = pytest.mark.processes


def debug(sandbox: SandboxProcess, token: str) -> dict[str, Any]:
    return call(sandbox.url, "GET", "debug_token", APP_TOKEN, params={"input_token": token}).json()["data"]


@pytest.mark.parametrize(
    ("action", "params", "refused"),
    [
        ("expire_page_token", {"page": BERG_BIKES}, (190, 463)),
        ("expire_all_tokens", {"person": "anna"}, (190, 463)),
        ("untick_page", {"person": "anna", "page": BERG_BIKES}, (190, None)),
        ("remove_app", {"person": "anna", "callback": False}, (190, 458)),
        ("change_password", {"person": "anna", "password": "new"}, (190, 460)),
        ("checkpoint", {"person": "anna"}, (190, 459)),
        ("unconfirmed", {"person": "anna"}, (190, 464)),
        ("lose_role", {"person": "anna", "page": BERG_BIKES}, (190, 492)),
        ("log_out", {"person": "anna"}, (190, 467)),
    ],
)
def test_each_death_has_its_own_code_in_calls_and_in_debug_token(
    sandbox: SandboxProcess, token: str, psid: str, action: str, params: dict[str, Any], refused: tuple[int, int | None]
) -> None:
    assert debug(sandbox, token)["is_valid"] is True
    sandbox.act(action, **params)
    answer = call(sandbox.url, "POST", f"{BERG_BIKES}/messages", token, json=message(psid))
    assert refusal(answer) == refused
    data = debug(sandbox, token)
    assert data["is_valid"] is False
    assert (data["error"]["code"], data["error"].get("subcode")) == refused
    assert sandbox.sent(BERG_BIKES, psid) == []


def test_a_page_token_of_a_long_lived_user_token_never_expires_and_outlives_it(sandbox: SandboxProcess) -> None:
    granted = sandbox.grant("anna")
    page_token = granted["pages"][0]["access_token"]
    assert debug(sandbox, page_token)["expires_at"] == 0
    sandbox.configure(clock_offset_s=61 * 86400)
    assert refusal(call(sandbox.url, "GET", "me", granted["user_token"])) == (190, 463)
    assert call(sandbox.url, "GET", "me", page_token).ok


def test_a_page_token_of_a_short_lived_user_token_is_short_lived(sandbox: SandboxProcess) -> None:
    granted = sandbox.grant("anna", long_lived=False)
    page_token = granted["pages"][0]["access_token"]
    assert debug(sandbox, page_token)["expires_at"] == granted["expires_at"]
    sandbox.configure(clock_offset_s=86400)
    assert refusal(call(sandbox.url, "GET", "me", page_token)) == (190, 463)


def test_an_expired_token_cannot_be_exchanged(sandbox: SandboxProcess) -> None:
    user = sandbox.grant("anna", long_lived=False)["user_token"]
    sandbox.act("expire_user_token", person="anna")
    assert refusal(lengthen(sandbox.url, user)) == (190, 463)


def test_expiring_the_user_token_spares_the_page_token(sandbox: SandboxProcess, token: str) -> None:
    sandbox.act("expire_user_token", person="anna")
    assert call(sandbox.url, "GET", "me", token).ok


def test_debug_token_tells_page_person_and_granular_scopes(sandbox: SandboxProcess, token: str) -> None:
    data = debug(sandbox, token)
    assert data["type"] == "PAGE"
    assert data["profile_id"] == BERG_BIKES
    assert data["user_id"] == "2000000000000001"
    granular = {row["scope"]: row.get("target_ids") for row in data["granular_scopes"]}
    assert granular["pages_messaging"] == [BERG_BIKES]
    assert data["data_access_expires_at"] > time.time() + 89 * 86400


def test_granular_scopes_have_no_target_ids_when_all_pages_were_granted(sandbox: SandboxProcess) -> None:
    data = debug(sandbox, sandbox.grant("anna", "all")["user_token"])
    assert all("target_ids" not in row for row in data["granular_scopes"])


def test_debug_token_of_an_unknown_token_has_the_error_inside_data(sandbox: SandboxProcess) -> None:
    assert debug(sandbox, "EAAnonsense")["error"]["code"] == 190


def test_debug_token_needs_a_token_of_the_app(sandbox: SandboxProcess) -> None:
    answer = call(sandbox.url, "GET", "debug_token", "100000000000001|wrong", params={"input_token": "x"})
    assert refusal(answer)[0] == 190


def test_a_call_without_a_token_is_2500(sandbox: SandboxProcess) -> None:
    assert refusal(call(sandbox.url, "GET", "me"))[0] == 2500


def test_a_token_may_come_in_the_authorization_header(sandbox: SandboxProcess, token: str) -> None:
    answer = requests.get(
        f"{sandbox.url}/v27.0/me",
        params={"appsecret_proof": proof(token)},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert answer.json()["id"] == BERG_BIKES


@pytest.mark.parametrize("given", [None, "0" * 64])
def test_a_missing_or_wrong_proof_is_refused_with_100(sandbox: SandboxProcess, token: str, given: str | None) -> None:
    answer = call(sandbox.url, "GET", "me", token, params={"appsecret_proof": given})
    assert refusal(answer) == (100, None)
    assert answer.json()["error"]["type"] == "GraphMethodException"


def test_the_proof_may_be_left_out_when_the_app_does_not_require_it(sandbox: SandboxProcess, token: str) -> None:
    sandbox.configure(require_appsecret_proof=False)
    assert call(sandbox.url, "GET", "me", token, params={"appsecret_proof": None}).ok
    assert not call(sandbox.url, "GET", "me", token, params={"appsecret_proof": "wrong"}).ok


@pytest.mark.parametrize(("age_s", "good"), [(0, True), (299, True), (400, False)])
def test_the_time_stamped_proof_lives_five_minutes(sandbox: SandboxProcess, token: str, age_s: int, good: bool) -> None:
    stamp = str(int(time.time()) - age_s)
    mac = hmac.new(APP_SECRET.encode(), f"{token}|{stamp}".encode(), hashlib.sha256).hexdigest()
    answer = call(sandbox.url, "GET", "me", token, params={"appsecret_proof": mac, "appsecret_time": stamp})
    assert answer.ok is good


def test_the_token_of_one_page_opens_no_other(sandbox: SandboxProcess, token: str) -> None:
    sandbox.grant("anna")
    assert refusal(call(sandbox.url, "GET", BERG_BAKERY, token)) == (100, 33)
    assert not call(
        sandbox.url, "POST", f"{BERG_BAKERY}/subscribed_apps", token, params={"subscribed_fields": "messages"}
    ).ok


def test_a_version_that_does_not_exist_is_told_from_one_that_does(sandbox: SandboxProcess) -> None:
    live = requests.get(f"{sandbox.url}/v25.0/me", timeout=10).json()["error"]
    missing = requests.get(f"{sandbox.url}/v28.0/me", timeout=10).json()["error"]
    assert "active access token" in live["message"]
    assert "Unknown path components" in missing["message"]


@pytest.mark.parametrize("version", ["v26.0", "v27.0"])
def test_both_versions_are_served_and_say_which_they_are(sandbox: SandboxProcess, token: str, version: str) -> None:
    answer = requests.get(
        f"{sandbox.url}/{version}/me", params={"access_token": token, "appsecret_proof": proof(token)}, timeout=10
    )
    assert answer.ok
    assert answer.headers["facebook-api-version"] == version


@pytest.mark.parametrize(
    "params", [{"ids": "1,2"}, {"date_format": "U"}, {"method": "get"}, {"callback": "f"}, {"fields": "name.as(n)"}]
)
def test_what_ended_with_v27_is_refused_from_then_on(
    sandbox: SandboxProcess, token: str, params: dict[str, str]
) -> None:
    given = {"access_token": token, "appsecret_proof": proof(token), **params}
    assert requests.get(f"{sandbox.url}/v26.0/me", params=given, timeout=10).ok
    refused = requests.get(f"{sandbox.url}/v27.0/me", params=given, timeout=10)
    assert "no longer supported" in refused.json()["error"]["message"]
