"""What the benchmark prints and writes about given figures."""

from pathlib import Path

import pytest

from bench import report
from bench.goals import Goal, Row, Samples, bare, new_samples, rows
from bench.sizes import FULL, LARGE, QUICK

SPEED = Row("webhook", "webhook", "POSTs/s", bare("webhook"), (Goal(0.7, True, bare("webhook"), "the bare handler"),))
WAIT = Row("page", "page", "ms", goals=(Goal(40),))


@pytest.mark.parametrize(
    ("own", "yardstick", "said"),
    [
        ([700], [1000], "at least 0.7 × the bare handler: reached"),
        ([350], [1000], "at least 0.7 × the bare handler: **missed by a factor of 2.00**"),
        ([699.9], [1000], "at least 0.7 × the bare handler: **missed by a factor of 1.001**"),
    ],
)
def test_a_rate_is_compared_with_its_yardstick(own: list[float], yardstick: list[float], said: str) -> None:
    samples = {"webhook": own, bare("webhook"): yardstick}
    assert report.verdict(SPEED.goals[0], SPEED, samples) == said


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([10, 40, 90], "at most 40 ms: reached"),
        ([10, 60, 90], "at most 40 ms: **missed by a factor of 1.50**"),
    ],
)
def test_the_median_of_the_rounds_counts(times: list[float], said: str) -> None:
    assert report.verdict(WAIT.goals[0], WAIT, {"page": times}) == said


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    samples: Samples = {"webhook": [800, 80, 900], bare("webhook"): [1000, 100, 1000]}
    cells = report.line(SPEED, samples)
    assert cells == (
        "webhook",
        "800 POSTs/s",
        "1,000 POSTs/s",
        "0.80",
        "at least 0.7 × the bare handler: reached",
    )


def made_up(database: str, value: float) -> Samples:
    """Return figures for every row: the yardsticks are all 100."""
    samples = new_samples()
    for row in rows(database, FULL):
        samples[row.key] = [value]
        if row.beside:
            samples[row.beside] = [100]
    return samples


def test_every_path_of_the_goals_is_in_the_table() -> None:
    table = report.table("PostgreSQL", FULL, made_up("PostgreSQL", 10))
    for line in (
        "| webhook, 16 connections | 10.0 POSTs/s | 100 POSTs/s | 0.10 "
        "| at least 0.7 × the bare handler: **missed by a factor of 7.00** |",
        "| POST to open page, 2 messages/s, p50 | 10.0 ms | 100 ms | 0.10 | at most 20 ms: reached |",
        "| inbox, agent, 100,000 conversations | 10.0 ms | 100 ms | 0.10 "
        "| at most 12 ms: reached; at most 1.2 × that of 10,000 conversations: reached |",
        "| conversation of 500 messages, 10,000 conversations | 10.0 ms | 100 ms | 0.10 "
        "| at most 2 × that of 10 messages: reached |",
        "| search: a name, 100,000 messages, p95 | 10.0 ms | 100 ms | 0.10 | at most 150 ms: reached |",
    ):
        assert line in table
    assert "at most 40 ms: reached" in report.table("SQLite", FULL, made_up("SQLite", 30))
    assert "1,000,000 contacts" in report.table("SQLite", LARGE, {})


def test_a_goal_without_figures_is_not_hidden() -> None:
    table = report.table("SQLite", QUICK, {})
    assert "| webhook, 16 connections | not measured |  |  | at least 0.7 × the bare handler |" in table
    assert "reached" not in table
    goals = sum(len(row.goals) for row in rows("SQLite", QUICK))
    assert report.missed({"SQLite": {}}, QUICK) == goals


def test_costs_are_those_that_were_counted() -> None:
    samples = {
        "intake: statements": [0.4, 0.5, 0.6],
        "intake: process time": [0.7],
        f"{bare('intake')}: process time": [0.1],
    }
    text = report.costs("SQLite", FULL, samples)
    assert text.splitlines()[2:] == ["| journal to stored messages, one process | 0.50 | 0.70 ms |  | 0.10 ms |"]


def test_write_replaces_one_place(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("a\n<!-- results -->\nold\n<!-- end of results -->\nb\n<!-- costs -->\n<!-- end of costs -->\n")
    report.write(report.COSTS, r"new \1", document)
    report.write(report.RESULTS, "newer", document)
    assert document.read_text() == (
        "a\n<!-- results -->\nnewer\n<!-- end of results -->\nb\n<!-- costs -->\nnew \\1\n<!-- end of costs -->\n"
    )
    with pytest.raises(ValueError, match="no place for elsewhere"):
        report.write("elsewhere", "", document)


def test_the_document_has_both_places() -> None:
    text = report.DOCUMENT.read_text()
    for place in (report.RESULTS, report.COSTS):
        assert f"<!-- {place} -->" in text
        assert f"<!-- end of {place} -->" in text
