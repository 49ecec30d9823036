"""The Send API: what is sent, and every error with its code."""

import json
import time
from typing import Any

import pytest
import requests

from tests.sandbox.graph import call, message, refusal
from tests.sandbox.process import BERG_BAKERY, BERG_BIKES, SandboxProcess

pytestmark = pytest.mark.processes
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8ffff3f0005fe02fea7"
    "35810000000049454e44ae426082"
)
PDF = b"%PDF-1.4\n%%EOF\n"


def send(sandbox: SandboxProcess, token: str, body: dict[str, Any], page: str = BERG_BIKES) -> requests.Response:
    return call(sandbox.url, "POST", f"{page}/messages", token, json=body)


def upload(
    sandbox: SandboxProcess, token: str, psid: str, kind: str, name: str, data: bytes, content_type: str, **payload: Any
) -> requests.Response:
    fields = {
        "recipient": json.dumps({"id": psid}),
        "messaging_type": "RESPONSE",
        "message": json.dumps({"attachment": {"type": kind, "payload": payload}}),
    }
    files = {"filedata": (name, data, content_type)}
    return call(sandbox.url, "POST", f"{BERG_BIKES}/messages", token, data=fields, files=files)


def last_wrote(sandbox: SandboxProcess, age_ms: int) -> str:
    """Let Tom's last message be `age_ms` old and return his PSID."""
    at = int(time.time() * 1000) - age_ms
    return sandbox.customer_writes("tom", BERG_BIKES, "Hello?", timestamp=at)["psid"]


def test_a_text_reaches_the_customer_and_the_answer_names_both_ids(
    sandbox: SandboxProcess, token: str, psid: str
) -> None:
    answer = send(sandbox, token, message(psid, "Grüße aus Berlin 😊"))
    sent = sandbox.sent(BERG_BIKES, psid)
    assert answer.json() == {"recipient_id": psid, "message_id": sent[0]["mid"]}
    assert sent[0]["text"] == "Grüße aus Berlin 😊"


def test_me_messages_and_form_fields_with_json_inside_work_too(sandbox: SandboxProcess, token: str, psid: str) -> None:
    fields = {key: value if isinstance(value, str) else json.dumps(value) for key, value in message(psid).items()}
    assert call(sandbox.url, "POST", "me/messages", token, data=fields).ok


@pytest.mark.parametrize(
    ("age_ms", "kind", "goes"),
    [
        (23 * HOUR_MS, "RESPONSE", True),
        (25 * HOUR_MS, "RESPONSE", False),
        (25 * HOUR_MS, "UPDATE", False),
        (23 * HOUR_MS, "HUMAN_AGENT", True),
        (25 * HOUR_MS, "HUMAN_AGENT", True),
        (7 * DAY_MS - HOUR_MS, "HUMAN_AGENT", True),
        (7 * DAY_MS + HOUR_MS, "HUMAN_AGENT", False),
    ],
)
def test_the_windows_of_24_hours_and_of_7_days(
    sandbox: SandboxProcess, token: str, age_ms: int, kind: str, goes: bool
) -> None:
    psid = last_wrote(sandbox, age_ms)
    how = {"messaging_type": "MESSAGE_TAG", "tag": kind} if kind == "HUMAN_AGENT" else {"messaging_type": kind}
    answer = send(sandbox, token, message(psid, **how))
    assert answer.ok is goes
    if not goes:
        assert refusal(answer) == (10, 2018278)


def test_a_reaction_opens_the_window_again(sandbox: SandboxProcess, token: str) -> None:
    psid = last_wrote(sandbox, 3 * DAY_MS)
    mid = sandbox.world()["conversations"][0]["messages"][-1]["mid"]
    sandbox.customer_reacts("tom", mid)
    assert send(sandbox, token, message(psid)).ok


def test_human_agent_is_refused_when_the_feature_was_not_approved(
    sandbox: SandboxProcess, token: str, psid: str
) -> None:
    sandbox.configure(human_agent=False)
    assert refusal(send(sandbox, token, message(psid, messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT")))[0] == 3


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"message": {"text": "x" * 2000}}, (100, None)),
        ({"message": {}}, (100, 2018034)),
        ({"message": {"text": ""}}, (100, 2018034)),
        ({"message": {"text": "a", "metadata": "m" * 1000}}, (100, None)),
        ({"message": {"text": "a", "attachment": {"type": "image", "payload": {"url": "x"}}}}, (100, None)),
        ({"messaging_type": "MESSAGE_TAG"}, (100, None)),
        ({"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}, (100, 1893061)),
        ({"messaging_type": "NONSENSE"}, (100, None)),
        ({"sender_action": "typing_on"}, (100, 2018014)),
        ({"recipient": {"id": "123"}}, (100, 2018001)),
        ({"recipient": {}}, (100, None)),
        ({"reply_to": {"mid": "m_nothing"}}, (100, None)),
        ({"message": {"attachment": {"type": "file", "payload": {"attachment_id": "5"}}}}, (100, 2018074)),
        ({"message": {"attachment": {"type": "file", "payload": {"url": "http://192.0.2.1/x.pdf"}}}}, (100, 2018008)),
        ({"message": {"attachment": {"type": "file", "payload": {}}}}, (100, 2018047)),
    ],
)
def test_a_wrong_message_is_refused_and_nothing_goes_out(
    sandbox: SandboxProcess, token: str, psid: str, changes: dict[str, Any], refused: tuple[int, int | None]
) -> None:
    assert refusal(send(sandbox, token, {**message(psid), **changes})) == refused
    assert sandbox.sent() == []


def test_1999_characters_are_taken(sandbox: SandboxProcess, token: str, psid: str) -> None:
    assert send(sandbox, token, message(psid, "ä" * 1999)).ok


@pytest.mark.parametrize(
    ("act", "refused"),
    [
        ({"action": "availability", "customer": "lena", "value": "blocked_page"}, (551, 1545041)),
        ({"action": "availability", "customer": "lena", "value": "deactivated"}, (551, 1545041)),
        ({"action": "availability", "customer": "lena", "value": "cannot_receive"}, (10, 2018108)),
        ({"action": "restrict_page", "page": BERG_BIKES}, (10, 1893063)),
        ({"action": "app_mode", "value": "development"}, (200, 2018028)),
        ({"action": "revoke_permission", "person": "anna", "scope": "pages_messaging"}, (10, None)),
    ],
)
def test_each_state_of_customer_page_and_app_has_its_refusal(
    sandbox: SandboxProcess, token: str, psid: str, act: dict[str, str], refused: tuple[int, int | None]
) -> None:
    sandbox.act(**act)
    assert refusal(send(sandbox, token, message(psid))) == refused


def test_while_another_app_holds_the_thread_nothing_can_be_sent(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.control("POST", f"pages/{BERG_BIKES}/owner", {"psid": psid, "app_id": "263902037430900"})
    assert refusal(send(sandbox, token, message(psid))) == (10, 2018300)


def test_a_user_token_cannot_send(sandbox: SandboxProcess, token: str, psid: str) -> None:
    user = sandbox.grant("anna")["user_token"]
    assert refusal(send(sandbox, user, message(psid))) == (190, None)


def test_a_psid_belongs_to_one_page(sandbox: SandboxProcess, token: str, psid: str) -> None:
    bakery = sandbox.grant("anna")["pages"][1]["access_token"]
    assert refusal(send(sandbox, bakery, message(psid), page=BERG_BAKERY)) == (100, 2018001)


@pytest.mark.parametrize(
    ("kind", "name", "data", "content_type"),
    [
        ("file", "invoice.pdf", PDF, "application/pdf"),
        ("image", "photo.png", PNG, "image/png"),
        ("audio", "voice.mp3", b"ID3" + b"\0" * 50, "audio/mpeg"),
        ("video", "clip.mp4", b"\0\0\0\x18ftypmp42" + b"\0" * 50, "video/mp4"),
    ],
)
def test_a_file_is_uploaded_with_the_message_and_reaches_the_customer_unchanged(
    sandbox: SandboxProcess, token: str, psid: str, kind: str, name: str, data: bytes, content_type: str
) -> None:
    assert upload(sandbox, token, psid, kind, name, data, content_type).ok
    (item,) = sandbox.sent(BERG_BIKES, psid)[0]["attachments"]
    assert (item["type"], item["name"], item["content_type"]) == (kind, name, content_type)
    assert requests.get(item["cdn_url"], timeout=10).content == data


@pytest.mark.parametrize(
    ("kind", "data", "content_type", "subcode"),
    [
        ("image", PDF, "application/pdf", 2018047),
        ("image", b"no picture", "image/png", 2018047),
        ("audio", PNG, "image/png", 2018047),
        ("file", b"", "application/pdf", 2018047),
        ("file", b"x" * (25 * 1024 * 1024 + 1), "application/octet-stream", 2018109),
    ],
)
def test_a_file_of_the_wrong_type_or_size_is_refused(
    sandbox: SandboxProcess, token: str, psid: str, kind: str, data: bytes, content_type: str, subcode: int
) -> None:
    assert refusal(upload(sandbox, token, psid, kind, "f", data, content_type)) == (100, subcode)
    assert sandbox.sent() == []


def test_an_uploaded_attachment_can_be_sent_by_its_id_for_90_days_by_its_page_only(
    sandbox: SandboxProcess, token: str, psid: str
) -> None:
    fields = {"message": json.dumps({"attachment": {"type": "file", "payload": {"is_reusable": True}}})}
    path = f"{BERG_BIKES}/message_attachments"
    files = {"filedata": ("a.pdf", PDF, "application/pdf")}
    key = call(sandbox.url, "POST", path, token, data=fields, files=files).json()["attachment_id"]
    body = message(psid) | {"message": {"attachment": {"type": "file", "payload": {"attachment_id": key}}}}
    assert send(sandbox, token, body).ok
    bakery = sandbox.grant("anna")["pages"][1]["access_token"]
    other = sandbox.customer_writes("lena", BERG_BAKERY, "Hi")["psid"]
    assert refusal(send(sandbox, bakery, {**body, "recipient": {"id": other}}, page=BERG_BAKERY)) == (100, 2018074)
    sandbox.configure(clock_offset_s=91 * 86400)
    sandbox.customer_writes("lena", BERG_BIKES, "Still there?")
    assert refusal(send(sandbox, token, body)) == (100, 2018074)


def test_is_reusable_gives_an_attachment_id_with_the_message(sandbox: SandboxProcess, token: str, psid: str) -> None:
    answer = upload(sandbox, token, psid, "file", "a.pdf", PDF, "application/pdf", is_reusable=True).json()
    assert answer["attachment_id"]
    assert answer["message_id"]


def test_an_image_by_url_is_fetched_and_8_mb_is_its_limit(sandbox: SandboxProcess, token: str, psid: str) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/files", files={"file": ("a.png", PNG, "image/png")}, timeout=10)
    body = message(psid) | {"message": {"attachment": {"type": "image", "payload": {"url": answer.json()["url"]}}}}
    assert send(sandbox, token, body).ok
    big = {"file": ("b.png", PNG + b"\0" * (8 * 1024 * 1024), "image/png")}
    answer = requests.post(f"{sandbox.url}/_sandbox/files", files=big, timeout=10)
    body["message"]["attachment"]["payload"]["url"] = answer.json()["url"]
    assert refusal(send(sandbox, token, body)) == (100, 2018109)


def test_reply_to_quotes_the_customers_message(sandbox: SandboxProcess, token: str, psid: str) -> None:
    mid = sandbox.customer_writes("lena", BERG_BIKES, "And this?")["mid"]
    assert send(sandbox, token, message(psid, reply_to={"mid": mid})).ok
    assert sandbox.sent(BERG_BIKES, psid)[0]["reply_to"] == mid


def test_sender_actions_answer_with_the_recipient_alone_and_show_in_the_conversation(
    sandbox: SandboxProcess, token: str, psid: str
) -> None:
    def conversation() -> dict[str, Any]:
        return next(row for row in sandbox.world()["conversations"] if row["psid"] == psid)

    for action, shown in (("typing_on", True), ("typing_off", False)):
        assert send(sandbox, token, {"recipient": {"id": psid}, "sender_action": action}).json() == {
            "recipient_id": psid
        }
        assert conversation()["typing"] is shown
    send(sandbox, token, {"recipient": {"id": psid}, "sender_action": "mark_seen"})
    assert conversation()["page_seen_at"] >= conversation()["messages"][-1]["ts"]


def test_the_page_reacts_and_takes_it_back(sandbox: SandboxProcess, token: str, psid: str) -> None:
    mid = sandbox.customer_writes("lena", BERG_BIKES, "Thank you!")["mid"]
    body = {"recipient": {"id": psid}, "sender_action": "react", "payload": {"message_id": mid, "reaction": "love"}}
    assert send(sandbox, token, body).ok
    assert reactions(sandbox, mid) == {"page": {"reaction": "love", "emoji": "❤"}}
    assert send(sandbox, token, {**body, "sender_action": "unreact"}).ok
    assert reactions(sandbox, mid) == {}


def reactions(sandbox: SandboxProcess, mid: str) -> dict[str, Any]:
    rows = [row for conversation in sandbox.world()["conversations"] for row in conversation["messages"]]
    return next(row["reactions"] for row in rows if row["mid"] == mid)


def test_a_body_that_is_no_json_is_refused(sandbox: SandboxProcess, token: str) -> None:
    answer = call(
        sandbox.url,
        "POST",
        f"{BERG_BIKES}/messages",
        token,
        data=b"{nope",
        headers={"Content-Type": "application/json"},
    )
    assert refusal(answer)[0] == 100
