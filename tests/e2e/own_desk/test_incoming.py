"""From the webhook to the open page with real processes: answers, the live stream, and workers that compete or die."""

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests import factories as make
from tests.e2e import data
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SECRET = "sandbox-app-secret"
WEBHOOK = "/webhooks/messenger/"
Event = tuple[str, dict[str, Any]]  # its kind and its data


class Meta:
    """Posts to the webhook as Meta does, without the sandbox, so that a test can send any bytes."""

    def __init__(self, desk: RunningDesk) -> None:
        self.desk = desk

    def post(self, data: object, **headers: str) -> requests.Response:
        body = data if isinstance(data, bytes) else make.body_of(data)
        headers = {"X-Hub-Signature-256": make.sign(body, SECRET), **headers}
        return requests.post(self.desk.url + WEBHOOK, data=body, headers=headers, timeout=20, proxies={"http": ""})

    def text_delivery(self, text: str, psid: str = "7001", page: str = "page1", second: int = 0) -> dict[str, Any]:
        """Return a delivery of one text message, with its text in its mid."""
        at = make.ms(make.NOON) + second * 1000
        item = {"sender": {"id": psid}, "recipient": {"id": page}, "timestamp": at}
        item["message"] = {"mid": f"m_{text}", "text": text}
        return {"object": "page", "entry": [{"id": page, "time": at, "messaging": [item]}]}


def messages(desk: RunningDesk) -> list[dict[str, Any]]:
    """Return all messages of the API in the order in which they were stored."""
    found, url = [], f"{desk.url}/api/v1/messages/?ordering=id"
    while url:
        answer = desk.http.get(url, timeout=20).json()
        found += answer["results"]
        url = answer["next"]
    return found


def _has_begun(desk: RunningDesk, already: int) -> bool:
    """Whether there are newer messages than this one, or nothing waits: a fast worker may end before it is killed."""
    return newest(desk) > already or desk.drained() is not None


def newest(desk: RunningDesk) -> int:
    """Return the id of the newest message."""
    answer = desk.http.get(f"{desk.url}/api/v1/messages/?ordering=-id", timeout=20)
    return max((message["id"] for message in answer.json()["results"]), default=0)


@contextmanager
def open_page(desk: RunningDesk, username: str) -> Iterator[Callable[..., list[Event]]]:
    """Hold a live stream open as this user; yield a function that waits for events and returns all so far.

    Only events of the kinds `sync` and `conversation` count: rows and pings can come at any time.
    """
    events: list[Event] = []
    arrived = threading.Condition()
    connection = http.client.HTTPConnection("localhost", desk.port, timeout=30)
    connection.request("GET", "/live/", headers={"Cookie": f"sessionid={desk.call(data.session, username)}"})
    stream = connection.sock
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")

    def read() -> None:
        kind = ""
        with suppress(OSError, http.client.HTTPException):  # the test closed the stream
            for line in map(bytes.decode, answer):
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ").strip()
                elif line.startswith("data: ") and kind in ("sync", "conversation"):
                    with arrived:
                        events.append((kind, json.loads(line.removeprefix("data: "))))
                        arrived.notify_all()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()

    def wait(ready: Callable[[list[Event]], object], seconds: float = 30) -> list[Event]:
        with arrived:
            assert arrived.wait_for(lambda: ready(events), seconds), events
            return list(events)

    try:
        wait(lambda seen: seen)
        yield wait
    finally:
        stream.shutdown(socket.SHUT_RDWR)  # close() would wait for the next ping while the thread reads
        reader.join()
        connection.close()


@pytest.fixture(scope="module")
def desk(new_desk: Callable[..., RunningDesk]) -> RunningDesk:
    desk = new_desk(DESK_RETRY_BASE_SECONDS="0.1", DESK_CLAIM_SECONDS="2", DESK_SWEEP_SECONDS="1")
    desk.call(data.make_two_channels)
    desk.start("web", "worker")
    desk.http.headers["Authorization"] = f"Token {desk.call(data.api_token, 'admin')}"
    return desk


@pytest.fixture
def meta(desk: RunningDesk) -> Meta:
    return Meta(desk)


# --- Answers of the webhook -------------------------------------------------------------------------------------------
BODY = b'{"object":"page","entry":[]}'


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (BODY, {}, 200),
        (b"not json", {}, 200),
        (b"[]", {}, 200),
        (b"[" * 100_000, {}, 200),
        (BODY, {"X-Hub-Signature-256": ""}, 403),
        (BODY, {"X-Hub-Signature-256": "sha256=" + "0" * 64}, 403),
        (BODY, {"X-Hub-Signature-256": make.sign(BODY + b" ", SECRET)}, 403),
        (BODY, {"X-Hub-Signature-256": "", "X-Hub-Signature": "sha1=00"}, 403),
        (b'{"object":"instagram","entry":[]}', {}, 404),
        (b"x" * 2_000_000, {"X-Hub-Signature-256": "sha256=nonsense"}, 413),
    ],
    ids=["fine", "no json", "list", "deep", "unsigned", "wrong", "other body", "sha1", "instagram", "2 MB"],
)
def test_the_webhook_answers(meta: Meta, body: bytes, headers: dict[str, str], status: int) -> None:
    assert meta.post(body, **headers).status_code == status


def test_a_body_sent_in_chunks_without_a_length_is_cut_off_at_one_megabyte(desk: RunningDesk) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    try:
        headers = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
        answer = requests.post(desk.url + WEBHOOK, data=chunks(), headers=headers, timeout=20, proxies={"http": ""})
    except requests.ConnectionError:
        return  # the server closed the connection during the upload, which also counts
    assert answer.status_code == 413


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize(("path", "status"), [("/healthz", 413), ("/api/v1/contacts/", 401), ("/accounts/login/", 413)])
def test_a_large_body_is_refused_wherever_none_is_expected(
    desk: RunningDesk, path: str, status: int, chunked: bool
) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(80):
            yield b"x" * 50_000

    body = chunks() if chunked else b"".join(chunks())
    answer = requests.post(desk.url + path, data=body, timeout=20, proxies={"http": ""})
    assert answer.status_code == status
    sentence = answer.json()["detail"] if path.startswith("/api/") else answer.text
    assert sentence.startswith("Log in before" if status == 401 else "This request is too large: at most ")
    assert answer.headers["Connection"] == "close"


def test_the_challenge_goes_through_the_same_address(desk: RunningDesk) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "sandbox-verify-token", "hub.challenge": "123"}
    answer = desk.http.get(desk.url + WEBHOOK, params=query, timeout=20)
    assert (answer.status_code, answer.text) == (200, "123")


# --- Live -------------------------------------------------------------------------------------------------------------
def test_only_open_pages_of_users_who_may_see_a_message_get_its_event(desk: RunningDesk, meta: Meta) -> None:
    with open_page(desk, "agent1") as one, open_page(desk, "agent2") as two, open_page(desk, "admin") as admin:
        assert one(len)[0] == ("sync", {})
        meta.post(meta.text_delivery("warm up", page="page1"))
        one(lambda seen: len(seen) > 1)
        meta.post(meta.text_delivery("for agent2", page="page2"))
        two(lambda seen: len(seen) > 1)
        admin(lambda seen: len(seen) > 2)
        kinds = [kind for kind, _data in one(len)]
        (kind, data) = two(len)[1]
        assert kind == "conversation"
        assert set(data) == {"conversation", "channel", "assignee", "department", "transferred"}
        conversations = {data["conversation"] for kind, data in one(len) if kind == "conversation"}
        assert data["conversation"] not in conversations
        assert kinds.count("sync") == 1


@pytest.mark.parametrize("cookies", [{}, {"sessionid": "forged"}])
def test_an_anonymous_request_gets_no_stream(desk: RunningDesk, cookies: dict[str, str]) -> None:
    answer = requests.get(f"{desk.url}/live/", cookies=cookies, timeout=10, proxies={"http": ""})
    assert answer.status_code == 403


def test_twenty_open_pages_do_not_need_a_thread_each(desk: RunningDesk, meta: Meta) -> None:
    web = desk.processes.running["web"].pid
    before = len(list(Path(f"/proc/{web}/task").iterdir()))
    with ThreadPoolExecutor(20) as pool:
        pages = [open_page(desk, "admin") for _ in range(20)]
        waits = list(pool.map(lambda page: page.__enter__(), pages))
        meta.post(meta.text_delivery(f"to all {time.monotonic()}"))
        for wait in waits:
            wait(lambda seen: len(seen) > 1)
        assert len(list(Path(f"/proc/{web}/task").iterdir())) <= before + 3
        for page in pages:
            page.__exit__(None, None, None)


@pytest.mark.postgresql
def test_a_stream_outlives_the_loss_of_all_database_connections(desk: RunningDesk, meta: Meta) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
    with open_page(desk, "admin") as admin:
        with psycopg.connect(desk.environment["DATABASE_URL"], autocommit=True) as database:
            database.execute(cut, [database.info.backend_pid])
        admin(lambda seen: [kind for kind, _data in seen].count("sync") == 2)
        assert meta.post(meta.text_delivery("after the cut", psid="cut")).status_code == 200
        admin(lambda seen: seen[-1][0] == "conversation", 30)


# --- Once, whatever happens -------------------------------------------------------------------------------------------
def test_the_same_event_at_the_same_moment_is_one_message(desk: RunningDesk, meta: Meta) -> None:
    deliveries = [meta.text_delivery(f"five times {number}", psid="same") for number in range(20) for _ in range(5)]
    with ThreadPoolExecutor(10) as pool:
        assert {answer.status_code for answer in pool.map(meta.post, deliveries)} == {200}
    desk.wait_until_drained()
    texts = [message["text"] for message in messages(desk) if message["text"].startswith("five times")]
    assert sorted(texts) == sorted({f"five times {number}" for number in range(20)})


def test_two_processes_that_drain_the_same_events_make_one_message_each(
    desk: RunningDesk, meta: Meta, tmp_path: Path
) -> None:
    desk.processes.stop_one("worker")
    for number in range(30):
        for _ in range(4):
            delivery = meta.text_delivery(f"twin {number}", psid=f"twin{number % 3}", second=number)
            assert meta.post(delivery).status_code == 200
    code = (
        "import os, pathlib, time\n"
        "from channels_im.services.journal import drain\n"
        "drain.BATCH_SIZE = 7\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "(folder / f'ready{os.getpid()}').touch()\n"
        "while not (folder / 'go').exists(): time.sleep(0.005)\n"
        "drain.drain_journal()\n"
    )
    command = [sys.executable, "manage.py", "shell", "-c", code]
    drains = [desk.processes.start(name, command) for name in ("drain one", "drain two")]
    desk.wait_for(lambda: len(list(tmp_path.glob("ready*"))) == 2, "both processes are ready")
    (tmp_path / "go").touch()
    assert [drain.wait(60) for drain in drains] == [0, 0]
    for name in ("drain one", "drain two"):
        del desk.processes.running[name]
    desk.start("worker")
    desk.wait_until_drained()
    texts = [message["text"] for message in messages(desk) if message["text"].startswith("twin")]
    assert sorted(texts) == sorted(f"twin {number}" for number in range(30))
    assert desk.readiness()["journal"]["failed"] <= 3  # the invalid bodies above


def test_a_worker_killed_in_the_middle_of_a_drain_loses_nothing_and_doubles_nothing(
    desk: RunningDesk, meta: Meta
) -> None:
    desk.processes.stop_one("worker")
    count = 1500  # so many sets that the worker is killed between two of them, however fast it is
    lines = [meta.text_delivery(f"kill {number}", psid=f"kill{number % 40}", second=number) for number in range(count)]
    desk.call(data.fill_journal, lines)

    already = newest(desk)
    desk.processes.start("worker", desk.commands["worker"])
    desk.wait_for(lambda: newest(desk) > already, "the worker has begun", every=0.01)
    desk.processes.kill("worker")
    assert desk.readiness()["journal"]["pending"] > 0, "the worker was done before it was killed"
    desk.start("worker")
    desk.wait_until_drained()
    texts = [message["text"] for message in messages(desk) if message["text"].startswith("kill")]
    assert sorted(texts) == sorted(f"kill {number}" for number in range(count))


def test_a_worker_killed_in_a_delivery_with_hundreds_of_events_loses_nothing_and_doubles_nothing(
    desk: RunningDesk, meta: Meta
) -> None:
    desk.processes.stop_one("worker")
    count = 600
    parts = [meta.text_delivery(f"large {number}", psid=f"large{number % 3}", second=number) for number in range(count)]
    whole = parts[0]
    whole["entry"][0]["messaging"] = [part["entry"][0]["messaging"][0] for part in parts]
    assert meta.post(whole).status_code == 200

    already = newest(desk)
    for _ in range(2):
        desk.processes.start("worker", desk.commands["worker"])
        desk.wait_for(partial(_has_begun, desk, already), "the worker has begun")
        desk.processes.kill("worker")
        already = newest(desk)
    desk.start("worker")
    desk.wait_until_drained()
    texts = [message["text"] for message in messages(desk) if message["text"].startswith("large")]
    assert sorted(texts) == sorted(f"large {number}" for number in range(count))


# --- Health -----------------------------------------------------------------------------------------------------------
def test_ready_says_what_waits_and_turns_degraded_without_a_worker(desk: RunningDesk) -> None:
    state = desk.wait_until_drained()
    assert state["status"] == "ok"
    assert state["worker"]["heartbeat_age_s"] < 30
    assert set(state["journal"]) == {"pending", "failed", "oldest_s"}
    assert set(state["outbox"]) == {"queued", "unsure", "oldest_s"}
    assert desk.http.get(f"{desk.url}/healthz", timeout=10).status_code == 200
