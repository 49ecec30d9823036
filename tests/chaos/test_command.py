"""`python -m chaos`: what its options ask for, what it prints, and its exit code."""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chaos import __main__ as command
from chaos.counts import Counts
from chaos.plan import FULL, QUICK, Plan
from chaos.planted.mistakes import MISTAKES
from chaos.round import Result


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the data of rounds in the folder of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class Rounds:
    """Stands in for `play`: notes how it was called, and returns these counts."""

    def __init__(self, *wrong: str) -> None:
        self.calls: list[tuple[Plan, int, dict[str, Any]]] = []
        self.counts = Counts()
        for name in wrong:
            self.counts.add(name, [f"sentence {number}" for number in range(7)])

    def play(self, plan: Plan, seed: int, folder: Path, **options: Any) -> Result:
        self.calls.append((plan, seed, options))
        return Result(self.counts, 12, 3, 4, Counter(web=2), 1.25, ["1 replies wait"])


def run(monkeypatch: pytest.MonkeyPatch, rounds: Rounds, *arguments: str, database: str = "") -> int:
    monkeypatch.setattr(command, "play", rounds.play)
    monkeypatch.setattr(sys, "argv", ["chaos", *arguments])
    monkeypatch.setenv("DATABASE_URL", database)
    return command.main()


def test_three_full_rounds_with_seeds_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = Rounds()
    assert run(monkeypatch, rounds, "--seed", "7") == 0
    assert [(plan, seed) for plan, seed, _options in rounds.calls] == [(FULL, 7), (FULL, 8), (FULL, 9)]
    printed = capsys.readouterr().out
    assert "SQLite, round 3 of 3, seed 9" in printed
    assert "12 messages, 3 replies; killed: web 2; 4 faults; quiet 1.2 s afterwards (last: 1 replies wait)" in printed
    assert "lost 0  doubled 0  misordered 0  wrong state 0  wrong ticket 0  wrong counters 0  stuck 0" in printed


def test_a_wrong_count_is_named_and_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = Rounds("lost")
    assert run(monkeypatch, rounds, "--quick", "--kills", "1") == 1
    [(plan, _seed, _options)] = rounds.calls
    assert (plan.messages, plan.kills) == (QUICK.messages, 1)
    printed = capsys.readouterr().out
    assert "lost: sentence 4\n    lost: and 2 more" in printed
    assert printed.endswith("Wrong: lost.\n")


def test_a_planted_mistake_must_be_found_by_its_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, mistake in MISTAKES.items():
        rounds = Rounds(mistake.found_by)
        assert run(monkeypatch, rounds, "--planted", name) == 1
        assert rounds.calls[0][2]["planted"] == name
        assert f"The planted mistake was found: {mistake.found_by}." in capsys.readouterr().out
        run(monkeypatch, Rounds("stuck"), "--planted", name)
        assert "NOT found" in capsys.readouterr().out


def test_redis_comes_with_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.redis_server, "is_installed", lambda: True)
    for arguments, database, expected in [
        ((), "postgres://h/d", ("postgres://h/d", True)),
        (("--no-redis",), "postgres://h/d", ("postgres://h/d", False)),
        ((), "sqlite:///x", ("", False)),
        (("--redis",), "", ("", True)),
    ]:
        rounds = Rounds()
        run(monkeypatch, rounds, "--quick", *arguments, database=database)
        options = rounds.calls[0][2]
        assert (options["server"], options["with_redis"]) == expected
