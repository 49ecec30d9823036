"""The app itself: its settings, its webhook subscription, approved permissions, and faults of these calls."""

from typing import Any

import pytest

from tests.sandbox.graph import call
from tests.sandbox.process import APP_ID, APP_SECRET, SandboxProcess

APP_TOKEN = f"{APP_ID}|{APP_SECRET}"
FIELDS = "id,name,app_domains,privacy_policy_url,deauth_callback_url"


def get(sandbox: SandboxProcess, path: str, token: str = APP_TOKEN, **params: Any) -> Any:
    return call(sandbox.url, "GET", path, token, params=params).json()


def test_the_settings_are_for_the_app_token_and_empty_ones_are_left_out(sandbox: SandboxProcess) -> None:
    sandbox.configure(app_domains=["desk.example.com"], privacy_policy_url="")
    answer = get(sandbox, APP_ID, fields=FIELDS)
    assert answer["app_domains"] == ["desk.example.com"]
    assert answer["deauth_callback_url"].endswith("/meta/deauthorize/")
    assert "privacy_policy_url" not in answer
    sandbox.configure(privacy_policy_url="https://desk.example.com/privacy/")
    assert get(sandbox, APP_ID, fields=FIELDS)["privacy_policy_url"] == "https://desk.example.com/privacy/"
    user_token = sandbox.grant("anna")["user_token"]
    assert get(sandbox, APP_ID, user_token, fields=FIELDS) == {"id": APP_ID, "name": "Desk"}


def test_only_what_was_approved_is_listed(sandbox: SandboxProcess) -> None:
    assert get(sandbox, f"{APP_ID}/permissions")["data"] == []
    sandbox.configure(approved_permissions=["pages_messaging", "pages_show_list"])
    rows = get(sandbox, f"{APP_ID}/permissions")["data"]
    assert rows == [{"permission": name, "status": "live"} for name in ("pages_messaging", "pages_show_list")]
    assert len(get(sandbox, f"{APP_ID}/permissions", limit=1)["data"]) == 1
    assert get(sandbox, f"{APP_ID}/permissions", sandbox.grant("anna")["user_token"])["error"]["code"] == 15


def test_the_webhook_can_be_switched_off(sandbox: SandboxProcess) -> None:
    assert get(sandbox, f"{APP_ID}/subscriptions")["data"][0]["active"] is True
    sandbox.configure(webhook_active=False)
    assert get(sandbox, f"{APP_ID}/subscriptions")["data"][0]["active"] is False


@pytest.mark.parametrize("path", [APP_ID, f"{APP_ID}/permissions", f"{APP_ID}/subscriptions"])
def test_each_of_these_calls_can_fail(sandbox: SandboxProcess, path: str) -> None:
    sandbox.fault("error", code=4, endpoint="app")
    assert get(sandbox, path)["error"]["code"] == 4
    assert "error" not in get(sandbox, path)
    assert {row["endpoint"] for row in sandbox.calls()} == {"app"}
