from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from pytest_django import Settings
from responses import matchers

from channels_im.messenger import oauth
from channels_im.messenger.errors import GraphError, GraphOutcomeUnknown, ReauthReason
from tests.calls import params_of

BASE = "https://graph.facebook.com/v27.0"
LIVING = {
    "app_id": "100000000000001",
    "type": "PAGE",
    "user_id": "218471",
    "profile_id": "1010",
    "is_valid": True,
    "issued_at": 1_789_000_000,
    "expires_at": 0,
    "data_access_expires_at": 1_797_776_000,
    "scopes": list(oauth.SCOPES),
    "granular_scopes": [{"scope": scope, "target_ids": ["1010", "2020"]} for scope in oauth.REQUIRED_SCOPES],
}


def info(graph: responses.RequestsMock, **changes: Any) -> oauth.TokenInfo:
    graph.get(f"{BASE}/debug_token", json={"data": {**LIVING, **changes}})
    return oauth.debug_token("tok")


def test_a_short_token_is_exchanged_for_a_long_one(graph: responses.RequestsMock, settings: Settings) -> None:
    wanted = {
        "grant_type": "fb_exchange_token",
        "client_id": settings.META_APP_ID,
        "client_secret": settings.META_APP_SECRET,
        "fb_exchange_token": "short",
    }
    answer = {"access_token": "LONG", "token_type": "bearer", "expires_in": 5183944}
    graph.get(f"{BASE}/oauth/access_token", json=answer, match=[matchers.query_param_matcher(wanted)])
    token = oauth.exchange_long_lived("short")
    assert (token.token, token.expires_in_s) == ("LONG", 5183944)
    assert "LONG" not in repr(token)


def test_an_exchange_without_an_end_has_none(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/oauth/access_token", json={"access_token": "LONG"})
    assert oauth.exchange_long_lived("short").expires_in_s is None


def test_an_exchange_without_a_token_is_an_error(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/oauth/access_token", json={"token_type": "bearer"})
    with pytest.raises(GraphOutcomeUnknown):
        oauth.exchange_long_lived("short")


def test_a_dead_token_cannot_be_exchanged(graph: responses.RequestsMock) -> None:
    error = {"error": {"code": 190, "error_subcode": 463, "message": "fb_exchange_token=short is dead"}}
    graph.get(f"{BASE}/oauth/access_token", json=error, status=400)
    with pytest.raises(GraphError) as caught:
        oauth.exchange_long_lived("short")
    assert caught.value.verdict.reason is ReauthReason.TOKEN_EXPIRED
    assert "short" not in str(caught.value)


def test_debug_token_is_asked_with_the_apps_own_token(graph: responses.RequestsMock, settings: Settings) -> None:
    info(graph)
    request = graph.calls[0].request
    assert request.headers["Authorization"] == f"Bearer {settings.META_APP_ID}|{settings.META_APP_SECRET}"
    assert params_of(request)["input_token"] == "tok"


def test_a_valid_page_token_is_read_in_full(graph: responses.RequestsMock, settings: Settings) -> None:
    settings.META_APP_ID = "100000000000001"
    found = info(graph)
    assert (found.type, found.user_id, found.profile_id, found.is_valid) == ("PAGE", "218471", "1010", True)
    assert found.expires_at is None
    assert found.data_access_expires_at == datetime.fromtimestamp(1_797_776_000, UTC)
    assert found.granular_scopes["pages_messaging"] == frozenset({"1010", "2020"})
    assert (found.is_ours, found.verdict) == (True, None)


def test_a_token_of_another_app_is_not_ours(graph: responses.RequestsMock) -> None:
    assert not info(graph, app_id="5").is_ours


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 190, "subcode": 460, "message": "x"}, ReauthReason.PASSWORD_CHANGED),
        ({"code": 190, "error_subcode": 458}, ReauthReason.APP_REMOVED),
        ({"code": 190}, ReauthReason.PERMISSION_REVOKED),
        (None, ReauthReason.PERMISSION_REVOKED),
    ],
)
def test_a_dead_token_is_an_answer_with_its_reason(graph: responses.RequestsMock, error: Any, reason: Any) -> None:
    found = info(graph, is_valid=False, error=error)
    assert not found.is_valid
    assert found.verdict is not None
    assert found.verdict.reason is reason


def granular(**targets: Sequence[object] | None) -> list[dict[str, Any]]:
    scopes: dict[str, Sequence[object] | None] = {scope: ["1010"] for scope in oauth.REQUIRED_SCOPES} | targets
    return [{"scope": name, **({} if ids is None else {"target_ids": ids})} for name, ids in scopes.items()]


@pytest.mark.parametrize(
    ("changes", "covered"),
    [
        ({}, True),
        ({"profile_id": None}, True),
        ({"granular_scopes": granular(pages_messaging=None)}, True),
        ({"granular_scopes": []}, True),
        ({"granular_scopes": None}, True),
        ({"granular_scopes": granular(pages_messaging=["2020"])}, False),
        ({"granular_scopes": granular(pages_messaging=[])}, False),
        ({"granular_scopes": granular(pages_messaging=[1010])}, True),
        ({"scopes": [scope for scope in oauth.SCOPES if scope != "pages_messaging"]}, False),
        ({"scopes": [scope for scope in oauth.SCOPES if scope != "business_management"]}, True),
        ({"scopes": None}, False),
        ({"profile_id": "2020"}, False),
        ({"is_valid": False}, False),
    ],
)
def test_a_token_covers_a_page_when_everything_needed_is_granted_for_it(
    graph: responses.RequestsMock, changes: dict[str, Any], covered: bool
) -> None:
    assert info(graph, **changes).covers("1010") is covered


def test_the_missing_permissions_are_named(graph: responses.RequestsMock) -> None:
    found = info(graph, granular_scopes=granular(pages_messaging=["2020"], pages_show_list=["2020"]))
    assert found.missing_scopes("1010") == ("pages_show_list", "pages_messaging")


@pytest.mark.parametrize("data", [None, 5, [], {}, {"is_valid": "true"}, {"scopes": "x", "expires_at": "soon"}])
def test_an_answer_that_does_not_say_whether_the_token_lives_is_none(graph: responses.RequestsMock, data: Any) -> None:
    graph.get(f"{BASE}/debug_token", json={"data": data})
    with pytest.raises(GraphOutcomeUnknown):
        oauth.debug_token("tok")


def test_junk_beside_it_gives_no_permission(graph: responses.RequestsMock) -> None:
    data = {"is_valid": True, "scopes": "x", "granular_scopes": {"scope": 5}, "expires_at": "soon"}
    graph.get(f"{BASE}/debug_token", json={"data": data})
    found = oauth.debug_token("tok")
    assert (found.expires_at, found.covers("1010")) == (None, False)


def test_me_is_the_person_behind_the_token(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/me", json={"id": 218471, "name": "Ada"})
    assert oauth.me("tok") == ("218471", "Ada")


def test_me_without_an_id_is_an_error(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/me", json={"name": "Ada"})
    with pytest.raises(GraphOutcomeUnknown):
        oauth.me("tok")


def test_permissions_are_read_by_name(graph: responses.RequestsMock) -> None:
    rows = [{"permission": "pages_messaging", "status": "granted"}, {"permission": "x", "status": "declined"}, {"a": 1}]
    graph.get(f"{BASE}/me/permissions", json={"data": rows})
    assert oauth.permissions("tok") == {"pages_messaging": "granted", "x": "declined"}
