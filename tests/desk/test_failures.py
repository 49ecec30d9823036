"""What Desk needs is away: the disk is full, the database is locked or frozen."""

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, IntegrityError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import RedisError
from time_machine import TimeMachineFixture

from desk import health, health_deadline, unavailable
from desk.models import User
from desk.storage import undone_on_failure
from tests import database_faults
from tests.factories import NOON, make_agent, make_channel, make_conversation, make_token, png, receive
from tickets.models import Conversation, Message


def files() -> list[Path]:
    """Return what is in the media folder, without the icons of the channels that the tests make."""
    every = [path for path in Path(django_settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    return [path for path in every if path.parent.name != "channel-icons"]


class FullFile:
    """A file of which the disk takes only the first half."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        self._file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function after which the disk has room for so many files, and for half of the next one."""
    opened = os.fdopen

    def from_now_on(room_for: int) -> None:
        left = [room_for]

        def limited(descriptor: int, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            file = opened(descriptor, mode, *arguments, **named)
            if not os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(django_settings.MEDIA_ROOT)):
                return file
            left[0] -= 1
            return file if left[0] >= 0 else FullFile(file)

        monkeypatch.setattr(os, "fdopen", limited)

    return from_now_on


@pytest.fixture
def conversation(db: None) -> Conversation:
    conversation = make_conversation(make_channel(), "7001")
    receive(conversation, "Where is my order?", timezone.now(), mid="m_first")  # the messaging window is open
    return conversation


@pytest.fixture
def agent(conversation: Conversation) -> User:
    return make_agent("alice", channels=(conversation.channel,))


@pytest.fixture
def page(agent: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(agent)
    return client


@pytest.fixture
def api(agent: User) -> Client:
    return Client(raise_request_exception=False, headers={"Authorization": f"Token {make_token(agent)}"})


def reply_by_page(client: Client, conversation: Conversation, **fields: Any) -> Any:
    return client.post(f"/inbox/{conversation.pk}/reply/", fields)


def reply_by_api(client: Client, conversation: Conversation, **fields: Any) -> Any:
    return client.post("/api/v1/messages/", {"conversation": conversation.pk, **fields})


def pictures(count: int) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(f"{number}.png", png()) for number in range(count)]


async def nothing() -> Any:
    """Receive nothing."""
    await asyncio.Event().wait()


# --- Answers ----------------------------------------------------------------------------------------------------------
def test_the_api_answers_json_503_while_the_database_cannot_be_written(api: Client, conversation: Conversation) -> None:
    with database_faults.failing("INSERT"):
        answer = reply_by_api(api, conversation, text="On its way")
    assert (answer.status_code, answer.json()) == (503, {"detail": unavailable.DATABASE, "code": "unavailable"})
    assert answer.headers["Retry-After"] == "30"
    assert not Message.objects.filter(direction="out").exists()


def test_a_page_says_it_in_a_sentence(page: Client, conversation: Conversation) -> None:
    with database_faults.failing():
        answer = page.get("/inbox/")
    assert answer.status_code == 503
    assert unavailable.DATABASE in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def broken_reference() -> IntegrityError:
    """Return the error of a row that refers to none, as Django raises it."""
    database = sqlite3.connect(":memory:")
    database.executescript("PRAGMA foreign_keys = ON; CREATE TABLE label (id INTEGER PRIMARY KEY);")
    database.execute("CREATE TABLE labeled (label INTEGER REFERENCES label (id))")
    error = IntegrityError("of the database")
    try:
        database.execute("INSERT INTO labeled VALUES (1)")
    except sqlite3.IntegrityError as cause:
        error.__cause__ = cause
    database.close()
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DatabaseError("full"), 503),
        (RedisError("away"), 503),
        (OSError(errno.EROFS, "Read-only file system"), 503),
        (OSError(errno.ENOENT, "No such file"), 500),
        (RuntimeError("a fault of ours"), 500),
        (broken_reference(), 409),
        (IntegrityError("UNIQUE constraint failed: desk_user.username"), 500),
    ],
)
def test_a_fault_of_desk_is_a_500_and_what_is_away_a_503(
    api: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_arguments: Any, **_named: Any) -> Any:
        raise error

    monkeypatch.setattr("tickets.api.views.ConversationViewSet.list", fail, raising=False)
    monkeypatch.setattr("rest_framework.views.APIView.initial", fail)
    answer = api.get("/api/v1/conversations/")
    assert answer.status_code == status
    assert answer.json()["code"] == {503: "unavailable", 409: "deleted_meanwhile"}.get(status, "error")
    assert str(error) not in answer.content.decode()


def test_a_body_that_cannot_be_spooled_is_answered_503(monkeypatch: pytest.MonkeyPatch) -> None:
    async def application(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def call() -> None:
        await unavailable.answered(application)({"type": "http", "path": "/api/v1/messages/"}, nothing, send)

    asyncio.run(call())
    assert sent[0]["status"] == 503
    assert unavailable.STORAGE.encode() in sent[1]["body"]


# --- A full disk ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("room_for", [0, 1, 2])
@pytest.mark.parametrize("way", [reply_by_page, reply_by_api])
def test_a_reply_that_does_not_fit_on_the_disk_leaves_nothing(
    page: Client,
    api: Client,
    conversation: Conversation,
    full_disk: Callable[[int], None],
    way: Callable[..., Any],
    room_for: int,
) -> None:
    full_disk(room_for)
    answer = way(page if way is reply_by_page else api, conversation, text="Look", files=pictures(3))
    assert answer.status_code == 503
    assert unavailable.STORAGE in answer.content.decode()
    assert not files()
    assert not Message.objects.filter(direction="out").exists()


def test_a_reply_that_the_database_refuses_leaves_no_file(api: Client, conversation: Conversation) -> None:
    with database_faults.failing('INSERT INTO "tickets_attachment"'):
        assert reply_by_api(api, conversation, files=pictures(2)).status_code == 503
    assert not files()


def test_files_stay_when_nothing_fails(db: None) -> None:
    with undone_on_failure():
        name = default_storage.save("a.txt", ContentFile(b"kept"))
    assert default_storage.exists(name)


def test_a_file_that_was_there_before_is_not_deleted(full_disk: Callable[[int], None]) -> None:
    name = default_storage.save("a.txt", ContentFile(b"kept"))
    full_disk(0)
    with pytest.raises(OSError, match="No space left"):
        default_storage.save("a.txt", ContentFile(b"other"))
    assert [path.name for path in files()] == [name]


# --- /readyz ----------------------------------------------------------------------------------------------------------
def ready(client: Client) -> tuple[int, str, str]:
    answer = client.get("/readyz")
    found = answer.json()
    return answer.status_code, found["database"], found.get("media", "")


@pytest.fixture
def worker(db: None) -> None:
    health.record_heartbeat()


def test_ready_notices_a_full_disk_and_leaves_no_file(
    client: Client, worker: None, full_disk: Callable[[int], None]
) -> None:
    assert ready(client) == (200, "ok", "ok")
    full_disk(0)
    assert ready(client) == (503, "ok", "not writable")
    assert "No space left on device" in client.get("/readyz").json()["problems"][0]
    assert not files()


def test_ready_notices_a_folder_that_cannot_be_written(client: Client, worker: None, settings: Settings) -> None:
    settings.MEDIA_ROOT = "/sys/desk"
    assert ready(client) == (503, "ok", "not writable")


@pytest.mark.parametrize("part", ["UPDATE", "INSERT"])
def test_ready_notices_a_database_that_only_reads(client: Client, worker: None, part: str) -> None:
    if part == "UPDATE":
        health.record_heartbeat(health.PROBE)
    with database_faults.failing(part):
        assert ready(client) == (503, "not writable", "ok")


@pytest.fixture
def lock() -> Iterator[None]:
    """Another connection holds the lock that every write of /readyz needs."""
    other = connection.copy("other")
    with other.cursor() as cursor:
        sqlite = connection.vendor == "sqlite"
        cursor.execute("ROLLBACK" if sqlite and other.in_atomic_block else "SELECT 1")
        cursor.execute("BEGIN" if not sqlite else "BEGIN IMMEDIATE")
        if not sqlite:
            cursor.execute("LOCK TABLE desk_heartbeat IN EXCLUSIVE MODE")
        yield
        cursor.execute("ROLLBACK")
    other.close()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_ready_notices_a_locked_database_in_time(
    client: Client, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert health.WRITE_TIMEOUT_S < health_deadline.DEADLINE_S < 10
    monkeypatch.setattr(health, "WRITE_TIMEOUT_S", 1)
    health.record_heartbeat()
    request.getfixturevalue("lock")
    began = time.monotonic()
    assert ready(client)[:2] == (503, "not writable")
    assert time.monotonic() - began < health.WRITE_TIMEOUT_S + 3
    if connection.vendor == "sqlite":  # requests wait as long as before
        with connection.cursor() as cursor:
            assert cursor.execute("PRAGMA busy_timeout").fetchone() == (20_000,)


def test_strangers_do_not_get_the_answer_of_those_who_see_details() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)  # so that the others come while this check runs
        body = f"{scope['client'][0]} sees details".encode()
        await send({"type": "http.response.body", "body": body})

    async def probe() -> list[bytes]:
        checked = health_deadline.WithDeadline(application)
        bodies: list[bytes] = []

        async def send(event: Any) -> None:
            bodies.append(event["body"])

        scope = {"type": "http", "method": "GET", "path": "/readyz", "query_string": b"", "headers": []}
        callers = ("127.0.0.1", "203.0.113.9", "203.0.113.10")
        await asyncio.gather(*(checked({**scope, "client": (caller, 1)}, nothing, send) for caller in callers))
        return bodies

    here, *strangers = asyncio.run(probe())
    assert here == b"127.0.0.1 sees details"
    assert strangers == [b"203.0.113.9 sees details"] * 2


def test_ready_is_answered_while_the_database_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_deadline, "DEADLINE_S", 0.05)
    calls: list[int] = []

    async def probe() -> list[int]:
        thawed = asyncio.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            calls.append(1)
            await thawed.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        checked = health_deadline.WithDeadline(application)
        scope = {"type": "http", "method": "GET", "path": "/readyz", "query_string": b"", "headers": []}
        statuses: list[int] = []

        async def send(event: Any) -> None:
            if event["type"] == "http.response.start":
                statuses.append(event["status"])

        await checked(scope, nothing, send)
        await checked(scope, nothing, send)
        thawed.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await checked(scope, nothing, send)
        return statuses

    assert asyncio.run(probe()) == [503, 503, 200]
    assert len(calls) == 2  # no second thread waits beside the one that hangs


@pytest.mark.django_db
def test_a_heartbeat_of_a_clock_that_was_ahead_does_not_count(client: Client, time_machine: TimeMachineFixture) -> None:
    time_machine.move_to(NOON, tick=False)
    health.record_heartbeat()
    assert ready(client)[0] == 200
    time_machine.shift(-7200)
    assert ready(client)[0] == 503


# --- Redis ------------------------------------------------------------------------------------------------------------
