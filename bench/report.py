"""Turn the figures of a run into Markdown: the table of goals, and where the time goes."""

import os
import platform
import re
import statistics
from collections.abc import Iterable
from pathlib import Path

from bench.goals import Goal, Row, Samples, bare, ratio, rows
from bench.sizes import Sizes

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
RESULTS, COSTS = "results", "costs"  # the places in the document
HEAD = ("measure", "median", "yardstick", "ratio", "goal")
COST_HEAD = ("work", "statements", "process time", "statements of the yardstick", "its process time")
STATEMENTS, PROCESS_TIME = "statements", "process time"


def percentile(values: list[float], percent: int) -> float:
    """Return the value that `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def verdict(goal: Goal, row: Row, samples: Samples) -> str:
    """Return the goal and whether it is reached, or by which factor it is missed."""
    factor = goal.missed_by(row.key, samples)
    reached = "reached" if factor <= 1 else f"**missed by a factor of {_factor(factor)}**"
    return f"{goal.sentence(row.unit)}: {reached}"


def _factor(factor: float) -> str:
    """Return a factor above 1 with two digits, or more where two would show 1.00."""
    return f"{factor:.2f}" if factor >= 1.005 else f"{max(factor, 1.001):.3f}"


def line(row: Row, samples: Samples) -> tuple[str, ...]:
    """Return the cells of a row."""
    beside = row.beside if samples.get(row.beside) else ""
    return (
        row.name,
        number(statistics.median(samples[row.key]), row.unit),
        number(statistics.median(samples[beside]), row.unit) if beside else "",
        f"{ratio(samples, row.key, beside):.2f}" if beside else "",
        "; ".join(verdict(goal, row, samples) for goal in row.goals),
    )


def number(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def table(database: str, sizes: Sizes, samples: Samples) -> str:
    """Return the table of goals of one database. Rows with a goal that were not measured say so."""
    lines = []
    for row in rows(database, sizes):
        if samples.get(row.key):
            lines.append(line(row, samples))
        elif row.goals:
            lines.append((row.name, "not measured", "", "", "; ".join(goal.sentence(row.unit) for goal in row.goals)))
    return _markdown(HEAD, lines, right=(1, 2, 3))


def costs(database: str, sizes: Sizes, samples: Samples) -> str:
    """Return the table of what the run counted for each message, reply and page."""
    lines = []
    for row in rows(database, sizes):
        key = row.key
        if not samples.get(f"{key}: {PROCESS_TIME}"):
            continue
        figures = []
        for name in (key, bare(key)):
            for what, unit in ((STATEMENTS, ""), (PROCESS_TIME, "ms")):
                values = samples.get(f"{name}: {what}")
                figures.append(f"{statistics.median(values):.2f} {unit}".strip() if values else "")
        lines.append((row.name, *figures))
    return _markdown(COST_HEAD, lines, right=(1, 2, 3, 4))


def _markdown(head: Iterable[str], lines: Iterable[Iterable[str]], right: tuple[int, ...]) -> str:
    cells = list(head)
    rule = ["---:" if place in right else "---" for place in range(len(cells))]
    return "\n".join("| " + " | ".join(each) + " |" for each in [cells, rule, *lines])


def results(measured: dict[str, Samples], sizes: Sizes) -> str:
    """Return the text of the table of goals of all databases, each under its name."""
    rounds = f"medians of {sizes.rounds} rounds" if sizes.rounds > 1 else "one round"
    parts = [f"{machine()}; {rounds}."]
    parts += [f"### {database}\n\n{table(database, sizes, samples)}" for database, samples in measured.items()]
    return "\n\n".join(parts)


def time_spent(measured: dict[str, Samples], sizes: Sizes) -> str:
    """Return the text of *Where the time goes* of all databases."""
    return "\n\n".join(
        f"### Costs on {database}\n\n{costs(database, sizes, samples)}" for database, samples in measured.items()
    )


def missed(measured: dict[str, Samples], sizes: Sizes) -> int:
    """Return how many goals are missed or were not measured."""
    return sum(
        not samples.get(row.key) or goal.missed_by(row.key, samples) > 1
        for database, samples in measured.items()
        for row in rows(database, sizes)
        for goal in row.goals
    )


def machine() -> str:
    """Return a description of this machine."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def write(place: str, text: str, document: Path = DOCUMENT) -> None:
    """Replace what stands in `place` of the document. Raise ValueError when it has no such place."""
    begin, end = f"<!-- {place} -->", f"<!-- end of {place} -->"
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    written, found = pattern.subn(lambda _match: f"{begin}\n{text}\n{end}", document.read_text())
    if not found:
        raise ValueError(f"{document.name} has no place for {place}")
    document.write_text(written)
