"""A round of the benchmark, with sizes at which its figures mean nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from bench import desks, report
from bench.goals import rows
from bench.rounds import Rounds
from bench.sizes import QUICK
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.processes, pytest.mark.slow]

TINY = replace(
    QUICK,
    seconds=0.2,
    slow_seconds=1,
    messages=20,
    customers=5,
    replies=10,
    lists=2,
    conversations=(40, 80),
    long_thread=12,
    searched=40,
    contacts=10,
    requests=2,
)


def test_a_quick_run_measures_every_row(prepared: RunningDesk) -> None:
    kind = desks.POSTGRESQL if "DATABASE_URL" in prepared.environment else desks.SQLITE
    said: list[str] = []
    rounds = Rounds(kind, TINY, said.append)
    with ThreadPoolExecutor(1) as thread:  # Playwright may have a loop in this one
        thread.submit(rounds.take, prepared).result()
    missing = [row.name for row in rows(kind, TINY) if row.goals and not rounds.samples[row.key]]
    assert not missing
    assert f"{kind}: search, round 1 of 1" in said
    table = report.results({kind: rounds.samples}, TINY)
    assert "not measured" not in table
    assert "one round" in table
    assert "| journal to stored messages, one process |" in report.time_spent({kind: rounds.samples}, TINY)
