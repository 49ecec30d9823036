"""Take the rounds of all measures on one kind of database, each beside its yardstick in the same round."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from bench import browser, busy, crowd, desks, goals, intake, measures, reads, search, sending, tables
from bench.goals import at, bare
from bench.report import percentile
from bench.sizes import Sizes
from tests.e2e.processes import RunningDesk

CONNECTIONS = (16, 64)
PACES = {"to the page, 2/s": (2, 1), "to the page, 20/s": (20, 4)}  # messages a second, and open pages
QUEUES = (measures.JOURNAL, "django_q_ormq", "django_q_task")
PAGES = {  # the name of the row, and that of bench.reads
    "inbox, agent": "inbox, agent",
    "inbox, sees all": "inbox, sees all",
    goals.SHORT: "conversation of 10 messages",
    goals.LONG: "conversation of many messages",
    **{name: name for name in goals.LISTS},
}
FIGURES = ("process time", "statements")


class Rounds:
    """The figures of one kind of database, by the names of bench.goals."""

    def __init__(self, kind: str, sizes: Sizes, say: Callable[[str], None]) -> None:
        self.kind, self.sizes, self._say = kind, sizes, say
        self.samples = goals.new_samples()

    def take(self, like: RunningDesk | None = None) -> None:
        """Take all measures, in databases of their own; `like` is a Desk with migrated tables that was never used."""
        with nullcontext(like) if like else desks.prepared(self.kind) as like:
            for measure in (self._intake, self._sending, self._busy, self._live, self._reads, self._search):
                with desks.prepared(self.kind, like=like) as desk:
                    measure(desk)

    def _rounds(self, what: str) -> Iterator[int]:
        for number in range(1, self.sizes.rounds + 1):
            self._say(f"{self.kind}: {what}, round {number} of {self.sizes.rounds}")
            yield number

    def _add(self, key: str, value: float) -> None:
        self.samples[key].append(value)

    def _add_times(self, key: str, times: list[float], percents: tuple[int, ...] = (50, 95)) -> None:
        for percent in percents:
            self._add(f"{key}, p{percent}", percentile(times, percent) * 1000)

    def _add_costs(self, key: str, figures: Mapping[str, Any]) -> None:
        for name in FIGURES:
            if name in figures:
                self._add(f"{key}: {name}", figures[name])

    def _intake(self, desk: RunningDesk) -> None:
        for key, contacts in (("intake", 0), ("intake, contacts", self.sizes.contacts)):
            desk.call(intake.add_contacts, contacts)
            for _ in self._rounds(f"{contacts:,} contacts, intake"):
                figures = desk.call(intake.take, self.sizes.messages, self.sizes.customers)
                for name, each in ((bare(key), figures[intake.YARDSTICK]), (key, figures[intake.DESK])):
                    self._add(name, each["rate"])
                    self._add_costs(name, each)

    def _sending(self, desk: RunningDesk) -> None:
        with sending.stand_in(desk.sandbox_port):
            for _ in self._rounds("sending"):
                figures = desk.call(sending.take, self.sizes.replies)
                if figures["replies"]["unsent"]:
                    raise AssertionError(f"{figures['replies']['unsent']} replies were not sent")
                for name, each in ((bare("sends"), figures["bare"]), ("sends", figures["replies"])):
                    self._add(name, each["rate"])
                    self._add_costs(name, each)

    def _busy(self, desk: RunningDesk) -> None:
        with sending.stand_in(desk.sandbox_port):
            desk.start("web", "worker")
            for _ in self._rounds("sending while messages come in"):
                alone, together = busy.take(desk, replies=self.sizes.replies, seconds=self.sizes.seconds)
                for key, one, other in (
                    ("busy sends", alone.sends, together.sends),
                    ("busy messages", alone.messages, together.messages),
                    ("busy webhook, p99", alone.webhook_p99, together.webhook_p99),
                ):
                    self._add(bare(key), one)
                    self._add(key, other)

    def _live(self, desk: RunningDesk) -> None:
        database, sizes = desks.database(desk), self.sizes
        own = measures.Target(desk.port, desk.environment["META_APP_SECRET"])
        desk.start("sandbox")
        desk.manage("demo_data")
        desk.start("web")
        for number in self._rounds("webhook, and POST to open page"):
            with desks.yardstick(desk) as target:
                self._webhook(target, desks.yardstick_database(desk), "yardstick", bare)
                for key, (per_second, _pages) in PACES.items():
                    times = measures.round_trips(target, seconds=self._seconds(per_second), per_second=per_second)
                    self._add_times(bare(key), times)
            self._webhook(own, database, measures.JOURNAL, str)
            tables.empty(database, *QUEUES)
            desk.start("worker")
            for key, (per_second, pages) in PACES.items():
                self._to_the_page(desk, key, per_second, pages)
            with crowd.open_lists(desk, measures.PAGE_ID, sizes.lists):
                self._to_the_page(desk, "to the page, lists", *PACES["to the page, 20/s"])
            if number == sizes.rounds and not sizes.is_quick:
                self._once(desk)
            desk.processes.stop_one("worker")

    def _webhook(self, target: measures.Target, database: str, table: str, named: Callable[[str], str]) -> None:
        for connections in CONNECTIONS:
            seconds = self.sizes.seconds
            rate = measures.webhook(target, database, table, seconds=seconds, connections=connections)
            self._add(named(f"webhook, {connections} connections"), rate)

    def _to_the_page(self, desk: RunningDesk, key: str, per_second: float, pages: int) -> None:
        database, seconds = desks.database(desk), self._seconds(per_second)
        times = measures.to_the_page(desk, database, seconds=seconds, per_second=per_second, pages=pages)
        self._add_times(key, times)

    def _seconds(self, per_second: float) -> float:
        """Return how long messages come in at this pace."""
        return self.sizes.slow_seconds if per_second <= 2 else self.sizes.seconds

    def _once(self, desk: RunningDesk) -> None:
        """Take what has no goal, in the last round only."""
        database, sizes = desks.database(desk), self.sizes
        if times := browser.to_the_page(desk, database, samples=20, per_second=20):
            self._add_times("chromium", times)
        announced, shown = crowd.announced_and_shown(
            desk, database, measures.PAGE_ID, pages=sizes.lists, per_second=2, seconds=sizes.seconds
        )
        self._add_times("announced", announced)
        self._add_times("row shown", shown)

    def _reads(self, desk: RunningDesk) -> None:
        sizes = self.sizes
        for number in sizes.conversations:
            desk.call(reads.prepare, number, sizes.long_thread)
            for _ in self._rounds(f"{number:,} conversations, pages and lists of the API"):
                figures = desk.call(reads.take, list(PAGES.values()), sizes.requests, sizes.long_thread)
                for page, name in PAGES.items():
                    key = at(page, number)
                    for each, found in ((bare(key), figures[name]["bare"]), (key, figures[name]["page"])):
                        self._add(each, found["median"])
                        self._add_costs(each, found)

    def _search(self, desk: RunningDesk) -> None:
        desk.call(search.prepare, self.sizes.searched)
        for _ in self._rounds("search"):
            for name, found in desk.call(search.take, goals.SEARCHES, self.sizes.requests).items():
                key = f"search: {name}"
                self._add(bare(key), found["bare"])
                self._add(key, found["p95"])
