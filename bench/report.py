"""Turn the numbers into a Markdown table."""

import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
TARGETS = {"webhook": 0.4, "worker": 150.0, "p95": 1.0}


@dataclass
class Results:
    """The results of all rounds on one database: rates per second, times in seconds."""

    database: str
    yardstick: list[float] = field(default_factory=list)
    webhook: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)
    round_trips: list[float] = field(default_factory=list)
    to_page: list[list[float]] = field(default_factory=list)
    browser: list[float] | None = None
    crowd: tuple[list[float], list[float]] | None = None


def percentile(values: list[float], percent: int) -> float:
    """Return the value that `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def rows(results: Results) -> list[tuple[str, str, str, str]]:
    """Return (measure, median, relative to the yardstick, target) for each measure."""
    name = results.database
    yardstick, webhook = statistics.median(results.yardstick), statistics.median(results.webhook)
    worker = statistics.median(results.worker)
    lines = [
        (f"{name}: yardstick, POSTs/s", f"{yardstick:,.0f}", "1", ""),
        (
            f"{name}: webhook, POSTs/s with the row committed",
            f"{webhook:,.0f}",
            f"{webhook / yardstick:.2f}",
            verdict(webhook / yardstick >= TARGETS["webhook"], f"at least {TARGETS['webhook']} of the yardstick"),
        ),
        (
            f"{name}: worker, messages stored/s by one process",
            f"{worker:,.0f}",
            f"{worker / yardstick:.2f}",
            verdict(worker >= TARGETS["worker"], f"at least {TARGETS['worker']:.0f}/s"),
        ),
        (
            f"{name}: yardstick, POST to 200, p50 / p95",
            f"{milliseconds(results.round_trips, 50)} / {milliseconds(results.round_trips, 95)} ms",
            "1",
            "",
        ),
    ]
    p50 = statistics.median(percentile(times, 50) for times in results.to_page)
    p95 = statistics.median(percentile(times, 95) for times in results.to_page)
    lines.append(
        (
            f"{name}: POST to open page (stream and fragment), p50 / p95",
            f"{p50 * 1000:,.0f} / {p95 * 1000:,.0f} ms",
            f"{p50 / percentile(results.round_trips, 50):.0f} / {p95 / percentile(results.round_trips, 95):.0f}",
            verdict(p95 < TARGETS["p95"], "p95 below 1 s"),
        )
    )
    if results.browser:
        lines.append(
            (
                f"{name}: POST to Chromium's page, p50 / p95",
                f"{milliseconds(results.browser, 50)} / {milliseconds(results.browser, 95)} ms",
                "",
                verdict(percentile(results.browser, 95) < TARGETS["p95"], "p95 below 1 s"),
            )
        )
    if results.crowd:
        for times, what in zip(results.crowd, ("announced", "row shown"), strict=True):
            measured = f"{milliseconds(times, 50)} / {milliseconds(times, 95)} ms"
            lines.append((f"{name}: 200 open lists, 2 messages/s: {what}, p50 / p95", measured, "", ""))
    return lines


def milliseconds(times: list[float], percent: int) -> str:
    value = percentile(times, percent) * 1000
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def verdict(reached: bool, target: str) -> str:
    return f"{target}: {'reached' if reached else 'MISSED'}"


def table(all_results: list[Results]) -> str:
    """Return the table in Markdown."""
    head = [("measure", "median", "relative to yardstick", "target"), ("---", "---:", "---:", "---")]
    return "\n".join("| " + " | ".join(row) + " |" for row in [*head, *(row for r in all_results for row in rows(r))])


def machine() -> str:
    """Return a description of this machine."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def write(text: str) -> None:
    """Replace the results in docs/benchmarks.md."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
