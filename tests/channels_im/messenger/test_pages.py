import json
from typing import Any

import pytest
import responses
from pytest_django import Settings
from responses import matchers

from channels_im.messenger import pages
from channels_im.messenger.errors import GraphError, GraphOutcomeUnknown

BASE = "https://graph.facebook.com/v27.0"
PAGE = {
    "id": "1010",
    "name": "Shop",
    "access_token": "PAGE-TOKEN",
    "tasks": ["MESSAGING", "MODERATE"],
    "picture": {"data": {"url": "https://scontent.xx.fbcdn.net/p.jpg"}},
}


def refused(code: int, subcode: int | None = None) -> dict[str, Any]:
    return {"error": {"code": code, **({"error_subcode": subcode} if subcode else {})}}


def granting(graph: responses.RequestsMock, *page_ids: str, scope: str = "pages_messaging") -> None:
    granular = [{"scope": scope, "target_ids": list(page_ids)}, {"scope": "business_management", "target_ids": ["99"]}]
    graph.get(f"{BASE}/debug_token", json={"data": {"is_valid": True, "granular_scopes": granular}})


def accounts(graph: responses.RequestsMock, *rows: Any) -> None:
    graph.get(f"{BASE}/me/accounts", json={"data": list(rows)})


def listed() -> list[str]:
    return [page.page_id for page in pages.list_pages("user-token")]


def test_pages_come_with_token_tasks_and_picture(graph: responses.RequestsMock) -> None:
    accounts(graph, PAGE)
    granting(graph, "1010")
    (page,) = pages.list_pages("user-token")
    assert page == pages.PageInfo(
        "1010", "Shop", "PAGE-TOKEN", ("MESSAGING", "MODERATE"), "https://scontent.xx.fbcdn.net/p.jpg"
    )
    assert "PAGE-TOKEN" not in repr(page)


def test_all_pages_of_a_long_list_are_read(graph: responses.RequestsMock) -> None:
    paging = {"cursors": {"after": "A"}, "next": "https://graph.facebook.com/"}
    first = matchers.query_param_matcher({"limit": "100"}, strict_match=False)
    second = matchers.query_param_matcher({"after": "A"}, strict_match=False)
    graph.get(f"{BASE}/me/accounts", json={"data": [PAGE], "paging": paging}, match=[first])
    graph.get(f"{BASE}/me/accounts", json={"data": [{**PAGE, "id": "2020"}, PAGE]}, match=[second])
    granting(graph)
    assert listed() == ["1010", "2020"]


def test_a_page_without_token_is_listed_but_cannot_be_connected(graph: responses.RequestsMock) -> None:
    accounts(graph, {"id": 1010, "tasks": None, "picture": 5})
    granting(graph)
    graph.get(f"{BASE}/1010", json={"id": "1010"})  # nor does the Page give it when it is asked itself
    assert pages.list_pages("user-token") == [pages.PageInfo("1010", "1010", None)]


def test_a_granted_page_that_the_list_leaves_out_is_read_by_its_id(graph: responses.RequestsMock) -> None:
    accounts(graph)
    granting(graph, "1010", "2020")
    graph.get(f"{BASE}/1010", json=PAGE)
    graph.get(f"{BASE}/2020", json={**PAGE, "id": "2020"})
    assert listed() == ["1010", "2020"]


def test_a_granted_page_is_looked_for_also_when_others_are_listed(graph: responses.RequestsMock) -> None:
    accounts(graph, PAGE)
    granting(graph, "1010", "2020")
    graph.get(f"{BASE}/2020", json={**PAGE, "id": "2020"})
    assert listed() == ["1010", "2020"]


@pytest.mark.parametrize("answer", [refused(100, 33), refused(10), refused(190)])
def test_a_granted_page_that_meta_refuses_is_left_out(graph: responses.RequestsMock, answer: Any) -> None:
    accounts(graph, PAGE)
    granting(graph, "1010", "2020")
    graph.get(f"{BASE}/2020", json=answer, status=400)
    assert listed() == ["1010"]


@pytest.mark.parametrize("answer", [refused(4), refused(2), refused(1)])
def test_a_failure_that_may_pass_is_raised_and_no_page_looks_deselected(
    graph: responses.RequestsMock, answer: Any
) -> None:
    accounts(graph, PAGE)
    granting(graph, "1010", "2020")
    graph.get(f"{BASE}/2020", json=answer, status=400)
    with pytest.raises(GraphError):
        listed()


def test_a_debug_token_that_cannot_be_asked_now_is_raised(graph: responses.RequestsMock) -> None:
    accounts(graph, PAGE)
    graph.get(f"{BASE}/debug_token", status=503)
    with pytest.raises(GraphOutcomeUnknown):
        listed()


def test_pages_of_a_business_are_found_when_nothing_else_is(graph: responses.RequestsMock) -> None:
    accounts(graph)
    granting(graph)
    graph.get(f"{BASE}/me/businesses", json={"data": [{"id": "55"}, {"name": "junk"}]})
    graph.get(f"{BASE}/55/owned_pages", json={"data": [PAGE]})
    graph.get(f"{BASE}/55/client_pages", json={"data": [{"id": "2020", "name": "Client"}]})
    graph.get(f"{BASE}/2020", json={**PAGE, "id": "2020", "access_token": "OTHER"})
    assert [(page.page_id, page.access_token) for page in pages.list_pages("user-token")] == [
        ("1010", "PAGE-TOKEN"),
        ("2020", "OTHER"),
    ]


def test_businesses_that_may_not_be_read_make_an_empty_list(graph: responses.RequestsMock) -> None:
    accounts(graph)
    granting(graph)
    graph.get(f"{BASE}/me/businesses", json=refused(200), status=403)
    assert listed() == []


def test_a_dead_user_token_is_raised(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/me/accounts", json=refused(190, 463), status=400)
    with pytest.raises(GraphError) as caught:
        listed()
    assert (caught.value.code, caught.value.subcode) == (190, 463)


# --- Subscription


def test_subscribing_asks_for_all_fields_of_the_design(graph: responses.RequestsMock) -> None:
    fields = (
        "messages,message_echoes,message_edits,message_reactions,message_reads,message_deliveries,messaging_postbacks,"
        "messaging_referrals,messaging_optins,messaging_handovers,standby,messaging_policy_enforcement,"
        "calls,messaging_optouts"
    )
    match = matchers.query_param_matcher({"subscribed_fields": fields}, strict_match=False)
    graph.post(f"{BASE}/1010/subscribed_apps", json={"success": True}, match=[match])
    pages.subscribe("1010", "tok")
    assert "response_feedback" not in pages.SUBSCRIBED_FIELDS


def test_a_field_that_meta_refuses_does_not_cost_the_subscription(graph: responses.RequestsMock) -> None:
    def only(fields: tuple[str, ...]) -> Any:
        return matchers.query_param_matcher({"subscribed_fields": ",".join(fields)}, strict_match=False)

    wanted = (*pages.SUBSCRIBED_FIELDS, *pages.OPTIONAL_FIELDS, pages.TEMPLATE_STATUS_FIELD)
    path = f"{BASE}/1010/subscribed_apps"
    graph.post(path, json=refused(100), status=400, match=[only(wanted)])
    graph.post(path, json={"success": True}, match=[only(pages.SUBSCRIBED_FIELDS)])
    pages.subscribe("1010", "tok", [pages.TEMPLATE_STATUS_FIELD])


def test_another_error_ends_the_attempt_to_subscribe(graph: responses.RequestsMock) -> None:
    graph.post(f"{BASE}/1010/subscribed_apps", json=refused(200), status=403)
    with pytest.raises(GraphError):
        pages.subscribe("1010", "tok")


def test_success_may_be_a_string(graph: responses.RequestsMock) -> None:
    graph.post(f"{BASE}/1010/subscribed_apps", json={"success": "true"})
    pages.subscribe("1010", "tok")


@pytest.mark.parametrize("answer", [{"success": False}, {"success": "false"}, {}])
def test_a_subscription_that_is_not_confirmed_is_an_error(graph: responses.RequestsMock, answer: Any) -> None:
    graph.post(f"{BASE}/1010/subscribed_apps", json=answer)
    with pytest.raises(GraphError):
        pages.subscribe("1010", "tok")


def authorizations(graph: responses.RequestsMock) -> list[str]:
    return [call.request.headers["Authorization"].removeprefix("Bearer ") for call in graph.calls]


def test_unsubscribing_uses_the_page_token(graph: responses.RequestsMock) -> None:
    graph.delete(f"{BASE}/1010/subscribed_apps", json={"success": True})
    pages.unsubscribe("1010", "tok")
    assert authorizations(graph) == ["tok"]


def test_unsubscribing_without_a_page_token_uses_the_apps(graph: responses.RequestsMock, settings: Settings) -> None:
    graph.delete(f"{BASE}/1010/subscribed_apps", json={"success": True})
    pages.unsubscribe("1010", None)
    assert authorizations(graph) == [f"{settings.META_APP_ID}|{settings.META_APP_SECRET}"]


def test_unsubscribing_with_a_dead_page_token_falls_back_to_the_apps(
    graph: responses.RequestsMock, settings: Settings
) -> None:
    graph.delete(f"{BASE}/1010/subscribed_apps", json=refused(190, 460), status=400)
    graph.delete(f"{BASE}/1010/subscribed_apps", json={"success": True})
    pages.unsubscribe("1010", "dead")
    assert authorizations(graph) == ["dead", f"{settings.META_APP_ID}|{settings.META_APP_SECRET}"]


def test_unsubscribing_during_an_outage_is_raised(graph: responses.RequestsMock) -> None:
    graph.delete(f"{BASE}/1010/subscribed_apps", json=refused(2), status=500)
    with pytest.raises(GraphOutcomeUnknown):
        pages.unsubscribe("1010", "tok")


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([], None),
        ([{"id": "5", "subscribed_fields": ["messages"]}], None),
        ([{"id": "5"}, {"id": 100000000000001, "subscribed_fields": ["messages", "standby"]}], {"messages", "standby"}),
        ([{"id": "100000000000001", "subscribed_fields": [{"name": "messages", "version": "v27.0"}]}], {"messages"}),
        ([{"id": "100000000000001"}], set()),
    ],
)
def test_the_subscription_of_our_own_app_is_found(
    graph: responses.RequestsMock, settings: Settings, rows: list[Any], wanted: set[str] | None
) -> None:
    settings.META_APP_ID = "100000000000001"
    graph.get(f"{BASE}/1010/subscribed_apps", json={"data": rows})
    assert pages.subscription("1010", "tok") == wanted


# --- Blocking


@pytest.mark.parametrize(("call", "action"), [(pages.block_user, "BLOCK_USER"), (pages.unblock_user, "UNBLOCK_USER")])
def test_a_person_is_blocked_and_unblocked(graph: responses.RequestsMock, call: Any, action: str) -> None:
    graph.post(f"{BASE}/1010/moderate_conversations", json={"success": True})
    call("1010", "7001", "tok")
    assert json.loads(graph.calls[0].request.body or b"") == {"user_ids": [{"id": "7001"}], "actions": [action]}


def test_a_block_that_meta_does_not_confirm_is_an_error(graph: responses.RequestsMock) -> None:
    graph.post(f"{BASE}/1010/moderate_conversations", json={"success": False})
    with pytest.raises(GraphError):
        pages.block_user("1010", "7001", "tok")
