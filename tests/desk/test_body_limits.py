"""Bodies of requests are limited by path before Django sees them: whole requests to the ASGI application."""

import asyncio
import json
import tempfile
from collections.abc import MutableMapping
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.test import Client

from channels_im import webhook
from channels_im.messenger.webhook import MAX_BODY_BYTES
from desk import body_limits
from desk.asgi import application
from desk.body_limits import MIB, limit_of
from tests import factories

CHUNK = 65_536


class Sender:
    """Sends a body of `size` bytes in chunks and notes how many were asked for."""

    def __init__(self, path: str, size: int, *, announced: bool, pause_s: float = 0) -> None:
        length = [(b"content-length", str(size).encode())] if announced else [(b"transfer-encoding", b"chunked")]
        headers = [(b"host", b"localhost"), (b"content-type", b"application/octet-stream"), *length]
        self.scope: dict[str, Any] = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": headers, "scheme": "http", "http_version": "1.1",
        }  # fmt: skip
        self.left, self.pause_s, self.handed_over = size, pause_s, 0
        self.sent: list[MutableMapping[str, Any]] = []

    async def receive(self) -> MutableMapping[str, Any]:
        await asyncio.sleep(self.pause_s)
        part = min(CHUNK, self.left)
        if not part and self.handed_over:
            await asyncio.sleep(60)
        self.left -= part
        self.handed_over += part
        return {"type": "http.request", "body": b"x" * part, "more_body": self.left > 0}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.handed_over_before_answer = self.handed_over
        self.sent.append(message)

    def run(self) -> int:
        async def go() -> None:
            await application(self.scope, self.receive, self.send)
            await sync_to_async(connections.close_all)()

        asyncio.run(go())
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/healthz", 4096),
        ("/static/x.css", 4096),
        ("/live/", 4096),
        (webhook.PATH, MAX_BODY_BYTES),
        ("/api/v1/messages/", 100 * MIB),
        ("/api/v1/messages/5/", settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        ("/api/v1/contacts/", settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        ("/inbox/5/reply/", 100 * MIB),
        ("/inbox/5/draft/", MIB),
        ("/inbox/5/reply/x", MIB),
        ("/admin/canned-replies/add/", 100 * MIB),
        ("/admin/canned-replies/import/", settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        ("/accounts/canned-replies/7/", 100 * MIB),
        ("/accounts/canned-replies/7/delete/", MIB),
        ("/admin/instant-messaging/messenger/add/", 20 * MIB),
        ("/accounts/login/", MIB),
        ("/nowhere/inbox/5/reply/", MIB),
        ("/", MIB),
    ],
)
def test_each_path_has_its_limit(path: str, limit: int) -> None:
    assert limit_of(path) == limit


@pytest.mark.parametrize("path", ["/healthz", "/nowhere/", "/accounts/login/"])
def test_an_announced_body_over_the_limit_is_refused_unread(path: str) -> None:
    sender = Sender(path, 300 * MIB, announced=True)
    assert sender.run() == 413
    assert sender.handed_over_before_answer == 0
    assert sender.handed_over <= body_limits.DRAIN_BYTES + CHUNK  # forgotten, for the sender to notice the answer
    assert sender.headers[b"connection"] == b"close"
    assert sender.body.decode() == (
        f"This request is too large: at most {'4 KB' if path == '/healthz' else '1 MB'} are allowed here. "
        "Send less at once."
    )


def test_a_chunked_body_is_counted_and_never_written_to_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda *_: pytest.fail("it was written to the disk"))
    sender = Sender("/healthz", 300 * MIB, announced=False)
    assert sender.run() == 413
    assert sender.handed_over_before_answer <= 4096 + CHUNK


@pytest.mark.django_db(transaction=True)
def test_the_api_answers_in_json() -> None:
    sender = Sender("/api/v1/contacts/", 3 * MIB, announced=True)
    key = factories.make_token(factories.make_agent("alice"))
    sender.scope["headers"] += [(b"authorization", f"Bearer {key}".encode())]
    assert sender.run() == 413
    assert json.loads(sender.body) == {
        "detail": "This request is too large: at most 2.5 MB are allowed here. Send less at once.",
        "code": "too_big",
    }


@pytest.mark.parametrize("length", [b"9" * 5000, b"-5", b"+5", b"1e9", b"0x10", "٣".encode()])
def test_a_length_that_is_no_number_or_a_huge_one_is_no_error(length: bytes) -> None:
    sender = Sender("/healthz", 10_000, announced=False)
    sender.scope["headers"].append((b"content-length", length))
    assert sender.run() == 413


@pytest.mark.django_db(transaction=True)
def test_a_body_within_the_limit_reaches_django() -> None:
    sender = Sender("/nowhere/", MIB, announced=False)
    assert sender.run() == 404
    assert sender.handed_over == MIB


def test_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "BODY_GRACE_S", 0.1)
    monkeypatch.setattr(body_limits, "MIN_BYTES_PER_S", 100 * MIB)
    sender = Sender("/nowhere/", 16 * CHUNK, announced=True, pause_s=0.04)
    assert sender.run() == 408
    assert 0 < sender.handed_over < 16 * CHUNK
    assert b"too slowly" in sender.body


def test_a_large_body_may_take_longer_as_long_as_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time grows with what has arrived, so that a slow line can upload a large file."""
    monkeypatch.setattr(body_limits, "BODY_GRACE_S", 0.1)
    monkeypatch.setattr(body_limits, "MIN_BYTES_PER_S", CHUNK)
    sender = Sender("/inbox/x/", 8 * CHUNK, announced=False, pause_s=0.04)

    async def read_all() -> None:
        receive = body_limits.limited(sender.scope, sender.receive, MIB)
        while (await receive())["more_body"]:
            pass

    asyncio.run(read_all())
    assert sender.handed_over == 8 * CHUNK


def test_waiting_for_the_end_of_a_connection_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "BODY_GRACE_S", 0.05)
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        if len(messages) == 1:
            await asyncio.sleep(0.2)
        return messages.pop(0)

    async def go() -> str:
        limited = body_limits.limited({"headers": []}, receive, 10)
        await limited()
        return str((await limited())["type"])

    assert asyncio.run(go()) == "http.disconnect"


# --- Uploads of strangers ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/inbox/1/reply/", "/api/v1/messages/", "/admin/instant-messaging/messenger/add/"])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.django_db(transaction=True)
def test_a_large_body_of_somebody_not_logged_in_is_refused_unread(path: str, announced: bool) -> None:
    sender = Sender(path, 50 * MIB, announced=announced)
    sender.scope["headers"] += [(b"cookie", b"sessionid=made-up"), (b"authorization", b"Bearer made-up")]
    assert sender.run() == 401
    assert sender.handed_over_before_answer == 0
    assert b"Log in before you send more than 1 MB" in sender.body


@pytest.mark.parametrize("how", ["session", "token"])
@pytest.mark.django_db(transaction=True)
def test_a_large_body_of_a_user_is_read(how: str) -> None:
    user = factories.make_agent("alice")
    sender = Sender("/api/v1/messages/", 2 * MIB, announced=True)
    if how == "token":
        sender.scope["headers"] += [(b"authorization", f"Bearer {factories.make_token(user)}".encode())]
    else:
        client = Client()
        client.force_login(user)
        sender.scope["headers"] += [(b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]
    sender.run()
    assert sender.handed_over_before_answer > MIB


@pytest.mark.django_db(transaction=True)
def test_a_large_body_of_a_deactivated_user_is_refused() -> None:
    user = factories.make_agent("alice")
    key = factories.make_token(user)
    user.is_active = False
    user.save()
    sender = Sender("/api/v1/messages/", 2 * MIB, announced=True)
    sender.scope["headers"] += [(b"authorization", f"Bearer {key}".encode())]
    assert sender.run() == 401
