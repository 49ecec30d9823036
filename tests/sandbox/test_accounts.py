"""/me/accounts, businesses, the Page node and subscribed_apps."""

from typing import Any

import pytest
import requests

from tests.sandbox.graph import APP_TOKEN, call, refusal
from tests.sandbox.process import BERG_BIKES, SandboxProcess

pytestmark = pytest.mark.processes
ARCHIVE, SOUK = "101000000000005", "101000000000006"
FIELDS = "messages,message_echoes,message_deliveries"


def accounts(sandbox: SandboxProcess, token: str, **params: Any) -> dict[str, Any]:
    return call(sandbox.url, "GET", "me/accounts", token, params=params).json()


def test_thirty_pages_come_by_cursor_until_there_is_no_next(sandbox: SandboxProcess) -> None:
    user = sandbox.grant("mia")["user_token"]
    first = accounts(sandbox, user)
    assert len(first["data"]) == 25
    assert first["paging"]["next"].startswith(sandbox.url)
    second = accounts(sandbox, user, after=first["paging"]["cursors"]["after"])
    assert len(second["data"]) == 5
    assert "next" not in second["paging"]
    assert len({row["id"] for row in first["data"] + second["data"]}) == 30


def test_limit_is_kept(sandbox: SandboxProcess) -> None:
    user = sandbox.grant("mia")["user_token"]
    assert len(accounts(sandbox, user, limit=7)["data"]) == 7


def test_only_granted_pages_are_listed_with_token_and_tasks(sandbox: SandboxProcess) -> None:
    rows = accounts(sandbox, sandbox.grant("anna", [BERG_BIKES])["user_token"])["data"]
    assert [row["id"] for row in rows] == [BERG_BIKES]
    assert rows[0]["access_token"]
    assert {"MESSAGING", "MODERATE"} <= set(rows[0]["tasks"])


def test_a_page_without_the_messaging_task_is_listed_and_cannot_send(sandbox: SandboxProcess) -> None:
    rows = accounts(sandbox, sandbox.grant("omar")["user_token"])["data"]
    archive = next(row for row in rows if row["id"] == ARCHIVE)
    assert "MESSAGING" not in archive["tasks"]
    body = {"recipient": {"id": "1"}, "message": {"text": "x"}}
    assert refusal(call(sandbox.url, "POST", f"{ARCHIVE}/messages", archive["access_token"], json=body))[0] == 200


def test_a_business_page_is_missing_without_business_management(sandbox: SandboxProcess) -> None:
    scopes = ["public_profile", "pages_show_list", "pages_messaging"]
    user = sandbox.grant("omar", scopes=scopes, declined=["business_management"])["user_token"]
    assert SOUK not in {row["id"] for row in accounts(sandbox, user)["data"]}
    assert refusal(call(sandbox.url, "GET", "me/businesses", user))[0] == 200
    user = sandbox.grant("omar")["user_token"]
    assert SOUK in {row["id"] for row in accounts(sandbox, user)["data"]}


def test_a_business_page_is_found_through_the_business(sandbox: SandboxProcess) -> None:
    user = sandbox.grant("omar")["user_token"]
    business = call(sandbox.url, "GET", "me/businesses", user).json()["data"][0]["id"]
    fields = {"fields": "id,name,access_token,tasks"}
    rows = call(sandbox.url, "GET", f"{business}/owned_pages", user, params=fields).json()["data"]
    assert [row["id"] for row in rows] == [SOUK]
    assert rows[0]["access_token"]
    assert call(sandbox.url, "GET", f"{business}/client_pages", user).json() == {"data": []}


def test_the_list_may_be_empty_while_each_page_can_still_be_read(sandbox: SandboxProcess) -> None:
    user = sandbox.grant("anna")["user_token"]
    sandbox.act("empty_accounts", person="anna")
    assert accounts(sandbox, user) == {"data": []}
    page = call(sandbox.url, "GET", BERG_BIKES, user, params={"fields": "id,name,access_token,tasks"}).json()
    assert page["access_token"]


def test_a_page_may_be_listed_without_a_token(sandbox: SandboxProcess) -> None:
    sandbox.control("POST", "pages", {"name": "Quiet", "person": "anna", "id": "103", "hide_token": True})
    rows = accounts(sandbox, sandbox.grant("anna")["user_token"])["data"]
    assert "access_token" not in next(row for row in rows if row["id"] == "103")


def test_without_pages_show_list_the_list_is_empty(sandbox: SandboxProcess) -> None:
    user = sandbox.grant("anna")["user_token"]
    sandbox.act("revoke_permission", person="anna", scope="pages_show_list")
    assert accounts(sandbox, user) == {"data": []}


def test_the_page_has_a_picture_that_can_be_loaded(sandbox: SandboxProcess, token: str) -> None:
    page = call(sandbox.url, "GET", BERG_BIKES, token, params={"fields": "name,picture{url}"}).json()
    picture = requests.get(page["picture"]["data"]["url"], timeout=10)
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8\xff")


def test_a_stranger_does_not_see_a_page(sandbox: SandboxProcess, token: str) -> None:
    omar = sandbox.grant("omar")["user_token"]
    assert refusal(call(sandbox.url, "GET", BERG_BIKES, omar)) == (100, 33)


def test_subscribing_replaces_the_fields_and_is_read_back(sandbox: SandboxProcess, token: str) -> None:
    path = f"{BERG_BIKES}/subscribed_apps"
    assert call(sandbox.url, "POST", path, token, params={"subscribed_fields": FIELDS}).json() == {"success": True}
    call(sandbox.url, "POST", path, token, params={"subscribed_fields": "messages"})
    rows = call(sandbox.url, "GET", path, token).json()["data"]
    assert [(row["id"], row["subscribed_fields"]) for row in rows] == [("100000000000001", ["messages"])]


@pytest.mark.parametrize("by", ["page", "app"])
def test_the_app_unsubscribes_with_the_page_token_and_with_the_app_token(
    sandbox: SandboxProcess, token: str, by: str
) -> None:
    path = f"{BERG_BIKES}/subscribed_apps"
    assert call(sandbox.url, "DELETE", path, token if by == "page" else APP_TOKEN).json() == {"success": True}
    assert call(sandbox.url, "GET", path, token).json() == {"data": []}


@pytest.mark.parametrize("fields", ["", "no_such_field"])
def test_unknown_or_missing_fields_are_refused(sandbox: SandboxProcess, token: str, fields: str) -> None:
    answer = call(sandbox.url, "POST", f"{BERG_BIKES}/subscribed_apps", token, params={"subscribed_fields": fields})
    assert refusal(answer)[0] == 100


@pytest.mark.parametrize("scope", ["pages_manage_metadata", "pages_messaging"])
def test_subscribing_needs_both_permissions(sandbox: SandboxProcess, token: str, scope: str) -> None:
    sandbox.act("revoke_permission", person="anna", scope=scope)
    answer = call(sandbox.url, "POST", f"{BERG_BIKES}/subscribed_apps", token, params={"subscribed_fields": FIELDS})
    assert refusal(answer)[0] == 200


def test_a_permission_is_revoked_and_the_app_removed_through_the_api(sandbox: SandboxProcess, token: str) -> None:
    user = sandbox.grant("anna", [BERG_BIKES])["user_token"]
    assert call(sandbox.url, "DELETE", "me/permissions/pages_messaging", user).json() == {"success": True}
    rows = call(sandbox.url, "GET", "me/permissions", user).json()["data"]
    assert {"permission": "pages_messaging", "status": "declined"} in rows
    assert call(sandbox.url, "DELETE", "2000000000000001/permissions", user).json() == {"success": True}
    assert refusal(call(sandbox.url, "GET", "me", user)) == (190, 458)
