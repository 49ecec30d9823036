"""What the worker runs by the clock: rows of django-q2, kept by `migrate`. Apps register in `AppConfig.ready()`.

The rows survive every migration as they are, so that the next run stays when it was; a task that was missed while no
worker ran is run once (`catch_up` is off).
"""

from datetime import timedelta
from typing import Any

from django.db import connections
from django.utils import timezone
from django_q.models import Schedule

#: Long enough after the installation that there is something to look at.
FIRST_RUN_AFTER = timedelta(hours=1)
DAILY, HOURLY = Schedule.DAILY, Schedule.HOURLY

_wanted: dict[str, tuple[str, str]] = {}


def register(name: str, task: str, every: str) -> None:
    """Let the worker run `task` (a dotted name) again and again; `every` is DAILY or HOURLY."""
    _wanted[name] = (task, every)


def keep(using: str, **_signal: Any) -> None:
    """Make the rows that are missing and correct the others; a receiver of `post_migrate`."""
    if Schedule._meta.db_table not in connections[using].introspection.table_names():
        return  # `migrate` was asked for single apps, and the queue's was not among them yet
    rows = Schedule.objects.using(using)
    for name, (task, every) in _wanted.items():
        row = rows.filter(name=name).order_by("pk").first() or Schedule(
            name=name, next_run=timezone.now() + FIRST_RUN_AFTER
        )
        row.func, row.schedule_type, row.repeats = task, every, -1
        row.save(using=using)
        rows.filter(name=name).exclude(pk=row.pk).delete()
