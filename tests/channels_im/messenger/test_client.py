import hashlib
import hmac
import json
from typing import Any

import pytest
import requests
import responses
from pytest_django import Settings
from responses import matchers

from channels_im.messenger.client import GraphClient, appsecret_proof, node
from channels_im.messenger.errors import ErrorKind, GraphError, GraphOutcomeUnknown
from tests.calls import params_of

BASE = "https://graph.facebook.com/v27.0"
TOKEN = "page-token-0123456789"
SECRET = "sandbox-app-secret"


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> None:
    settings.META_GRAPH_URL = "https://graph.facebook.com"
    settings.META_APP_SECRET = SECRET
    settings.META_TIMEOUT_SECONDS = 5


def error(code: int, subcode: int | None = None, **more: Any) -> dict[str, Any]:
    numbers = {"code": code} if subcode is None else {"code": code, "error_subcode": subcode}
    return {"error": {"message": "Refused", "type": "OAuthException", "fbtrace_id": "Az8", **numbers, **more}}


# --- What goes out


def test_the_token_goes_in_the_header_and_the_proof_with_every_call(graph: responses.RequestsMock) -> None:
    proof = hmac.new(SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
    graph.get(
        f"{BASE}/me",
        json={"id": "1"},
        match=[
            matchers.header_matcher({"Authorization": f"Bearer {TOKEN}"}),
            matchers.query_param_matcher({"fields": "id,name", "appsecret_proof": proof}),
        ],
    )
    assert GraphClient(TOKEN).get("me", fields="id,name") == {"id": "1"}
    assert TOKEN not in str(graph.calls[0].request.url)


def test_a_post_sends_json(graph: responses.RequestsMock) -> None:
    graph.post(f"{BASE}/1/messages", json={"message_id": "m"}, match=[matchers.json_params_matcher({"a": {"b": 1}})])
    assert GraphClient(TOKEN).post("1/messages", json={"a": {"b": 1}}) == {"message_id": "m"}


def test_parameters_are_written_as_graph_reads_them(graph: responses.RequestsMock) -> None:
    wanted = {"a": "1,2", "b": "true", "c": '{"x": 1}', "d": "4", "appsecret_proof": appsecret_proof(TOKEN)}
    graph.delete(f"{BASE}/x", json={}, match=[matchers.query_param_matcher(wanted)])
    GraphClient(TOKEN).delete("x", a=("1", "2"), b=True, c={"x": 1}, d=4, e=None)


def test_without_a_token_there_is_neither_header_nor_proof(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/x", json={}, match=[matchers.query_param_matcher({})])
    GraphClient(None).get("x")
    assert "Authorization" not in graph.calls[0].request.headers


def test_the_app_speaks_with_its_id_and_secret(graph: responses.RequestsMock, settings: Settings) -> None:
    graph.get(f"{BASE}/x", json={})
    GraphClient.for_app().get("x")
    assert graph.calls[0].request.headers["Authorization"] == f"Bearer {settings.META_APP_ID}|{SECRET}"


@pytest.mark.parametrize(
    ("identifier", "segment"),
    [
        ("7001", "7001"),
        ("m_a-b=", "m_a-b%3D"),
        ("../me", "..%2Fme"),
        ("1?fields=x#y", "1%3Ffields%3Dx%23y"),
        ("a b", "a%20b"),
    ],
)
def test_an_id_from_outside_stays_one_segment_of_the_path(identifier: str, segment: str) -> None:
    assert node(identifier) == segment


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_an_id_that_would_move_the_path_is_refused(identifier: str) -> None:
    with pytest.raises(ValueError, match="is not an object"):
        node(identifier)


def test_a_token_that_would_break_the_header_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="characters") as caught:
        GraphClient("abc\r\nX-Evil: 1")
    assert "abc" not in str(caught.value)


# --- What comes back


def test_strings_of_an_answer_are_storable(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/x", body=b'{"name":"a\\u0000b\\ud83d"}')
    assert GraphClient(TOKEN).get("x") == {"name": "ab\ufffd"}


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
def test_an_error_answer_carries_its_numbers_whatever_the_status(graph: responses.RequestsMock, status: int) -> None:
    graph.get(f"{BASE}/x", json=error(190, 463), status=status)
    with pytest.raises(GraphError) as caught:
        GraphClient(TOKEN).get("x")
    found = caught.value
    assert type(found) is GraphError
    assert (found.code, found.subcode, found.fbtrace_id, found.http_status) == (190, 463, "Az8", status)
    assert found.verdict.kind is ErrorKind.REAUTHENTICATE


def test_numbers_of_an_error_may_be_strings(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/x", json={"error": {"code": "10", "error_subcode": "2018278"}}, status=400)
    with pytest.raises(GraphError) as caught:
        GraphClient(TOKEN).get("x")
    assert caught.value.verdict.kind is ErrorKind.WINDOW_CLOSED


@pytest.mark.parametrize(("code", "status"), [(1, 400), (1, 500), (2, 500), (None, 503)])
def test_an_error_that_may_hide_a_success_is_of_unknown_outcome(
    graph: responses.RequestsMock, code: int | None, status: int
) -> None:
    graph.post(f"{BASE}/x", json={"error": {"code": code}} if code else None, status=status)
    with pytest.raises(GraphOutcomeUnknown) as caught:
        GraphClient(TOKEN).post("x")
    assert caught.value.verdict.outcome_unknown


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"true", b'"x"', b'{"a":', b"[" * 5000, b"\xff\xfe"])
def test_a_success_that_cannot_be_read_is_of_unknown_outcome(graph: responses.RequestsMock, body: bytes) -> None:
    graph.post(f"{BASE}/x", body=body)
    with pytest.raises(GraphOutcomeUnknown):
        GraphClient(TOKEN).post("x")


@pytest.mark.parametrize("error_value", ["invalid_request", 5, ["x"], {"message": 5, "code": {}}, {"code": True}])
def test_an_error_of_another_shape_is_an_error_still(graph: responses.RequestsMock, error_value: Any) -> None:
    graph.get(f"{BASE}/x", json={"error": error_value}, status=400)
    with pytest.raises(GraphError) as caught:
        GraphClient(TOKEN).get("x")
    assert (type(caught.value), caught.value.code) == (GraphError, None)


@pytest.mark.parametrize(("status", "kind"), [(413, ErrorKind.PERMANENT), (429, ErrorKind.RATE_LIMITED)])
def test_a_refusal_of_a_gateway_is_judged_by_its_status(
    graph: responses.RequestsMock, status: int, kind: ErrorKind
) -> None:
    graph.post(f"{BASE}/x", body=b"<html>", status=status, headers={"Retry-After": "7"})
    with pytest.raises(GraphError) as caught:
        GraphClient(TOKEN).post("x")
    assert (caught.value.verdict.kind, caught.value.retry_after_s) == (kind, 7)


def test_the_minutes_of_the_rate_limit_header_are_kept(graph: responses.RequestsMock) -> None:
    usage = {"1010": [{"type": "messenger", "estimated_time_to_regain_access": 5}]}
    headers = {"X-Business-Use-Case-Usage": json.dumps(usage)}
    graph.post(f"{BASE}/x", json=error(80006), status=400, headers=headers)
    with pytest.raises(GraphError) as caught:
        GraphClient(TOKEN).post("x")
    assert (caught.value.verdict.kind, caught.value.retry_after_s) == (ErrorKind.RATE_LIMITED, 300)


def test_a_redirect_is_not_followed(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/x", status=302, headers={"Location": "https://evil.example/"})
    with pytest.raises(GraphOutcomeUnknown):
        GraphClient(TOKEN).get("x")
    assert len(graph.calls) == 1


# --- Paging


def page(rows: list[Any], after: str | None, **paging: Any) -> dict[str, Any]:
    cursors = {"cursors": {"before": "b", "after": after}} if after else {}
    return {"data": rows, "paging": {**cursors, **paging}}


def test_paging_follows_the_cursor_on_our_own_address(graph: responses.RequestsMock) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        after = params_of(request).get("after")
        pages: dict[str | None, tuple[list[Any], str]] = {
            None: ([{"id": "1"}], "A"),
            "A": ([{"id": "2"}, 5], "B"),
            "B": ([], "C"),
        }
        following = pages.get(after)
        body = page(*following, next="https://evil.example/steal") if following else page([{"id": "3"}], "D")
        return 200, {}, json.dumps(body)

    graph.add_callback("GET", f"{BASE}/me/accounts", answer)
    assert [row["id"] for row in GraphClient(TOKEN).paged("me/accounts", limit=1)] == ["1", "2", "3"]
    assert all(params_of(call.request)["limit"] == "1" for call in graph.calls)


def test_the_cursor_is_found_in_next_when_it_stands_only_there(graph: responses.RequestsMock) -> None:
    next_url = "https://evil.example/x?after=A&limit=1"
    graph.get(f"{BASE}/x", json={"data": [{"id": "1"}], "paging": {"next": next_url}})
    graph.get(
        f"{BASE}/x",
        json={"data": [{"id": "2"}]},
        match=[matchers.query_param_matcher({"after": "A"}, strict_match=False)],
    )
    assert [row["id"] for row in GraphClient(TOKEN).paged("x")] == ["1", "2"]


def test_paging_that_never_moves_on_ends(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/x", json=page([{"id": "1"}], "A", next="https://graph.facebook.com/"))
    assert len(list(GraphClient(TOKEN).paged("x"))) == 2


def test_paging_without_end_is_cut_off(graph: responses.RequestsMock, caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        after = str(int(params_of(request).get("after", 0)) + 1)
        return 200, {}, json.dumps(page([{"id": after}], after, next="https://x/"))

    graph.add_callback("GET", f"{BASE}/x", answer)
    assert len(list(GraphClient(TOKEN).paged("x"))) == 100
    assert "Stopped after 100 result pages" in caplog.text


@pytest.mark.parametrize("paging", [None, 5, [], {"cursors": 5, "next": "http://["}, {"next": 5}])
def test_paging_of_junk_ends(graph: responses.RequestsMock, paging: Any) -> None:
    graph.get(f"{BASE}/x", json={"data": [{"id": "1"}], "paging": paging})
    assert len(list(GraphClient(TOKEN).paged("x"))) == 1
