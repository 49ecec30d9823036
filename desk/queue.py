"""Wake the worker. A queued task is only a hint: the rows say what is to be done, and the sweeper finds them anyway."""

import time
from typing import Any

from django.conf import settings
from django.db import transaction
from django_q.tasks import async_task

_last: dict[str, float] = {}


def enqueue(task: str, *args: Any, at_most_every: float = 0) -> None:
    """Queue `task` (a dotted name) to run with `args` once this transaction is committed.

    `at_most_every` (seconds) drops a call that follows another one of this process too soon. The worker looks for due
    rows every second (desk.sweeper), so a dropped call costs at most that second. With the database as the queue, the
    queued task is a row of the same transaction. Redis would see it before the rows exist, so it is queued on commit.
    """
    now = time.monotonic()
    if at_most_every and now - _last.get(task, float("-inf")) < at_most_every:
        return
    _last[task] = now
    if "orm" in settings.Q_CLUSTER:
        async_task(task, *args)
    else:
        transaction.on_commit(lambda: async_task(task, *args), robust=True)
