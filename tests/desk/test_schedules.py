"""What the worker runs by the clock: there after `migrate`, once, and left alone by the next one."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

pytestmark = pytest.mark.django_db
DAILY = "channels_im.tasks.check_all"


def test_after_migrate_what_runs_by_the_clock_is_scheduled() -> None:
    assert set(Schedule.objects.values_list("func", "schedule_type", "repeats")) == {
        (DAILY, Schedule.DAILY, -1),
        ("channels_im.tasks.warn_of_ending_logins", Schedule.HOURLY, -1),
        ("channels_im.tasks.recover_nightly", Schedule.HOURLY, -1),
        ("tickets.tasks.delete_unsaved_canned_files", Schedule.DAILY, -1),
        ("tickets.tasks.refresh_statistics", Schedule.DAILY, -1),
        ("tickets.tasks.clean_notifications", Schedule.DAILY, -1),
        ("tickets.tasks.delete_old_macro_runs", Schedule.DAILY, -1),
        ("desk.tasks.apply_retention", Schedule.DAILY, -1),
    }


def test_another_migrate_changes_nothing() -> None:
    before = list(Schedule.objects.order_by("pk").values())
    call_command("migrate", verbosity=0)

    assert list(Schedule.objects.order_by("pk").values()) == before


def test_what_is_missing_doubled_or_changed_is_put_right() -> None:
    Schedule.objects.filter(func=DAILY).delete()
    warnings = Schedule.objects.get(func="channels_im.tasks.warn_of_ending_logins")
    Schedule.objects.create(name=warnings.name, func="somewhere.else", schedule_type=Schedule.ONCE)
    call_command("migrate", verbosity=0)

    test_after_migrate_what_runs_by_the_clock_is_scheduled()
    assert Schedule.objects.count() == 8


@pytest.mark.parametrize(
    "func",
    [
        DAILY,
        "channels_im.tasks.warn_of_ending_logins",
        "channels_im.tasks.recover_nightly",
        "tickets.tasks.delete_unsaved_canned_files",
        "tickets.tasks.refresh_statistics",
        "tickets.tasks.clean_notifications",
        "tickets.tasks.delete_old_macro_runs",
        "desk.tasks.apply_retention",
    ],
)
def test_what_is_scheduled_exists(func: str) -> None:
    assert callable(import_string(func))


@pytest.mark.django_db(transaction=True)
def test_days_without_a_worker_are_made_up_for_by_one_run() -> None:
    Schedule.objects.filter(func=DAILY).update(next_run=timezone.now() - timedelta(days=5))
    OrmQ.objects.all().delete()
    scheduler()

    assert [row.task["func"] for row in OrmQ.objects.all()] == [DAILY]
    assert Schedule.objects.get(func=DAILY).next_run > timezone.now()
