"""A worker that is killed in the middle of a call: the customer has the reply exactly once, and Desk knows it."""

from collections.abc import Callable

import pytest

from tests.e2e.stage import Desk
from tests.sandbox.process import BERG_BIKES, SandboxProcess

pytestmark = pytest.mark.processes
TOKEN = "0123456789abcdef0123456789abcdef01234567"
TOKEN_FOR_ALICE = f"""
from rest_framework.authtoken.models import Token
from desk.models import User
Token.objects.create(user=User.objects.get(username="alice"), key="{TOKEN}")
"""


@pytest.fixture(scope="module")
def desk(new_desk: Callable[..., Desk]) -> Desk:
    desk = new_desk(
        DESK_RETRY_BASE_SECONDS="0.1", DESK_CLAIM_SECONDS="3", DESK_SWEEP_SECONDS="1", META_TIMEOUT_SECONDS="20"
    )
    desk.start_all(demo_data=True)
    desk.manage("shell", "-c", TOKEN_FOR_ALICE)
    desk.http.headers["Authorization"] = f"Token {TOKEN}"
    return desk


@pytest.fixture
def sandbox(desk: Desk) -> SandboxProcess:
    """The control API of the sandbox that runs beside Desk."""
    sandbox = SandboxProcess(port=desk.sandbox_port)
    sandbox.url = desk.sandbox_url
    sandbox.clear_faults()
    return sandbox


def api(desk: Desk, method: str, path: str, **options: object) -> dict:
    answer = desk.http.request(method, f"{desk.url}/api/v1/{path}", timeout=10, **options)
    assert answer.ok, answer.text
    return answer.json()


def conversation_with_lena(desk: Desk, sandbox: SandboxProcess) -> dict:
    """Let Lena write, so that the window is open, and return her conversation."""
    psid = sandbox.customer_writes("lena", BERG_BIKES, "Are you there?")["psid"]

    def arrived() -> dict | None:
        rows = api(desk, "GET", "conversations/")["results"]
        return next((row for row in rows if row["contact"]["psid"] == psid and row["unread"]), None)

    return desk.wait_for(arrived, "Lena's message is in Desk")


def arrivals(sandbox: SandboxProcess, text: str) -> int:
    return sum(row["text"] == text for row in sandbox.sent(BERG_BIKES))


@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before"])
def test_a_worker_killed_while_sending_leaves_one_reply_with_the_customer(
    desk: Desk, sandbox: SandboxProcess, fault: str
):
    text = f"Sent while the worker dies ({fault})"
    conversation = conversation_with_lena(desk, sandbox)
    sandbox.fault(fault, endpoint="messages", hold_s=60)
    (message,) = api(desk, "POST", "messages/", json={"conversation": conversation["id"], "text": text})["results"]
    desk.wait_for(lambda: not sandbox.control("GET", "faults")["data"], "Meta is called")

    desk.processes.kill("worker")
    # What was accepted has an echo, which may have been taken in before the kill.
    known = {"timeout_before": ("sending",), "timeout_after": ("sending", "sent", "delivered", "read")}
    assert api(desk, "GET", f"messages/{message['id']}/")["state"] in known[fault]
    desk.start("worker")

    def settled() -> str | None:
        state = api(desk, "GET", f"messages/{message['id']}/")["state"]
        return state if state in ("sent", "delivered", "read") else None

    desk.wait_for(settled, "the reply is known as sent")
    desk.wait_until_drained()
    assert arrivals(sandbox, text) == 1
