"""From the POST to the open page with real processes: the ASGI doors, the live stream, and a worker that is killed."""

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import requests

from tests import factories as make
from tests.e2e.stage import Desk

pytestmark = pytest.mark.processes

TOKEN = "0123456789abcdef0123456789abcdef01234567"
SECRET = "sandbox-app-secret"
WEBHOOK = "/webhooks/messenger/"
SETUP = f"""
from rest_framework.authtoken.models import Token
from tests import factories as make
for number in (1, 2):
    channel = make.make_channel(make.make_page(f"page{{number}}"))
    make.make_agent(f"agent{{number}}", channels=(channel,))
Token.objects.create(user=make.make_admin(), key="{TOKEN}")
"""
LOG_IN = """
from datetime import timedelta
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from desk.models import User
for user in User.objects.all():
    data = {SESSION_KEY: str(user.pk), HASH_SESSION_KEY: user.get_session_auth_hash()}
    data[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    Session.objects.save(user.username * 4, data, timezone.now() + timedelta(days=1))
"""


class Meta:
    """Posts to the webhook as Meta does, without the sandbox: the test decides on each byte."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def post(self, data: object, **headers: str) -> requests.Response:
        body = data if isinstance(data, bytes) else make.body_of(data)
        headers = {"X-Hub-Signature-256": make.sign(body, SECRET), **headers}
        return requests.post(self.desk.url + WEBHOOK, data=body, headers=headers, timeout=20, proxies={"http": ""})

    def says(self, text: str, psid: str = "7001", page: str = "page1", second: int = 0) -> dict:
        """Return a delivery of one text message whose mid is made of its text."""
        at = make.ms(make.NOON) + second * 1000
        item = {"sender": {"id": psid}, "recipient": {"id": page}, "timestamp": at}
        item["message"] = {"mid": f"m_{text}", "text": text}
        return {"object": "page", "entry": [{"id": page, "time": at, "messaging": [item]}]}


def messages(desk: Desk) -> list[dict]:
    """Return all messages in the order they were stored, through the API."""
    found, url = [], f"{desk.url}/api/v1/messages/?ordering=id"
    while url:
        answer = desk.http.get(url, headers={"Authorization": f"Token {TOKEN}"}, timeout=20).json()
        found += answer["results"]
        url = answer["next"]
    return found


def newest(desk: Desk) -> int:
    """Return the id of the message stored last."""
    headers = {"Authorization": f"Token {TOKEN}"}
    answer = desk.http.get(f"{desk.url}/api/v1/messages/?ordering=-id", headers=headers, timeout=20)
    return max((message["id"] for message in answer.json()["results"]), default=0)


@contextmanager
def open_page(desk: Desk, username: str) -> Iterator[Callable[..., list[tuple[str, dict]]]]:
    """Hold a live stream open as this user; yields a function that waits for events and returns all so far.

    Of the stream only what was announced: what is handed to the page with it, and that it lives, come when they come.
    """
    events: list[tuple[str, dict]] = []
    arrived = threading.Condition()
    connection = http.client.HTTPConnection("localhost", desk.port, timeout=30)
    connection.request("GET", "/live/", headers={"Cookie": f"sessionid={username * 4}"})
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

    def wait(ready: Callable[[list], object], seconds: float = 30) -> list[tuple[str, dict]]:
        with arrived:
            assert arrived.wait_for(lambda: ready(events), seconds), events
            return list(events)

    try:
        wait(lambda seen: seen)
        yield wait
    finally:
        stream.shutdown(socket.SHUT_RDWR)  # to close it while it is being read would wait for the next ping
        reader.join()
        connection.close()


@pytest.fixture(scope="module")
def desk(new_desk: Callable[..., Desk]) -> Desk:
    desk = new_desk(DESK_RETRY_BASE_SECONDS="0.1", DESK_CLAIM_SECONDS="2", DESK_SWEEP_SECONDS="1")
    desk.manage("shell", "-c", SETUP)
    desk.manage("shell", "-c", LOG_IN)
    desk.start("web", "worker")
    return desk


@pytest.fixture
def meta(desk: Desk) -> Meta:
    return Meta(desk)


# --- The door's answers -----------------------------------------------------------------------------------------------
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
def test_the_door_answers_as_the_view_does(meta: Meta, body: bytes, headers: dict, status: int):
    assert meta.post(body, **headers).status_code == status


def test_a_body_sent_in_chunks_without_a_length_is_cut_off_at_one_megabyte(desk: Desk):
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    try:
        answer = requests.post(desk.url + WEBHOOK, data=chunks(), timeout=20, proxies={"http": ""})
    except requests.ConnectionError:
        return  # closed while we still sent: as good an answer
    assert answer.status_code == 413


def test_the_challenge_goes_through_the_same_address(desk: Desk):
    query = {"hub.mode": "subscribe", "hub.verify_token": "sandbox-verify-token", "hub.challenge": "123"}
    answer = desk.http.get(desk.url + WEBHOOK, params=query, timeout=20)
    assert (answer.status_code, answer.text) == (200, "123")


# --- Live -------------------------------------------------------------------------------------------------------------
def test_a_message_is_told_to_an_open_page_and_only_to_who_may_see_it(desk: Desk, meta: Meta):
    with open_page(desk, "agent1") as one, open_page(desk, "agent2") as two, open_page(desk, "admin") as admin:
        assert one(len)[0] == ("sync", {})
        meta.post(meta.says("warm up", page="page1"))
        one(lambda seen: len(seen) > 1)
        meta.post(meta.says("for agent2", page="page2"))
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
def test_a_stranger_gets_no_stream(desk: Desk, cookies: dict):
    answer = requests.get(f"{desk.url}/live/", cookies=cookies, timeout=10, proxies={"http": ""})
    assert answer.status_code == 403


def test_thirty_open_pages_hold_no_thread_each(desk: Desk, meta: Meta):
    web = desk.processes.running["web"].pid
    before = len(list(Path(f"/proc/{web}/task").iterdir()))
    with ThreadPoolExecutor(30) as pool:
        pages = [open_page(desk, "admin") for _ in range(30)]
        waits = list(pool.map(lambda page: page.__enter__(), pages))
        meta.post(meta.says(f"to all {time.monotonic()}"))
        for wait in waits:
            wait(lambda seen: len(seen) > 1)
        assert len(list(Path(f"/proc/{web}/task").iterdir())) <= before + 3
        for page in pages:
            page.__exit__(None, None, None)


@pytest.mark.postgresql
def test_a_stream_outlives_the_loss_of_all_database_connections(desk: Desk, meta: Meta):
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
    with open_page(desk, "admin") as admin:
        with psycopg.connect(desk.environment["DATABASE_URL"], autocommit=True) as database:
            database.execute(cut, [database.info.backend_pid])
        admin(lambda seen: [kind for kind, _data in seen].count("sync") == 2)
        assert meta.post(meta.says("after the cut", psid="cut")).status_code == 200
        admin(lambda seen: seen[-1][0] == "conversation", 30)


# --- Once, whatever happens -------------------------------------------------------------------------------------------
def test_the_same_event_at_the_same_moment_is_one_message(desk: Desk, meta: Meta):
    deliveries = [meta.says(f"five times {number}", psid="same") for number in range(20) for _ in range(5)]
    with ThreadPoolExecutor(10) as pool:
        assert {answer.status_code for answer in pool.map(meta.post, deliveries)} == {200}
    desk.wait_until_drained()
    texts = [message["text"] for message in messages(desk) if message["text"].startswith("five times")]
    assert sorted(texts) == sorted({f"five times {number}" for number in range(20)})


def test_two_processes_that_drain_the_same_events_make_one_message_each(desk: Desk, meta: Meta, tmp_path: Path):
    desk.processes.stop_one("worker")
    for number in range(30):
        for _ in range(4):
            assert meta.post(meta.says(f"twin {number}", psid=f"twin{number % 3}", second=number)).status_code == 200
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
    assert desk.readiness()["journal"]["failed"] <= 3  # the senseless bodies above


def test_a_worker_killed_in_the_middle_of_a_drain_loses_nothing_and_doubles_nothing(desk: Desk, meta: Meta):
    desk.processes.stop_one("worker")
    count = 150
    for number in range(count):
        assert meta.post(meta.says(f"kill {number}", psid=f"kill{number % 40}", second=number)).status_code == 200

    already = newest(desk)
    desk.processes.start("worker", desk.commands["worker"])
    desk.wait_for(lambda: newest(desk) > already, "the worker has begun")
    desk.processes.kill("worker")
    assert desk.readiness()["journal"]["pending"] > 0, "the worker was done before it was killed"
    desk.start("worker")
    desk.wait_until_drained()
    texts = [message["text"] for message in messages(desk) if message["text"].startswith("kill")]
    assert sorted(texts) == sorted(f"kill {number}" for number in range(count))


# --- Health -----------------------------------------------------------------------------------------------------------
def test_ready_says_what_waits_and_turns_degraded_without_a_worker(desk: Desk):
    state = desk.wait_until_drained()
    assert state["status"] == "ok"
    assert state["worker"]["heartbeat_age_s"] < 30
    assert set(state["journal"]) == {"pending", "failed", "oldest_s"}
    assert set(state["outbox"]) == {"queued", "unsure", "oldest_s"}
    assert desk.http.get(f"{desk.url}/healthz", timeout=10).status_code == 200
