"""Tell the worker that rows wait. Only a nudge: the rows are the truth, and the worker's own look finds them anyway."""

import time
from typing import Any

from django.conf import settings
from django.db import transaction
from django_q.tasks import async_task

_last: dict[str, float] = {}


def nudge(task: str, *args: Any, at_most_every: float = 0) -> None:
    """Queue `task` (a dotted name) to run with `args` once this transaction is committed.

    `at_most_every` in seconds drops a nudge that follows one of this process too soon: the worker looks for itself
    every second (desk.sweep), so a dropped nudge costs that second at most. With the database as the queue the nudge is
    a row of the same transaction; Redis would hear of it before the rows are there, and is told afterwards.
    """
    now = time.monotonic()
    if at_most_every and now - _last.get(task, float("-inf")) < at_most_every:
        return
    _last[task] = now
    if "orm" in settings.Q_CLUSTER:
        async_task(task, *args)
    else:
        transaction.on_commit(lambda: async_task(task, *args), robust=True)
