"""Short rounds of `make chaos`: it runs to its end, finds nothing in Desk, and finds a mistake that is planted."""

import os
from pathlib import Path

import pytest

from chaos.plan import Plan
from chaos.round import play
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SHORT = Plan(messages=60, replies=24, kills=3, seconds=6)
PATIENCE_S = 150


def server() -> str:
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith("postgres") else ""


def test_a_short_round_finds_nothing(prepared: RunningDesk, tmp_path: Path) -> None:
    result = play(SHORT, 1, tmp_path, server=server(), prepared=prepared, patience_s=PATIENCE_S)
    assert not result.counts.wrong, result.counts.found
    assert (result.messages, result.replies) == (60, 24)
    assert sum(result.broken[name] for name in ("web", "worker", "sandbox")) == 3
    assert result.recovered_s is not None


def test_a_planted_mistake_is_found(prepared: RunningDesk, tmp_path: Path) -> None:
    calm = Plan(messages=20, replies=10, kills=0, seconds=2)
    result = play(calm, 1, tmp_path, server=server(), planted="keep-waiting", prepared=prepared, patience_s=PATIENCE_S)
    assert result.counts.wrong == ["wrong counters"]
