"""Enqueue tasks. A queued task only wakes the worker: the rows say what to do, and the sweeper finds them anyway."""

import time
from typing import Any

from django.conf import settings
from django.db import transaction
from django_q.tasks import async_task

_enqueued_at: dict[str, float] = {}


def enqueue(task: str, *args: Any, at_most_every: float = 0) -> None:
    """Enqueue `task` (a dotted name) to run with `args` once this transaction is committed.

    A call within `at_most_every` seconds of the previous one in this process is dropped. The worker checks for due rows
    every second (desk.sweeper), so a dropped call costs at most that second. With the database as the queue, the queued
    task is a row of the same transaction. Redis would run it before the rows exist, so it is enqueued on commit.
    """
    now = time.monotonic()
    if at_most_every and now - _enqueued_at.get(task, float("-inf")) < at_most_every:
        return
    _enqueued_at[task] = now
    if "orm" in settings.Q_CLUSTER:
        async_task(task, *args)
    else:
        transaction.on_commit(lambda: async_task(task, *args), robust=True)
