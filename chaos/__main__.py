"""Kill, cut off and disturb a running Desk at random, then count what is wrong by the sandbox's own record.

The database is that of DATABASE_URL (a PostgreSQL server, on which a new database is made), else SQLite. Exits with 1
when anything is wrong.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaos import redis_server
from chaos.plan import FULL, QUICK, Plan
from chaos.planted.mistakes import MISTAKES
from chaos.round import Result, play

SHOWN = 5  # sentences of each count
# A killed worker leaves up to 64 replies unsure, and Desk looks one up again after at most a quarter of an hour. What a
# planted mistake leaves over may never end.
PATIENCE_S, PATIENCE_PLANTED_S = 1200, 40


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, for every change: about four minutes")
    parser.add_argument("--rounds", type=int, help="default: 3; with --quick or --planted 1")
    parser.add_argument("--messages", type=int, metavar="N", help="messages of customers in each round")
    parser.add_argument("--replies", type=int, metavar="N", help="replies of agents in each round")
    parser.add_argument("--kills", type=int, metavar="N", help="processes that are killed in each round")
    parser.add_argument("--seconds", type=float, help="for how long messages and kills are spread")
    parser.add_argument("--patience", type=float, help="seconds to wait for quiet; default: 1200, with --planted 40")
    parser.add_argument("--seed", type=int, help="of the first round; each next round has the next number")
    parser.add_argument("--planted", choices=MISTAKES, help="plant this mistake: it must be found")
    parser.add_argument(
        "--redis",
        action=argparse.BooleanOptionalAction,
        help="start a Redis and stop it now and then; default: with PostgreSQL, where redis-server is installed",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep data and log of each round, also when nothing is wrong"
    )
    return parser.parse_args()


def plan_of(chosen: argparse.Namespace) -> Plan:
    """Return the plan that the options ask for."""
    plan = QUICK if chosen.quick or chosen.planted else FULL
    given = {name: getattr(chosen, name) for name in ("messages", "replies", "kills", "seconds")}
    return replace(plan, **{name: value for name, value in given.items() if value is not None})


def show(result: Result) -> None:
    """Print a round."""
    broken = ", ".join(f"{name} {number}" for name, number in sorted(result.broken.items()))
    quiet = "did not become quiet" if result.recovered_s is None else f"quiet {result.recovered_s:.1f} s afterwards"
    quiet += f" (last: {', '.join(result.last)})" if result.last else ""
    print(
        f"  {result.messages:,} messages, {result.replies:,} replies; killed: {broken}; {result.faults} faults; {quiet}"
    )
    print(f"  {result.counts.line()}", flush=True)
    for name in result.counts.wrong:
        sentences = result.counts.found[name]
        for sentence in sentences[:SHOWN]:
            print(f"    {name}: {sentence}")
        if len(sentences) > SHOWN:
            print(f"    {name}: and {len(sentences) - SHOWN} more")


def main() -> int:
    chosen = options()
    plan = plan_of(chosen)
    rounds = chosen.rounds or (1 if chosen.quick or chosen.planted else 3)
    first = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10**6)
    server = os.environ.get("DATABASE_URL", "")
    server = server if server.startswith("postgres") else ""
    with_redis = bool(server) and redis_server.is_installed() if chosen.redis is None else chosen.redis
    patience_s = chosen.patience or (PATIENCE_PLANTED_S if chosen.planted else PATIENCE_S)
    wrong: set[str] = set()
    for number in range(rounds):
        seed = first + number
        kind = ("PostgreSQL" if server else "SQLite") + (" and Redis" if with_redis else "")
        planted = f", planted: {chosen.planted}" if chosen.planted else ""
        print(f"{kind}, round {number + 1} of {rounds}, seed {seed}{planted}", flush=True)
        folder = Path(tempfile.mkdtemp(prefix="desk-chaos-"))
        how: dict[str, Any] = {
            "server": server,
            "with_redis": with_redis,
            "planted": chosen.planted or "",
            "patience_s": patience_s,
        }
        try:
            result = play(plan, seed, folder, **how)
        except BaseException:
            print(f"  data and log: {folder}")
            raise
        show(result)
        wrong.update(result.counts.wrong)
        if chosen.keep or (result.counts.wrong and not chosen.planted):
            print(f"  data and log: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if chosen.planted:
        expected = MISTAKES[chosen.planted].found_by
        print(f"The planted mistake was {'found' if expected in wrong else 'NOT found'}: {expected}.")
    print(f"Wrong: {', '.join(sorted(wrong))}." if wrong else "Nothing is wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything is stopped
    sys.exit(main())
