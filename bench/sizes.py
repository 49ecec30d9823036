"""How much each measure does: FULL counts, QUICK only shows that everything works."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """The sizes of all measures of one run; the defaults are FULL."""

    rounds: int = 3
    seconds: float = 8  # of each measure with a load at an even pace, or as fast as answers come
    slow_seconds: float = 30  # of the load of two messages a second, which needs longer for the same number
    messages: int = 3000  # that wait in the journal
    customers: int = 300  # who wrote them
    replies: int = 2000  # that wait in the outbox
    lists: int = 200  # open at once
    conversations: tuple[int, ...] = (10_000, 100_000)  # in the database, ascending
    long_thread: int = 500  # messages of the long conversation
    searched: int = 100_000  # messages in the database that is searched
    contacts: int = 100_000  # in the database of the second measure of intake
    requests: int = 20  # for each page
    is_quick: bool = False  # only what has a goal, and both databases at once


FULL = Sizes()
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
