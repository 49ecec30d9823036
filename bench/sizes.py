"""How much each measure does: FULL counts, QUICK only shows that everything works."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """The sizes of all measures of one run."""

    rounds: int
    seconds: float  # of each measure with a load at an even pace, or as fast as answers come
    slow_seconds: float  # of the load of two messages a second, which needs longer for the same number
    messages: int  # that wait in the journal
    customers: int  # who wrote them
    replies: int  # that wait in the outbox
    lists: int  # open at once
    conversations: tuple[int, ...]  # in the database, ascending
    long_thread: int  # messages of the long conversation
    searched: int  # messages in the database that is searched
    contacts: int  # in the database of the second measure of intake
    requests: int  # for each page
    is_quick: bool = False  # only what has a goal, and both databases at once


FULL = Sizes(
    rounds=3,
    seconds=8,
    slow_seconds=30,
    messages=3000,
    customers=300,
    replies=2000,
    lists=200,
    conversations=(10_000, 100_000),
    long_thread=500,
    searched=100_000,
    contacts=100_000,
    requests=20,
)
LARGE = replace(FULL, conversations=(10_000, 100_000, 1_000_000), searched=1_000_000, contacts=1_000_000)
QUICK = Sizes(
    rounds=1,
    seconds=0.5,
    slow_seconds=2,
    messages=300,
    customers=30,
    replies=100,
    lists=10,
    conversations=(200, 1000),
    long_thread=100,
    searched=1000,
    contacts=1000,
    requests=3,
    is_quick=True,
)
