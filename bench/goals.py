"""The rows of the table of results: what each shows, beside which yardstick, and what it has to reach.

A figure has a name under which a run collects one value for each round: `Samples`. `bench.rounds` writes them.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.sizes import Sizes

FLAT = 1.2
LISTS = ("api: conversations", "api: messages", "api: tickets")
SHORT, LONG = "conversation, short", "conversation, long"
SEARCHES = ("a rare word", "two common words", "a name")
# p50 and p95 of the time to an open page at two messages a second, in ms.
TO_PAGE_MS = {"PostgreSQL": (20.0, 40.0), "SQLite": (40.0, 80.0)}

Samples = Mapping[str, list[float]]


def new_samples() -> defaultdict[str, list[float]]:
    return defaultdict(list)


def bare(key: str) -> str:
    """Return the name of the yardstick's figure beside `key`."""
    return f"{key} (bare)"


@dataclass(frozen=True)
class Goal:
    """A limit: of the median itself, or with `of` of its ratio to another figure, which `words` names."""

    limit: float
    at_least: bool = False
    of: str = ""
    words: str = ""

    def sentence(self, unit: str) -> str:
        """Return what is to be reached."""
        bound = "at least" if self.at_least else "at most"
        return f"{bound} {self.limit:.3g} × {self.words}" if self.of else f"{bound} {self.limit:.3g} {unit}"

    def missed_by(self, key: str, samples: Samples) -> float:
        """Return by which factor the goal is missed: 1 or less when it is reached."""
        value = ratio(samples, key, self.of) if self.of else statistics.median(samples[key])
        better, worse = (value, self.limit) if self.at_least else (self.limit, value)
        return worse / better if better else float("inf")


@dataclass(frozen=True)
class Row:
    """A row of the table: the median of `key` and that of its yardstick, both in `unit`."""

    name: str
    key: str
    unit: str
    beside: str = ""
    goals: tuple[Goal, ...] = ()


def ratio(samples: Samples, key: str, other: str) -> float:
    """Return the median of the ratios of the rounds: what slows a round slows both."""
    return statistics.median(
        value / beside if beside else float("inf") for value, beside in zip(samples[key], samples[other], strict=True)
    )


def rows(database: str, sizes: Sizes) -> list[Row]:
    """Return all rows for one kind of database."""
    return [
        *_incoming(),
        *_to_the_page(database, sizes),
        *_sending(),
        *_pages(sizes),
        *_searches(sizes),
        *_with_contacts(sizes),
    ]


def of_bare(limit: float, key: str, words: str) -> Goal:
    return Goal(limit, at_least=True, of=bare(key), words=words)


def _incoming() -> Iterator[Row]:
    for connections in (16, 64):
        key = f"webhook, {connections} connections"
        yield Row(key, key, "POSTs/s", bare(key), (of_bare(0.7, key, "the bare handler"),))
    yield Row(
        "journal to stored messages, one process",
        "intake",
        "messages/s",
        bare("intake"),
        (of_bare(0.5, "intake", "bare SQL"),),
    )


def _to_the_page(database: str, sizes: Sizes) -> Iterator[Row]:
    p50, p95 = TO_PAGE_MS[database]
    for key, name, at50, at95 in (
        ("to the page, 2/s", "POST to open page, 2 messages/s", p50, p95),
        ("to the page, 20/s", "POST to open page, 20 messages/s, four pages", 40, 100),
        ("to the page, lists", f"the same with {sizes.lists} other pages open", 60, 0),
    ):
        for percent, limit in ((50, at50), (95, at95)):
            beside = bare("to the page, 2/s" if key.endswith(" 2/s") else "to the page, 20/s")
            goals = (Goal(limit),) if limit else ()
            yield Row(f"{name}, p{percent}", f"{key}, p{percent}", "ms", f"{beside}, p{percent}", goals)
    for what in ("chromium", "announced", "row shown"):
        name = (
            "POST to Chromium's page, 20 messages/s"
            if what == "chromium"
            else f"{sizes.lists} open lists, 2 messages/s: {what}"
        )
        for percent in (50, 95):
            yield Row(f"{name}, p{percent}", f"{what}, p{percent}", "ms")


def _sending() -> Iterator[Row]:
    yield Row(
        "sends at 100 ms a call, one process",
        "sends",
        "sends/s",
        bare("sends"),
        (of_bare(0.9, "sends", "the bare calls"),),
    )
    for key, unit, name in (
        ("busy sends", "sends/s", "sends while 200 messages/s come in"),
        ("busy messages", "messages/s", "messages stored while replies are sent, of 200/s"),
    ):
        yield Row(name, key, unit, bare(key), (of_bare(0.8, key, "itself alone"),))
    key = "busy webhook, p99"
    yield Row("webhook meanwhile, p99", key, "ms", bare(key), (Goal(50),))


def _pages(sizes: Sizes) -> Iterator[Row]:
    least, most = sizes.conversations[0], sizes.conversations[-1]
    names = {SHORT: "conversation of 10 messages", LONG: f"conversation of {sizes.long_thread} messages"}
    limits = {"inbox, agent": 12, "inbox, sees all": 12, SHORT: 15, LONG: 0, **dict.fromkeys(LISTS, 15)}
    for page, limit in limits.items():
        for number in sizes.conversations:
            key = at(page, number)
            goals = [Goal(limit)] if limit else [Goal(2, of=at(SHORT, number), words="that of 10 messages")]
            if number == most != least:
                goals.append(Goal(FLAT, of=at(page, least), words=f"that of {least:,} conversations"))
            yield Row(f"{names.get(page, page)}, {number:,} conversations", key, "ms", bare(key), tuple(goals))


def at(page: str, conversations: int) -> str:
    """Return the name of the figure of a page with so many conversations in the database."""
    return f"{page} at {conversations}"


def _searches(sizes: Sizes) -> Iterator[Row]:
    for question in SEARCHES:
        key = f"search: {question}"
        yield Row(f"{key}, {sizes.searched:,} messages, p95", key, "ms", bare(key), (Goal(150),))


def _with_contacts(sizes: Sizes) -> Iterator[Row]:
    key = "intake, contacts"
    flat = Goal(1 / FLAT, at_least=True, of="intake", words="that without contacts")
    yield Row(
        f"journal to stored messages, {sizes.contacts:,} contacts",
        key,
        "messages/s",
        bare(key),
        (of_bare(0.5, key, "bare SQL"), flat),
    )
