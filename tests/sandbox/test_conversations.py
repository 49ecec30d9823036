"""Conversations API, profiles, moderation, thread control."""

from typing import Any

import pytest
import requests

from tests.sandbox.graph import call, message, refusal
from tests.sandbox.process import BERG_BIKES, SandboxProcess

pytestmark = pytest.mark.processes
FIELDS = "id,updated_time,participants,snippet,messages.limit(30){id,created_time,from,message,attachments}"


def conversation(sandbox: SandboxProcess, token: str, psid: str, **params: Any) -> dict[str, Any]:
    params = {"platform": "messenger", "user_id": psid, "fields": FIELDS, **params}
    return call(sandbox.url, "GET", f"{BERG_BIKES}/conversations", token, params=params).json()["data"][0]


def test_a_conversation_is_found_by_psid_with_participants_and_newest_message_first(
    sandbox: SandboxProcess, token: str, psid: str
) -> None:
    call(sandbox.url, "POST", f"{BERG_BIKES}/messages", token, json=message(psid, "Answer"))
    found = conversation(sandbox, token, psid)
    assert found["id"].startswith("t_")
    assert {row["id"] for row in found["participants"]["data"]} == {psid, BERG_BIKES}
    rows = found["messages"]["data"]
    assert [(row["message"], row["from"]["id"]) for row in rows] == [("Answer", BERG_BIKES), ("Hi!", psid)]
    assert rows[0]["created_time"].endswith("+0000")


def test_only_the_newest_twenty_messages_have_details(sandbox: SandboxProcess, token: str, psid: str) -> None:
    for number in range(21):
        sandbox.customer_writes("lena", BERG_BIKES, f"line {number}", timestamp=1_800_000_000_000 + number)
    rows = conversation(sandbox, token, psid)["messages"]["data"]
    assert len(rows) == 22
    assert all("message" in row for row in rows[:20])
    assert all("message" not in row for row in rows[20:])
    params = {"fields": "id,message"}
    assert call(sandbox.url, "GET", rows[19]["id"], token, params=params).json()["message"] == "line 1"
    assert refusal(call(sandbox.url, "GET", rows[20]["id"], token, params=params)) == (100, 9000001)


def test_the_demo_history_is_read_by_cursor(sandbox: SandboxProcess) -> None:
    sandbox.reset(history=True)
    token = sandbox.grant("anna", [BERG_BIKES])["pages"][0]["access_token"]
    seen, after = [], None
    while True:
        params = {"platform": "messenger", "limit": 4, "after": after}
        answer = call(sandbox.url, "GET", f"{BERG_BIKES}/conversations", token, params=params).json()
        seen += [row["id"] for row in answer["data"]]
        if "next" not in answer.get("paging", {}):
            break
        after = answer["paging"]["cursors"]["after"]
    assert len(seen) == len(set(seen)) == 10


def test_files_of_the_history_can_be_loaded_through_the_api(sandbox: SandboxProcess) -> None:
    sandbox.reset(history=True)
    token = sandbox.grant("anna", [BERG_BIKES])["pages"][0]["access_token"]
    for customer, start in (("sara", b"\xff\xd8"), ("priya", b"%PDF")):
        rows = conversation(sandbox, token, sandbox.psid(customer, BERG_BIKES))["messages"]["data"]
        (item,) = next(row for row in rows if "attachments" in row)["attachments"]["data"]
        url = item["image_data"]["url"] if "image_data" in item else item["file_url"]
        assert requests.get(url, timeout=10).content.startswith(start)


@pytest.mark.parametrize("scope", ["pages_messaging", "pages_manage_metadata", "pages_read_engagement"])
def test_conversations_need_three_permissions(sandbox: SandboxProcess, token: str, scope: str) -> None:
    sandbox.act("revoke_permission", person="anna", scope=scope)
    assert refusal(call(sandbox.url, "GET", f"{BERG_BIKES}/conversations", token))[0] == 200


def test_two_calls_a_second_can_be_enforced(sandbox: SandboxProcess, token: str) -> None:
    sandbox.configure(conversations_per_second=2)
    answers = [call(sandbox.url, "GET", f"{BERG_BIKES}/conversations", token) for _ in range(3)]
    assert [answer.ok for answer in answers] == [True, True, False]
    assert refusal(answers[2])[0] == 613


def profile(
    sandbox: SandboxProcess, token: str, psid: str, fields: str = "name,first_name,last_name,profile_pic"
) -> requests.Response:
    return call(sandbox.url, "GET", psid, token, params={"fields": fields})


def test_a_profile_has_names_and_a_picture_that_ends_in_30_days(sandbox: SandboxProcess, token: str, psid: str) -> None:
    found = profile(sandbox, token, psid).json()
    assert (found["name"], found["first_name"], found["last_name"]) == ("Lena Fischer", "Lena", "Fischer")
    assert requests.get(found["profile_pic"], timeout=10).headers["Content-Type"] == "image/jpeg"
    sandbox.configure(clock_offset_s=31 * 86400)
    late = requests.get(found["profile_pic"], timeout=10)
    assert (late.status_code, late.text) == (403, "URL signature expired")


@pytest.mark.parametrize(("mode", "keys"), [("name_only", {"id", "name"}), ("empty", set())])
def test_some_profiles_have_only_a_name_or_nothing(
    sandbox: SandboxProcess, token: str, psid: str, mode: str, keys: set[str]
) -> None:
    sandbox.act("profile", customer="lena", value=mode)
    assert set(profile(sandbox, token, psid).json()) == keys


def test_some_profiles_are_an_error(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.act("profile", customer="lena", value="error")
    assert refusal(profile(sandbox, token, psid)) == (100, 2018218)


def test_without_the_feature_every_profile_is_empty(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.configure(profile_access=False)
    assert profile(sandbox, token, psid).json() == {}


def test_a_person_who_never_wrote_has_no_profile(sandbox: SandboxProcess, token: str) -> None:
    assert refusal(profile(sandbox, token, sandbox.psid("yusuf", BERG_BIKES))) == (100, 33)


def test_gender_needs_a_permission_of_its_own(sandbox: SandboxProcess, token: str, psid: str) -> None:
    assert refusal(profile(sandbox, token, psid, "gender")) == (100, 2018247)


def moderate(sandbox: SandboxProcess, token: str, actions: list[str], psids: list[str]) -> requests.Response:
    body = {"user_ids": [{"id": psid} for psid in psids], "actions": actions}
    return call(sandbox.url, "POST", f"{BERG_BIKES}/moderate_conversations", token, json=body)


def test_a_blocked_person_cannot_write_until_unblocked(sandbox: SandboxProcess, token: str, psid: str) -> None:
    assert moderate(sandbox, token, ["block_user"], [psid]).json() == {"success": True}
    with pytest.raises(AssertionError, match="has blocked Lena Fischer"):
        sandbox.customer_writes("lena", BERG_BIKES, "hello?")
    assert moderate(sandbox, token, ["UNBLOCK_USER"], [psid]).ok
    sandbox.customer_writes("lena", BERG_BIKES, "hello!")


@pytest.mark.parametrize(
    ("actions", "count"),
    [(["block_user", "unblock_user"], 1), (["explode"], 1), ([], 1), (["block_user"], 0), (["block_user"], 11)],
)
def test_a_wrong_moderation_is_refused(
    sandbox: SandboxProcess, token: str, psid: str, actions: list[str], count: int
) -> None:
    assert refusal(moderate(sandbox, token, actions, [psid] * count))[0] == 100


def test_somebody_without_a_conversation_cannot_be_blocked(sandbox: SandboxProcess, token: str) -> None:
    assert refusal(moderate(sandbox, token, ["block_user"], ["123"]))[0] == 100


def control(sandbox: SandboxProcess, token: str, edge: str, psid: str, **more: Any) -> requests.Response:
    body = {"recipient": {"id": psid}, **more}
    return call(sandbox.url, "POST", f"{BERG_BIKES}/{edge}_thread_control", token, json=body)


def test_control_is_passed_taken_back_and_released(sandbox: SandboxProcess, token: str, psid: str) -> None:
    def owner() -> list[dict[str, Any]]:
        params = {"recipient": psid}
        return call(sandbox.url, "GET", f"{BERG_BIKES}/thread_owner", token, params=params).json()["data"]

    assert control(sandbox, token, "pass", psid, target_app_id="263902037430900").ok
    assert owner()[0]["thread_owner"]["app_id"] == "263902037430900"
    assert refusal(control(sandbox, token, "take", psid)) == (27, None)
    sandbox.act("default_app", page=BERG_BIKES)
    assert control(sandbox, token, "take", psid).ok
    assert owner()[0]["thread_owner"]["app_id"] == "100000000000001"
    assert control(sandbox, token, "release", psid).ok
    assert owner() == []


def test_somebody_elses_thread_cannot_be_passed_on(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.control("POST", f"pages/{BERG_BIKES}/owner", {"psid": psid, "app_id": "5"})
    assert refusal(control(sandbox, token, "pass", psid, target_app_id="6")) == (100, 2534037)


def test_control_ends_a_day_after_the_customers_last_act(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.control("POST", f"pages/{BERG_BIKES}/owner", {"psid": psid, "app_id": "5"})
    sandbox.configure(clock_offset_s=25 * 3600)
    assert call(sandbox.url, "GET", f"{BERG_BIKES}/thread_owner", token, params={"recipient": psid}).json() == {
        "data": []
    }


def test_shared_links_are_shares_and_templates_are_attachments(sandbox: SandboxProcess, token: str, psid: str) -> None:
    for name in ("ad", "carousel"):
        sandbox.control("POST", "customers/lena/samples", {"page_id": BERG_BIKES, "name": name})
    fields = "messages{message,shares,attachments}"
    carousel, ad, _hi = conversation(sandbox, token, psid, fields=fields)["messages"]["data"]
    assert ad["shares"]["data"] == [{"link": "https://shop.example/w", "name": "Wheel"}]
    (template,) = carousel["attachments"]["data"]
    assert template["generic_template"]["title"] == "Mug"


def test_lost_webhooks_are_not_delivered_later(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.configure(webhooks_lost=True)
    sandbox.customer_writes("lena", BERG_BIKES, "Lost")
    sandbox.configure(webhooks_lost=False)
    assert sandbox.deliveries()["queued"] in ([], 0)
    assert conversation(sandbox, token, psid)["messages"]["data"][0]["message"] == "Lost"
