"""Webhooks: signature, fields, order, retries, the one-hour rule."""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import addresses
from tests.sandbox.graph import APP_TOKEN, call, message, refusal
from tests.sandbox.process import APP_SECRET, BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.processes


def send(sandbox: SandboxProcess, token: str, psid: str, **more: Any) -> dict[str, Any]:
    return call(sandbox.url, "POST", f"{BERG_BIKES}/messages", token, json=message(psid, **more)).json()


def test_the_signature_is_over_the_raw_ascii_bytes_with_lower_case_escapes(
    sandbox: SandboxProcess, token: str, receiver: Receiver
) -> None:
    sandbox.customer_writes("lena", BERG_BIKES, "Größe 54? 😊 </script>")
    receiver.wait_items("message")
    post = receiver.posts[0]
    assert post.raw.isascii()
    assert rb"Gr\u00f6\u00dfe 54? \ud83d\ude0a <\/script>" in post.raw
    mac = hmac.new(APP_SECRET.encode(), post.raw, hashlib.sha256).hexdigest()
    assert post.headers["X-Hub-Signature-256"] == f"sha256={mac}"
    assert post.headers["X-Hub-Signature"].startswith("sha1=")
    assert json.loads(post.raw)["object"] == "page"


def test_a_message_carries_page_psid_and_milliseconds(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    written = sandbox.customer_writes("lena", BERG_BIKES, "Hi")
    (item,) = receiver.wait_items("message")
    assert item["sender"] == {"id": written["psid"]}
    assert item["recipient"] == {"id": BERG_BIKES}
    assert item["timestamp"] == written["timestamp"]
    assert abs(item["timestamp"] / 1000 - time.time()) < 60
    assert item["message"] == {"mid": written["mid"], "text": "Hi"}


def test_a_reply_brings_an_echo_with_app_id_and_metadata_then_its_delivery(
    sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    body = {"message": {"text": "Hello", "metadata": "desk:17"}}
    sent = send(sandbox, token, psid, **body)
    receiver.wait_items("delivery")
    echo, delivery = receiver.items()
    assert echo["message"]["is_echo"] is True
    assert echo["message"]["app_id"] == 100000000000001
    assert echo["message"]["metadata"] == "desk:17"
    assert echo["message"]["mid"] == sent["message_id"]
    assert (echo["sender"]["id"], echo["recipient"]["id"]) == (BERG_BIKES, psid)
    assert delivery["delivery"]["mids"] == [sent["message_id"]]
    assert delivery["delivery"]["watermark"] > 10**12


def test_reading_sends_the_watermark_once(sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver) -> None:
    send(sandbox, token, psid)
    assert sandbox.customer_reads("lena", BERG_BIKES) == {"sent": True}
    assert sandbox.customer_reads("lena", BERG_BIKES) == {"sent": False}
    (item,) = receiver.wait_items("read")
    assert item["read"]["watermark"] >= sandbox.sent(BERG_BIKES, psid)[0]["ts"]


def test_customers_who_read_automatically_need_no_window(
    sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    sandbox.configure(auto_read=True)
    send(sandbox, token, psid)
    receiver.wait_items("read")


def test_an_answer_from_the_pages_inbox_is_echoed_with_the_inbox_app(
    sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    sandbox.control("POST", f"pages/{BERG_BIKES}/inbox", {"psid": psid, "text": "From my phone"})
    (echo, *_) = receiver.wait_items("message")
    assert echo["message"]["app_id"] == 263902037430900
    assert "metadata" not in echo["message"]


def test_edit_unsend_reaction_postback_and_referral_have_their_shapes(
    sandbox: SandboxProcess, token: str, receiver: Receiver
) -> None:
    mid = sandbox.customer_writes("lena", BERG_BIKES, "Helo")["mid"]
    sandbox.control("POST", "customers/lena/edits", {"mid": mid, "text": "Hello"})
    sandbox.customer_reacts("lena", mid, "wow")
    sandbox.customer_reacts("lena", mid, None)
    sandbox.control("POST", "customers/lena/postbacks", {"page_id": BERG_BIKES, "title": "Start", "payload": "GO"})
    sandbox.control("POST", "customers/lena/referrals", {"page_id": BERG_BIKES, "ref": "sale"})
    sandbox.control("POST", "customers/lena/unsend", {"mid": mid})
    receiver.wait(lambda: len(receiver.items()) == 7)
    items = receiver.items()
    assert items[1]["message_edit"] == {"mid": mid, "text": "Hello", "num_edit": 1}
    assert items[2]["reaction"] == {"mid": mid, "action": "react", "reaction": "wow", "emoji": "😮"}
    assert items[3]["reaction"] == {"mid": mid, "action": "unreact"}
    assert items[4]["postback"]["payload"] == "GO"
    assert items[5]["referral"] == {"source": "SHORTLINK", "type": "OPEN_THREAD", "ref": "sale"}
    assert items[6]["message"] == {"mid": mid, "is_deleted": True}


def test_a_message_can_be_edited_five_times(sandbox: SandboxProcess, token: str) -> None:
    mid = sandbox.customer_writes("lena", BERG_BIKES, "0")["mid"]
    for number in range(5):
        sandbox.control("POST", "customers/lena/edits", {"mid": mid, "text": str(number)})
    with pytest.raises(AssertionError, match="5 times at most"):
        sandbox.control("POST", "customers/lena/edits", {"mid": mid, "text": "6"})


def test_a_sticker_comes_only_as_sticker(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.customer_writes("lena", BERG_BIKES, sticker="369239263222822")
    (item,) = receiver.wait_items("message")
    (attachment,) = item["message"]["attachments"]
    assert attachment["type"] == "sticker"
    assert attachment["payload"]["sticker_id"] == 369239263222822


def test_only_subscribed_fields_arrive(sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver) -> None:
    sandbox.act("set_fields", page=BERG_BIKES, fields="message_echoes")
    sandbox.customer_writes("lena", BERG_BIKES, "unheard")
    send(sandbox, token, psid)
    receiver.wait_items("message")
    assert [item["message"]["is_echo"] for item in receiver.items()] == [True]


def test_an_unsubscribed_page_hears_nothing(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.act("unsubscribe", page=BERG_BIKES)
    sandbox.customer_writes("lena", BERG_BIKES, "unheard")
    assert sandbox.deliveries() == {"data": [], "queued": [], "callbacks": []}


def test_in_development_mode_only_people_with_a_role_are_heard(
    sandbox: SandboxProcess, token: str, receiver: Receiver
) -> None:
    sandbox.act("app_mode", value="development")
    sandbox.add_customer("Dev", id="dev", app_role=True)
    sandbox.customer_writes("lena", BERG_BIKES, "unheard")
    sandbox.customer_writes("dev", BERG_BIKES, "heard")
    receiver.wait_items("message")
    assert [item["message"]["text"] for item in receiver.items()] == ["heard"]


def test_while_another_app_holds_the_thread_events_come_in_standby(
    sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    sandbox.control("POST", f"pages/{BERG_BIKES}/owner", {"psid": psid, "app_id": "263902037430900"})
    sandbox.customer_writes("lena", BERG_BIKES, "Anybody?")
    sandbox.control("POST", "customers/lena/postbacks", {"page_id": BERG_BIKES, "title": "Go", "payload": "GO"})
    receiver.wait_items("postback")
    take, text, postback = receiver.items()
    assert take["slot"] == "messaging"
    assert take["take_thread_control"]["new_owner_app_id"] == "263902037430900"
    assert text["slot"] == postback["slot"] == "standby"
    assert "payload" not in postback["postback"]


def test_events_of_a_page_arrive_in_order(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    for number in range(30):
        sandbox.customer_writes("lena", BERG_BIKES, str(number))
    receiver.wait_items("message", 30)
    assert [item["message"]["text"] for item in receiver.items()] == [str(number) for number in range(30)]


@pytest.mark.slow
def test_several_entries_may_come_in_one_post(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.configure(webhook_batch=10)
    receiver.delay_s = 2
    for number in range(5):
        sandbox.customer_writes("lena", BERG_BIKES, str(number))
    receiver.wait_items("message", 5)
    assert max(len(json.loads(post.raw)["entry"]) for post in receiver.posts) > 1
    assert [item["message"]["text"] for item in receiver.items()] == list("01234")


@pytest.mark.parametrize("status", [500, 403, 302, 201])
def test_anything_but_200_is_sent_again_until_it_is_taken(
    sandbox: SandboxProcess, token: str, receiver: Receiver, status: int
) -> None:
    receiver.answers = [status, status]
    mid = sandbox.customer_writes("lena", BERG_BIKES, "again")["mid"]
    receiver.wait_items("message", 3)
    assert {item["message"]["mid"] for item in receiver.items()} == {mid}
    receiver.wait(lambda: not sandbox.deliveries()["queued"])


def test_no_answer_within_the_limit_counts_as_failure(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.configure(webhook_timeout_s=0.2)
    receiver.delay_s = 0.5
    sandbox.customer_writes("lena", BERG_BIKES, "slow")
    receiver.wait_items("message", 2)
    assert sandbox.deliveries()["data"][0]["error"] == "ReadTimeout"


def test_a_webhook_waits_in_no_request(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    receiver.delay_s = 3
    sandbox.customer_writes("lena", BERG_BIKES, "quick")
    assert sandbox.deliveries()["queued"]


@pytest.mark.slow
def test_after_immediate_tries_the_pauses_grow(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.configure(webhook_immediate_retries=1, webhook_immediate_delay_s=0.01, webhook_backoff_base_s=0.4)
    sandbox.configure(webhook_backoff_max_s=10)
    receiver.always = 500
    sandbox.customer_writes("lena", BERG_BIKES, "no")
    receiver.wait_items("message", 4)
    gaps = [later.at - earlier.at for earlier, later in zip(receiver.posts, receiver.posts[1:], strict=False)]
    assert gaps[0] < gaps[2]
    assert gaps[1] >= 0.4
    assert gaps[2] >= 0.8


@pytest.mark.slow
def test_failing_for_long_raises_an_alert_and_then_unsubscribes_the_page(
    sandbox: SandboxProcess, token: str, receiver: Receiver
) -> None:
    def page() -> dict[str, Any]:
        return next(row for row in sandbox.world()["pages"] if row["id"] == BERG_BIKES)

    sandbox.configure(webhook_alert_after_s=0.2, webhook_disable_after_s=2.5)
    receiver.always = 500
    sandbox.customer_writes("lena", BERG_BIKES, "no")
    receiver.wait(lambda: page()["webhook"]["alert"] or "")
    assert page()["subscribed_fields"]
    receiver.wait(lambda: "Webhooks Disabled" in (page()["webhook"]["alert"] or ""))
    assert page()["subscribed_fields"] == []
    assert sandbox.deliveries()["queued"] == []
    answer = call(sandbox.url, "GET", f"{BERG_BIKES}/subscribed_apps", token).json()
    assert answer == {"data": []}


def test_a_success_ends_the_alarm(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    receiver.answers = [500]
    sandbox.customer_writes("lena", BERG_BIKES, "once")
    receiver.wait_items("message", 2)
    receiver.wait(lambda: not sandbox.deliveries()["queued"])
    page = next(row for row in sandbox.world()["pages"] if row["id"] == BERG_BIKES)
    assert page["webhook"] == {"failing_since": None, "alert": None}


@pytest.mark.slow
def test_a_webhook_nobody_took_survives_the_death_of_the_process(receiver: Receiver, tmp_path: Path) -> None:
    env = addresses(receiver) | {"SANDBOX_STATE_DIR": str(tmp_path)}
    first = SandboxProcess(env=env).start()
    first.subscribe(BERG_BIKES)
    receiver.always = 500
    mid = first.customer_writes("lena", BERG_BIKES, "keep me")["mid"]
    receiver.wait_items("message")
    first.stop(kill=True)
    receiver.forget()
    with SandboxProcess(env=env) as second:
        second.control("POST", "webhooks/retry")
        (item,) = receiver.wait_items("message")
        assert item["message"]["mid"] == mid


def test_the_app_level_subscription_is_verified_with_a_challenge(
    sandbox: SandboxProcess, token: str, receiver: Receiver
) -> None:
    params = {
        "object": "page",
        "callback_url": f"{receiver.url}/webhooks/other/",
        "fields": "messages",
        "verify_token": "sandbox-verify-token",
    }
    answer = call(sandbox.url, "POST", "100000000000001/subscriptions", APP_TOKEN, params=params)
    assert answer.json() == {"success": True}
    (query,) = receiver.gets
    assert query["hub.mode"] == "subscribe"
    assert query["hub.verify_token"] == "sandbox-verify-token"
    sandbox.customer_writes("lena", BERG_BIKES, "to the new address")
    receiver.wait(lambda: receiver.posts)
    assert receiver.posts[0].path == "/webhooks/other/"


def test_a_callback_that_does_not_repeat_the_challenge_is_not_kept(sandbox: SandboxProcess, receiver: Receiver) -> None:
    receiver.challenge = "something else"
    params = {"object": "page", "callback_url": receiver.url, "fields": "messages", "verify_token": "t"}
    answer = call(sandbox.url, "POST", "100000000000001/subscriptions", APP_TOKEN, params=params)
    assert refusal(answer)[0] == 2200
    listed = call(sandbox.url, "GET", "100000000000001/subscriptions", APP_TOKEN).json()["data"][0]
    assert listed["callback_url"].endswith("/webhooks/messenger/")


def test_any_raw_event_can_be_sent(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.event(BERG_BIKES, {"policy_enforcement": {"action": "warning", "reason": "spam"}})
    sandbox.event(BERG_BIKES, {"field": "feed", "value": {"item": "post"}}, slot="changes")
    receiver.wait(lambda: len(receiver.items()) == 2)
    assert [item["slot"] for item in receiver.items()] == ["messaging", "changes"]


@pytest.mark.parametrize("signature", ["valid", "none", "wrong", "sha1"])
def test_a_raw_body_can_be_posted_with_a_right_a_wrong_or_no_signature(
    sandbox: SandboxProcess, receiver: Receiver, signature: str
) -> None:
    answer = sandbox.control("POST", "webhooks/raw", {"body": "not json", "signature": signature})
    assert answer == {"status": 200, "error": None}
    (post,) = receiver.posts
    good = f"sha256={hmac.new(APP_SECRET.encode(), b'not json', hashlib.sha256).hexdigest()}"
    assert (post.headers.get("X-Hub-Signature-256") == good) is (signature == "valid")
    assert ("X-Hub-Signature" in post.headers) is (signature != "none")
