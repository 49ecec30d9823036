"""Scheduled tasks of the worker: rows of django-q2, created by `migrate`. Apps register in `AppConfig.ready()`.

Later migrations leave the time of the next run as it is. A task that was due several times while no worker ran is run
once (`catch_up` is off).
"""

from datetime import timedelta
from typing import Any

from django.db import connections
from django.utils import timezone
from django_q.models import Schedule

#: Long enough after the installation for the first run to have something to check.
FIRST_RUN_AFTER = timedelta(hours=1)
DAILY, HOURLY = Schedule.DAILY, Schedule.HOURLY

_registered: dict[str, tuple[str, str]] = {}


def register(name: str, task: str, every: str) -> None:
    """Schedule `task` (a dotted name); `every` is DAILY or HOURLY."""
    _registered[name] = (task, every)


def save_schedules(using: str, **_signal: Any) -> None:
    """Create the missing rows and correct the others. A receiver of `post_migrate`."""
    if Schedule._meta.db_table not in connections[using].introspection.table_names():
        return  # `migrate` ran for single apps, and the queue's tables do not exist yet
    rows = Schedule.objects.using(using)
    for name, (task, every) in _registered.items():
        row = rows.filter(name=name).order_by("pk").first() or Schedule(
            name=name, next_run=timezone.now() + FIRST_RUN_AFTER
        )
        row.func, row.schedule_type, row.repeats = task, every, -1
        row.save(using=using)
        rows.filter(name=name).exclude(pk=row.pk).delete()
