"""Killed and stopped processes: nothing is lost, nothing is sent twice, and open pages catch up."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from launcher.ports import free_port
from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Run a web server that receives webhook events."""
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def desk(new_desk: Callable[..., RunningDesk], receiver: Receiver) -> RunningDesk:
    """Start a Desk with demo data that soon retries the unfinished work of a killed worker."""
    desk = new_desk(
        DESK_RETRY_BASE_SECONDS="0.1",
        DESK_CLAIM_SECONDS="2",
        DESK_SWEEP_SECONDS="0.5",
        META_TIMEOUT_SECONDS="20",
        DESK_EVENT_HOSTS=receiver.url.removeprefix("http://"),
    )
    desk.start_all(demo_data=True)
    desk.http.headers["Authorization"] = f"Token {desk.call(data.api_token, 'alice')}"
    return desk


@pytest.fixture
def sandbox(desk: RunningDesk) -> SandboxProcess:
    desk.sandbox.clear_faults()
    return desk.sandbox


def api(desk: RunningDesk, method: str, path: str, json: dict[str, Any] | None = None) -> dict[str, Any]:
    """Send a request to the API and return its answer."""
    answer = desk.http.request(method, f"{desk.url}/api/v1/{path}", timeout=10, json=json)
    assert answer.ok, answer.text
    return answer.json()


def arrivals(sandbox: SandboxProcess, text: str) -> int:
    """Return how many times the text has reached the customer."""
    return sum(row["text"] == text for row in sandbox.sent(BERG_BIKES))


@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before"])
def test_a_worker_killed_while_sending_leaves_one_reply_with_the_customer(
    desk: RunningDesk, sandbox: SandboxProcess, fault: str
) -> None:
    text = f"Sent while the worker dies ({fault})"
    customer = Customer(desk)
    customer.writes("Are you there?")
    sandbox.fault(fault, endpoint="messages", hold_s=60)
    (message,) = api(desk, "POST", "messages/", json={"conversation": customer.conversation, "text": text})["results"]
    desk.wait_for(lambda: not sandbox.control("GET", "faults")["data"], "Meta is called")

    desk.processes.kill("worker")
    # An accepted message has an echo, which Desk may have stored before the kill.
    known = {"timeout_before": ("sending",), "timeout_after": ("sending", "sent", "delivered", "read")}
    assert api(desk, "GET", f"messages/{message['id']}/")["state"] in known[fault]
    desk.start("worker")

    def settled() -> str | None:
        state = api(desk, "GET", f"messages/{message['id']}/")["state"]
        return state if state in ("sent", "delivered", "read") else None

    desk.wait_for(settled, "the reply is known as sent")
    desk.wait_until_drained()
    assert arrivals(sandbox, text) == 1


def test_a_worker_killed_while_sending_a_webhook_event_sends_it_again_with_the_same_id(
    desk: RunningDesk, receiver: Receiver
) -> None:
    receiver.delay_s = 30  # longer than the worker waits
    subscription = desk.call(data.subscribe, receiver.url)
    desk.wait_for(lambda: receiver.posts, "the event is sent")

    desk.processes.kill("worker")
    sent_before = len(receiver.posts)
    receiver.delay_s = 0
    desk.start("worker")

    desk.wait_for(lambda: len(receiver.posts) > sent_before, "it is sent again")
    assert len({post.headers["Desk-Event-Id"] for post in receiver.posts}) == 1
    assert len({post.raw for post in receiver.posts}) == 1
    desk.call(data.unsubscribe, subscription)


@pytest.mark.browser
def test_while_the_server_is_away_it_says_so_and_then_catches_up(
    desk: RunningDesk, new_page: Callable[..., Page]
) -> None:
    customer = Customer(desk)
    customer.writes("Hello")
    agent = new_page()
    log_in(agent, desk, "alice")
    inbox = Inbox(agent, desk)
    inbox.open()
    inbox.choose(customer.name)
    inbox.never_reloads()
    desk.processes.stop_one("web")
    expect(agent.locator("#connection")).to_contain_text("Offline. Showing", timeout=10_000)
    agent.locator("#composer-text").fill("Sent into the void")
    agent.keyboard.press("Enter")
    expect(inbox.bubble("Sent into the void")).to_contain_text("Waiting for connection", timeout=SOON_MS)
    expect(agent.locator("#connection")).to_contain_text("1 reply will be sent when the connection is back.")
    desk.call(data.add_message, customer.conversation, "Written while the server was away", data.FROM_CUSTOMER)
    desk.start("web")
    expect(agent.locator("#connection")).to_be_hidden(timeout=30_000)
    expect(inbox.bubble("Written while the server was away")).to_have_count(1, timeout=SOON_MS)
    sent = agent.locator("[data-cursor]").filter(has_text="Sent into the void")
    expect(sent).to_have_count(1, timeout=2 * SOON_MS)
    expect(inbox.bubble("Sent into the void")).to_have_count(1, timeout=SOON_MS)
    inbox.expect_not_reloaded()


def test_a_worker_does_the_work_itself_while_redis_is_away(desk: RunningDesk) -> None:
    """The queue's cluster does not even start without Redis."""
    desk.processes.kill("worker")
    usual = desk.processes.environment
    desk.processes.environment = {**usual, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    try:
        desk.start("worker")
        customer = Customer(desk)
        customer.writes("Is anybody there?")
        assert api(desk, "GET", f"messages/?conversation={customer.conversation}")["results"]
        assert "Redis does not take tasks" in desk.log.getvalue()
    finally:
        desk.processes.environment = usual
        desk.processes.kill("worker")
        desk.start("worker")
