"""Measure the whole table of goals on SQLite and PostgreSQL, each row beside its yardstick, and print it."""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bench import desks, report, sizes
from bench.goals import Samples
from bench.rounds import Rounds

NO_MEASUREMENT = "This was --quick: it shows that everything works. Its figures are no measurement."


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def measure(kinds: Sequence[str], size: sizes.Sizes) -> dict[str, Samples]:
    """Return the figures of all rounds, by the kind of database."""
    rounds = {kind: Rounds(kind, size, say) for kind in kinds}
    # Each kind needs both cores for itself, unless the figures do not count.
    with ThreadPoolExecutor(len(kinds) if size.is_quick else 1) as pool:
        list(pool.map(Rounds.take, rounds.values()))
    return {kind: each.samples for kind, each in rounds.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="one round of small sizes, in two minutes: no measurement")
    size.add_argument("--large", action="store_true", help="with a million conversations, messages and contacts too")
    parser.add_argument("--rounds", type=int, help="instead of three")
    parser.add_argument("--only", choices=desks.KINDS)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--quick is no measurement: there is nothing to write")
    chosen = sizes.QUICK if options.quick else sizes.LARGE if options.large else sizes.FULL
    if options.rounds:
        chosen = replace(chosen, rounds=options.rounds)
    kinds = [options.only] if options.only else list(desks.KINDS)
    if desks.POSTGRESQL in kinds and not desks.has_postgresql():
        print("NOTICE: no PostgreSQL answers (DATABASE_URL, or 127.0.0.1:5432); skipping it.")
        kinds.remove(desks.POSTGRESQL)
    measured = measure(kinds, chosen)
    results, costs = report.results(measured, chosen), report.time_spent(measured, chosen)
    print(f"\n{results}\n\n{costs}\n\n{report.missed(measured, chosen)} goals are missed or were not measured.")
    if options.quick:
        print(NO_MEASUREMENT)
    if options.write:
        report.write(report.RESULTS, results)
        report.write(report.COSTS, costs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
