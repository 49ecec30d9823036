"""How long messages took: counted in memory, added up over processes, and read as percentiles."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from desk import retention, timing_reports, timings
from desk.asgi import application
from desk.models import TimingCount
from desk.timings import SCREEN, SHOWN, STORED
from tests import database_faults
from tests.factories import NOON

ROOT = Path(__file__).resolve().parent.parent.parent
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _start_from_nothing() -> Iterator[None]:
    timings._counts.clear()
    yield
    timings._counts.clear()


def rows() -> dict[tuple[str, datetime, int], int]:
    return {(row.kind, row.slot, row.bound_ms): row.count for row in TimingCount.objects.all()}


# --- Percentiles ------------------------------------------------------------------------------------------------------
TIMES = st.lists(st.integers(0, 86_400_000), min_size=1, max_size=300)  # ms


@given(TIMES, st.integers(1, 100))
def test_a_percentile_is_in_the_bucket_of_the_plainly_computed_one(times: list[int], percent: int) -> None:
    counts = Counter(timings.bucket_of(each / 1000) for each in times)
    found = timing_reports.percentile(counts, percent)
    plain = sorted(times)[math.ceil(len(times) * percent / 100) - 1]
    assert found is not None
    bound = timings.bucket_of(plain / 1000)
    lower = max((each for each in timings.BOUNDS_MS if each < bound), default=0)
    assert lower / 1000 <= found <= bound / 1000 + 1e-9


@given(TIMES)
def test_percentiles_grow(times: list[int]) -> None:
    counts = Counter(timings.bucket_of(each / 1000) for each in times)
    found = [timing_reports.percentile(counts, percent) or 0 for percent in range(1, 101)]
    assert found == sorted(found)


def test_inside_a_bucket_times_count_as_evenly_spread() -> None:
    assert timing_reports.percentile({200: 4, 300: 4}, 50) == 0.2
    assert timing_reports.percentile({200: 4, 300: 4}, 75) == pytest.approx(0.25)
    assert timing_reports.percentile({}, 50) is None
    assert timing_reports.percentile({200: 0}, 50) is None


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [(-3, 5), (0, 5), (0.005, 5), (0.0051, 10), (1, 1000), (86_400, 86_400_000), (1e9, 86_400_000)],
)
def test_every_time_has_its_bucket(seconds: float, bound: int) -> None:
    assert timings.bucket_of(seconds) == bound


# --- Counting ---------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_counting_makes_no_query_and_two_processes_add_up() -> None:
    with time_machine.travel(NOON + timedelta(minutes=7), tick=False):
        with CaptureQueriesContext(connection) as asked:
            timings.record(STORED, 0.12)
            timings.record(STORED, 0.14, 2)
            timings.record(SHOWN, 0.02)
        assert not asked
        assert timings.flush() == 2
        timings.record(STORED, 0.13)  # as another process would
        timings.record(STORED, 3.5)
        timings.flush()
    slot = NOON + timedelta(minutes=5)
    assert rows() == {(STORED, slot, 150): 4, (STORED, slot, 5000): 1, (SHOWN, slot, 20): 1}
    assert timings.flush() == 0


@pytest.mark.django_db
def test_many_rows_are_all_added() -> None:
    for number in range(timings.MAX_ROWS + 50):
        with time_machine.travel(NOON - timings.SLOT * number, tick=False):
            timings.record(STORED, 0.1)
    assert timings.flush() == timings.MAX_ROWS + 50
    assert TimingCount.objects.count() == timings.MAX_ROWS + 50


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_added_now_is_added_later_and_only_once() -> None:
    with time_machine.travel(NOON, tick=False):
        timings.record(STORED, 0.1, 3)
        with database_faults.failing("desk_timingcount"), pytest.raises(DatabaseError):
            timings.flush()
        timings.record(STORED, 0.1)
        timings.flush()
    assert rows() == {(STORED, NOON, 100): 4}


COUNTING = textwrap.dedent("""
    import os, signal, sys, threading
    import django
    django.setup()
    from desk import loops, timings
    loops._jobs.clear()
    signal.signal(signal.SIGTERM, lambda *_: loops.Loop.stop())
    loops.register("count", "intake", lambda: True, lambda: timings.record("stored", 0.1) or 0)
    timings.FLUSH_EVERY_S = 3600
    timings.record("stored", 0.1, 1000)
    threading.Timer(1, lambda: print("counting", flush=True)).start()
    loops.Loop("intake").run()
""")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_told_to_stop_loses_nothing() -> None:
    name = connection.settings_dict["NAME"]
    environment = os.environ | {"TIMINGS_DATABASE": str(name), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    script = "from django.conf import settings\nimport os\n"
    script += "settings.DATABASES['default']['NAME'] = os.environ['TIMINGS_DATABASE']\n" + COUNTING
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"counting"
        assert not TimingCount.objects.exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert sum(rows().values()) >= 1000


@pytest.mark.django_db(transaction=True)
def test_processes_that_add_to_the_same_rows_at_once_lose_nothing() -> None:
    keys = [(kind, NOON, bound) for bound in (5, 100, 300) for kind in (SHOWN, STORED)]

    def add_often() -> None:
        for _ in range(20):
            timings._add([(key, 1) for key in sorted(keys)])
        connection.close()

    threads = [threading.Thread(target=add_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows() == dict.fromkeys(keys, 80)


@pytest.mark.django_db(transaction=True)
def test_the_web_process_adds_what_is_left_when_it_ends() -> None:
    phases = iter(("startup", "shutdown"))

    async def receive() -> dict[str, str]:
        phase = next(phases)
        if phase == "shutdown":
            timings.record(SCREEN, 0.1)
        return {"type": f"lifespan.{phase}"}

    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def live() -> None:
        await application({"type": "lifespan"}, receive, send)

    asyncio.run(live())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert sum(rows().values()) == 1


@pytest.mark.django_db(transaction=True)
def test_the_thread_adds_what_is_left_when_it_stops() -> None:
    flusher = timings.Flusher()
    flusher.start()
    timings.record(SCREEN, 0.1)
    flusher.stop()
    assert sum(rows().values()) == 1


# --- Reading ----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_the_last_hour_and_each_hour_are_read_in_one_query_each() -> None:
    for minutes, seconds in ((3, 0.1), (58, 0.1), (90, 30), (60 * 23, 60)):
        with time_machine.travel(NOON - timedelta(minutes=minutes), tick=False):
            timings.record(SCREEN, seconds)
    timings.flush()
    with CaptureQueriesContext(connection) as asked:
        assert timing_reports.between(NOON - HOUR, NOON)[SCREEN].count == 2
        day = timing_reports.between(NOON - DAY, NOON)[SCREEN]
        hours = timing_reports.by_hour(SCREEN, NOON - DAY, NOON)
    assert len(asked) == 3
    assert day.count == 4
    assert 20 < (day.p95 or 0) <= 60
    assert timing_reports.between(NOON - DAY, NOON)[STORED] == timing_reports.Times(0, None, None)
    assert {hour: times.count for hour, times in hours.items()} == {
        datetime(2026, 11, 20, 11, tzinfo=UTC): 2,
        datetime(2026, 11, 20, 10, tzinfo=UTC): 1,
        datetime(2026, 11, 19, 13, tzinfo=UTC): 1,
    }


@pytest.mark.django_db
def test_what_a_clock_that_was_ahead_has_counted_is_not_of_the_last_hour() -> None:
    with time_machine.travel(NOON + timedelta(days=3), tick=False):
        timings.record(SCREEN, 60)
    with time_machine.travel(NOON, tick=False):
        timings.record(SCREEN, 0.2)
        timings.flush()
        assert timing_reports.between(NOON - HOUR, NOON)[SCREEN].count == 1
        assert timing_reports.between(NOON - DAY, NOON)[SCREEN].count == 1
        assert len(timing_reports.by_hour(SCREEN, NOON - DAY, NOON)) == 1


@pytest.mark.django_db
def test_counts_are_deleted_after_eight_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_S", 0)
    for days in (7.9, 8.1, 30):
        with time_machine.travel(NOON - timedelta(days=days), tick=False):
            timings.record(STORED, 0.1)
    timings.flush()
    with time_machine.travel(NOON, tick=False):
        assert retention.apply()["timings"] == 2
    assert TimingCount.objects.get().slot > NOON - timedelta(days=8)
