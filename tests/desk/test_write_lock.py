"""SQLite: a webhook gets the lock for writing in the next gap, and gives up as early as any other write."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone

from channels_im.models import WebhookDelivery
from channels_im.services.journal.insert import insert
from desk.write_lock import write_transaction

pytestmark = pytest.mark.django_db(transaction=True)

HELD_S = 0.3


@pytest.fixture
def sqlite(db: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL locks rows only")


@contextmanager
def locked_for(seconds: float) -> Iterator[None]:
    """Let another connection hold the lock for writing for this long, from before the block."""
    locked = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            locked.set()
            time.sleep(seconds)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(10)
    yield
    thread.join()


def busy_timeout() -> Any:
    with connection.cursor() as cursor:
        return cursor.execute("PRAGMA busy_timeout").fetchone()[0]


def test_a_webhook_tries_again_and_again_to_get_the_lock(sqlite: None) -> None:
    attempts: list[str] = []

    def execute(execute: Any, sql: str, *rest: Any) -> Any:
        attempts.append(sql)
        return execute(sql, *rest)

    with locked_for(HELD_S), connection.execute_wrapper(execute):
        insert([b"{}"], timezone.now())
    assert attempts.count("BEGIN IMMEDIATE") > 30  # SQLite's own way has waited 0.1 s before its last attempts
    assert WebhookDelivery.objects.count() == 1
    assert busy_timeout() == 20_000


@pytest.mark.slow
def test_it_gives_up_after_the_busy_timeout_of_the_connection(sqlite: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 200")  # as /readyz does
    try:
        with locked_for(3):
            began = time.monotonic()
            with pytest.raises(OperationalError, match="locked"):
                insert([b"{}"], timezone.now())
            assert 0.2 <= time.monotonic() - began < 2
            assert busy_timeout() == 200
        insert([b"{}"], timezone.now())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 20000")
    assert WebhookDelivery.objects.count() == 1


def test_another_failure_is_raised_at_once(sqlite: None) -> None:
    attempts = []

    def execute(execute: Any, sql: str, *rest: Any) -> Any:
        attempts.append(sql)
        raise OperationalError("disk I/O error")

    with connection.execute_wrapper(execute), pytest.raises(OperationalError), write_transaction():
        pass
    assert attempts == ["BEGIN IMMEDIATE"]
    assert not connection.in_atomic_block
    assert busy_timeout() == 20_000


def store_and_fail(*, durable: bool = False) -> None:
    with write_transaction(durable=durable):
        WebhookDelivery.objects.create(body=b"undone")
        raise DatabaseError


def test_it_is_a_transaction_as_any_other() -> None:
    with pytest.raises(DatabaseError):
        store_and_fail(durable=True)
    assert not WebhookDelivery.objects.exists()
    with write_transaction():
        with pytest.raises(DatabaseError):
            store_and_fail()  # inside of another: a savepoint
        WebhookDelivery.objects.create(body=b"kept")
    assert [bytes(each.body) for each in WebhookDelivery.objects.all()] == [b"kept"]
    with transaction.atomic(), pytest.raises(RuntimeError), write_transaction(durable=True):
        pass
