"""How much is sent and broken in one round."""

from dataclasses import dataclass

PER_CUSTOMER = 12  # messages and replies of each customer, on average
MOST_PER_CUSTOMER = 16  # Meta shows the newest 20 messages: a reply beyond them can stay unsure, which is no mistake


@dataclass(frozen=True)
class Plan:
    """One round: so many messages of customers, replies of agents and kills, spread over `seconds`.

    The messages of a customer that are dated back, to begin tickets of their own, are among `messages`.
    """

    messages: int
    replies: int
    kills: int
    seconds: float

    @property
    def customers(self) -> int:
        """Return how many customers write."""
        return max(6, (self.messages + self.replies) // PER_CUSTOMER)


FULL = Plan(messages=5000, replies=2000, kills=100, seconds=420)
QUICK = Plan(messages=900, replies=360, kills=20, seconds=80)
