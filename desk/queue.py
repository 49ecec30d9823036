"""Enqueue tasks. A queued task only wakes the worker: the rows say what to do, and the sweeper finds them anyway."""

import logging
import time
from typing import Any

from django.conf import settings
from django.db import transaction
from django_q.tasks import async_task
from redis import Redis
from redis.exceptions import RedisError

from desk.logs import summary

logger = logging.getLogger(__name__)

#: After a failure Redis is left alone for so long, so that not every request waits for it.
PAUSE_S = 5
WARN_EVERY_S = 60

_away_until = [float("-inf")]
_warned_at = [float("-inf")]


def enqueue(task: str, *args: Any) -> None:
    """Enqueue `task` (a dotted name) to run with `args` once this transaction is committed.

    The worker checks for due rows every second (desk.sweeper), so a lost task costs at most that second. With the
    database as the queue, the queued task is a row of the same transaction. Redis would run it before the rows exist,
    so it is enqueued on commit.
    """
    if "orm" in settings.Q_CLUSTER:
        async_task(task, *args)
    else:
        transaction.on_commit(lambda: _enqueue_in_redis(task, *args), robust=True)


def is_away() -> bool:
    """Return whether Redis did not take the last task: the worker runs due tasks by itself then (desk.sweeper)."""
    return time.monotonic() < _away_until[0]


def answers() -> bool:
    """Return whether tasks can be queued: always in the database, otherwise when Redis answers."""
    if "orm" in settings.Q_CLUSTER:
        return True
    if is_away():
        return False
    try:
        with Redis.from_url(str(settings.Q_CLUSTER["redis"])) as client:
            client.ping()
    except (RedisError, OSError) as error:
        _note_away(error)
        return False
    return True


def _note_away(error: Exception) -> None:
    now = time.monotonic()
    _away_until[0] = now + PAUSE_S
    if now - _warned_at[0] < WARN_EVERY_S:
        return
    _warned_at[0] = now
    logger.warning("Redis does not take tasks; the worker runs them without it: %s", summary(error))


def _enqueue_in_redis(task: str, *args: Any) -> None:
    if is_away():
        return
    try:
        async_task(task, *args)
    except (RedisError, OSError) as error:
        _note_away(error)
