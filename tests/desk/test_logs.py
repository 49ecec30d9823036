"""The log: its two formats, the ids, and one line for what is only refused or repeated."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError
from django.test import Client
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisConnectionError

from channels_im import tasks
from channels_im.models import WebhookDelivery
from channels_im.services.journal import store
from desk import logs
from tests import database_faults
from tests.factories import WEBHOOK_URL, make_admin, make_agent, make_channel, post_webhook
from tickets.models import Message


class Log:
    """What the handler of the settings would write."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(formatter)
        self.handler.addFilter(logs.calm)

    @property
    def lines(self) -> list[str]:
        """Return the lines written so far."""
        return self.stream.getvalue().splitlines()


def logging_to(formatter: logging.Formatter) -> Iterator[Log]:
    log = Log(formatter)
    root = logging.getLogger()
    root.addHandler(log.handler)
    yield log
    root.removeHandler(log.handler)


@pytest.fixture
def plain() -> Iterator[Log]:
    yield from logging_to(logs.PlainFormatter())


@pytest.fixture
def objects() -> Iterator[Log]:
    yield from logging_to(logs.JsonFormatter())


def only(log: Log) -> Any:
    (line,) = log.lines
    return json.loads(line)


logger = logging.getLogger("desk.test")


# --- The formats ------------------------------------------------------------------------------------------------------
def test_a_record_is_one_json_object_with_its_ids_and_its_exception(objects: Log) -> None:
    with logs.working_on(delivery_id=7, conversation_id=None), logs.working_on(message_id=8):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logger.exception("It failed: %s", "ä\n2026-11-26 ERROR forged")
    found = only(objects)
    assert found["message"] == "It failed: ä\n2026-11-26 ERROR forged"
    assert (found["level"], found["logger"]) == ("ERROR", "desk.test")
    assert (found["delivery_id"], found["message_id"]) == ("7", "8")
    assert "conversation_id" not in found
    assert found["time"].endswith("+00:00")
    assert found["exception"].endswith("ValueError: two\nlines")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85", "\x1b[2K", "\x0b"])
def test_text_from_outside_makes_no_line_of_its_own(plain: Log, objects: Log, end: str) -> None:
    forged = "2026-11-26 00:00:00,000 ERROR desk: forged"
    try:
        raise ValueError(f"name{end}{forged}")
    except ValueError:
        logger.warning("From %s", f"name{end}{forged}", exc_info=True)
    assert len([line for line in plain.lines if not line.startswith("  ")]) == 1
    assert not [line for line in plain.lines if line.startswith("2026-11-26 00:00:00,000")]
    assert "\x1b" not in plain.stream.getvalue()
    assert len(objects.lines) == 1


def test_the_plain_line_carries_the_same_ids(plain: Log) -> None:
    with logs.working_on(delivery_id=7):
        logger.info("Done")
    assert plain.lines[0].endswith("INFO desk.test: Done [delivery_id=7]")


def test_keys_of_password_links_and_tokens_in_addresses_are_cut(plain: Log, objects: Log) -> None:
    logger.warning("Not Found: /accounts/password/reset/key/3-c0ffee/ and https://x.test/me?access_token=EAAB1&code=q9")
    for log in (plain, objects):
        assert "c0ffee" not in log.lines[0]
        assert "EAAB1" not in log.lines[0]
        assert "q9" not in log.lines[0]
        assert "/accounts/password/reset/key/" in log.lines[0]


# --- Requests ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "kept"),
    [("abcd-1234.X", True), ("short", False), ("a" * 65, False), ("forged\r\nx: y", False), ("<script>1", False)],
)
def test_a_well_formed_request_id_is_kept_and_returned(client: Client, given: str, kept: bool) -> None:
    returned = client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert (returned == given) is kept
    assert logs.REQUEST_ID.fullmatch(returned)


def asgi(path: str, method: str = "GET", headers: Any = (), events: Any = None) -> list[dict[str, Any]]:
    """Call the ASGI application and return the events that it sent."""
    from desk.asgi import application

    sent: list[dict[str, Any]] = []
    received = iter(events or [{"type": "http.request", "body": b""}])

    async def receive() -> Any:
        try:
            return next(received)
        except StopIteration:
            await asyncio.sleep(60)

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}

    async def call() -> None:
        await application({**scope, "headers": [(b"host", b"localhost"), *headers]}, receive, send)

    asyncio.run(call())
    return sent


@pytest.mark.django_db  # the threads that answer may hold a connection of an earlier test
@pytest.mark.parametrize(("path", "method"), [("/healthz", "GET"), (WEBHOOK_URL, "POST")])
def test_every_answer_under_asgi_has_one_request_id_that_the_log_has_too(objects: Log, path: str, method: str) -> None:
    start = asgi(path, method, [(b"x-request-id", b"from-the-proxy-1")])[0]
    assert [value for name, value in start["headers"] if name.lower() == b"x-request-id"] == [b"from-the-proxy-1"]
    for line in objects.lines:
        assert json.loads(line)["request_id"] == "from-the-proxy-1"
    assert bool(objects.lines) is (method == "POST")  # the wrong signature


@pytest.mark.django_db
def test_missing_rights_are_one_line_at_info(objects: Log) -> None:
    client = Client()
    client.force_login(make_agent("alice"))
    assert client.get("/admin/").status_code == 403
    found = only(objects)
    assert found["level"] == "INFO"
    assert "Forbidden" in found["message"]
    assert "Setup is for administrators" in found["message"]
    assert "exception" not in found


def test_a_foreign_host_is_one_line_at_info(objects: Log, client: Client) -> None:
    assert client.get("/accounts/login/", headers={"Host": "evil.example"}).status_code == 400
    found = only(objects)
    assert (found["level"], "exception" in found) == ("INFO", False)
    assert "evil.example" in found["message"]


def test_a_wrong_signature_is_one_line_at_info(objects: Log, client: Client) -> None:
    assert post_webhook(client, b"{}", signature="sha256=" + "0" * 64).status_code == 403
    found = only(objects)
    assert found["level"] == "INFO"
    assert "403" in found["message"]


@pytest.mark.django_db  # the threads that answer may hold a connection of an earlier test
@pytest.mark.parametrize("path", ["/accounts/login/", WEBHOOK_URL])
def test_a_client_that_leaves_in_mid_upload_is_no_error(objects: Log, path: str) -> None:
    part = {"type": "http.request", "body": b"half", "more_body": True}
    assert (
        asgi(
            path,
            "POST",
            headers=[(b"x-hub-signature-256", b"sha256=" + 64 * b"0")],
            events=[part, {"type": "http.disconnect"}],
        )
        == []
    )
    assert not objects.lines


@pytest.mark.django_db
def test_a_503_is_logged_in_one_line_with_its_reason(objects: Log, client: Client) -> None:
    with database_faults.failing("INSERT"):
        assert post_webhook(client, b'{"object": "page", "entry": []}').status_code == 503
    found = only(objects)
    assert (found["level"], "exception" in found) == ("ERROR", False)
    assert "the disk is full" in found["message"]


# --- The worker -------------------------------------------------------------------------------------------------------
def written(page_id: str) -> dict[str, Any]:
    message = {"mid": "m_1", "text": "Hi"}
    item = {"sender": {"id": "77"}, "recipient": {"id": page_id}, "timestamp": 1_790_000_000_001, "message": message}
    return {"object": "page", "entry": [{"id": page_id, "time": 1_790_000_000_001, "messaging": [item]}]}


@pytest.mark.django_db
def test_a_repeated_and_a_replayed_delivery_make_no_traceback(objects: Log, client: Client) -> None:
    page_id = make_channel().page.page_id
    for _time in range(2):
        post_webhook(client, written(page_id))
        tasks.drain_journal()
    store.replay([WebhookDelivery.objects.earliest("pk").pk])
    tasks.drain_journal()
    assert Message.objects.count() == 1
    assert not [line for line in objects.lines if "exception" in json.loads(line)]
    assert len(objects.lines) <= 3


@pytest.mark.django_db
def test_a_duplicate_that_the_database_refuses_is_one_line_at_info(
    objects: Log, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may insert the same message first: the events are processed again, one by one, and known then."""
    receive, failures = store.receiver().receive, [IntegrityError("UNIQUE constraint failed: mid\nDETAIL: (m_1)")]

    def receive_late(senders: Any, *, isolated: bool = False) -> Any:
        if failures:
            raise failures.pop()
        return receive(senders, isolated=isolated)

    monkeypatch.setattr(store, "_registered", [store.RegisteredReceiver(receive_late, lambda: None)])
    post_webhook(client, written(make_channel().page.page_id))
    tasks.drain_journal()
    assert Message.objects.count() == 1
    found = only(objects)
    assert (found["level"], "exception" in found) == ("INFO", False)
    assert "UNIQUE constraint failed" in found["message"]


@pytest.mark.django_db
def test_what_fails_in_the_drain_names_its_delivery(
    objects: Log, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any, **_named: Any) -> Any:
        raise DatabaseError("broken")

    monkeypatch.setattr(store, "_registered", [store.RegisteredReceiver(refuse, lambda: None)])
    post_webhook(client, written(make_channel().page.page_id))
    tasks.drain_journal()
    failed = [found for line in objects.lines if "exception" in (found := json.loads(line))]
    assert {found["delivery_id"] for found in failed} == {str(WebhookDelivery.objects.get().pk)}


def test_a_redis_that_is_away_is_one_line_a_minute(objects: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """django-q logs it twice a second, once as a message that is the exception and once with a traceback."""
    monkeypatch.setattr(logs, "_queue_errors", {})
    queue_logger = logging.getLogger("django-q")
    for _time in range(3):
        queue_logger.error(RedisConnectionError("Error 111"))
        try:
            raise RedisConnectionError("Error 111")
        except RedisConnectionError:
            queue_logger.exception("Failed to pull task from broker")
    assert only(objects)["message"] == "ConnectionError: Error 111"


@pytest.mark.django_db
def test_an_unexpected_error_keeps_its_traceback(objects: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_arguments: Any) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("channels_im.setup.presenters.channels", explode)
    client = Client(raise_request_exception=False)
    client.force_login(make_admin())
    assert client.get(reverse("setup:health")).status_code == 500
    found = only(objects)
    assert found["level"] == "ERROR"
    assert "a fault of ours" in found["exception"]
    assert found["request_id"]
