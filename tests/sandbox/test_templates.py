"""Utility messages at the sandbox: review, the webhook of its end, sending, and every refusal."""

import time
from typing import Any

import pytest
import requests

from tests.sandbox.graph import call, refusal
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.processes
FIELD = "message_template_status_update"


@pytest.fixture
def token(sandbox: SandboxProcess) -> str:
    scopes = ["pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_utility_messaging"]
    granted = sandbox.grant("anna", [BERG_BIKES], scopes=scopes)
    sandbox.subscribe(BERG_BIKES)
    sandbox.configure(template_review_s=0)
    return granted["pages"][0]["access_token"]


def create(sandbox: SandboxProcess, token: str, text: str = "Hi {{1}}", **changes: Any) -> requests.Response:
    body = {"type": "BODY", "text": text, "example": {"body_text": [["Maria"] * text.count("{{")]}}
    fields = {"name": "hello", "language": "en", "category": "UTILITY", "components": [body], **changes}
    return call(sandbox.url, "POST", f"{BERG_BIKES}/message_templates", token, json=fields)


def send(
    sandbox: SandboxProcess, token: str, *values: str, age_days: int = 0, kind: str = "UTILITY", name: str = "hello"
) -> requests.Response:
    at = round(time.time() * 1000) - age_days * 86_400_000
    psid = sandbox.customer_writes("tom", BERG_BIKES, "Hello?", timestamp=at)["psid"]
    parameters = [{"type": "text", "text": value} for value in values]
    template = {"name": name, "language": {"code": "en"}, "components": [{"type": "body", "parameters": parameters}]}
    body = {"recipient": {"id": psid}, "messaging_type": kind, "message": {"template": template}}
    return call(sandbox.url, "POST", f"{BERG_BIKES}/messages", token, json=body)


@pytest.mark.parametrize("age_days", [0, 30])
def test_an_approved_template_is_sent_inside_and_outside_the_window(
    sandbox: SandboxProcess, token: str, age_days: int
) -> None:
    assert create(sandbox, token).json()["status"] == "PENDING"
    assert send(sandbox, token, "Tom", age_days=age_days).ok
    assert [row["text"] for row in sandbox.sent(BERG_BIKES)] == ["Hi Tom"]


def test_the_decision_is_told_by_a_webhook(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    created = create(sandbox, token, "A big sale").json()
    told = receiver.wait(lambda: [item for item in receiver.items("field") if item["field"] == FIELD])
    assert told[0]["value"]["event"] == "REJECTED"
    (row,) = call(sandbox.url, "GET", f"{BERG_BIKES}/message_templates", token).json()["data"]
    assert (row["id"], row["status"], row["rejected_reason"]) == (created["id"], "REJECTED", "PROMOTIONAL")


def test_what_cannot_be_sent_or_created_is_refused(sandbox: SandboxProcess, token: str) -> None:
    create(sandbox, token)
    create(sandbox, token, "A big sale", name="sale")
    assert refusal(send(sandbox, token)) == (100, None)
    assert refusal(send(sandbox, token, "Tom", "too many")) == (100, None)
    assert refusal(send(sandbox, token, name="sale")) == (100, None)
    assert refusal(send(sandbox, token, "Tom", name="unknown")) == (100, None)
    assert refusal(send(sandbox, token, "Tom", kind="RESPONSE")) == (100, None)
    assert refusal(create(sandbox, token)) == (100, None)
    assert refusal(create(sandbox, token, name="Big Name")) == (100, None)
    assert refusal(create(sandbox, token, name="other", category="MARKETING")) == (100, None)
    sandbox.act("revoke_permission", person="anna", scope="pages_utility_messaging")
    assert refusal(send(sandbox, token, "Tom"))[0] == refusal(create(sandbox, token, name="b"))[0] == 10
