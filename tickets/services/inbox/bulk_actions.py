"""Run one action on many conversations: each by itself, by the rules for one (actions.py)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from desk.errors import Refused
from desk.models import User
from tickets.models import Conversation
from tickets.services.conversation import access

MAX_CONVERSATIONS = 100  # conversations
NOT_OPEN = "not open to you any more"
NOTHING_CHANGED = " Nothing was changed."  # true of the one that was refused, not of the others


@dataclass
class BulkResult:
    """How many were done, and for each reason how many were not."""

    done: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def refuse(self, reason: str, amount: int = 1) -> None:
        self.reasons[reason] = self.reasons.get(reason, 0) + amount

    def sentence(self, word: str) -> str:
        """In words: "12 closed, 2 not: This channel was deleted …"."""
        if not self.reasons:
            return f"{self.done} {word}."
        reasons = "; ".join(self.reasons)
        return f"{self.done or 'None'} {word}, {sum(self.reasons.values())} not: {reasons.rstrip('.')}."


def run(user: User, ids: Iterable[int], act: Callable[[Conversation], object]) -> BulkResult:
    """Do `act` to each of these conversations that `user` may see. One that is refused stops no other.

    Raises Refused for none and for more than MOST. A transaction each: nobody waits for a hundred of them.
    """
    wanted = sorted(set(ids))
    if not wanted:
        raise Refused("No conversation is selected. Select one first.")
    if len(wanted) > MAX_CONVERSATIONS:
        raise Refused(
            f"{len(wanted)} conversations are selected; at most {MAX_CONVERSATIONS} can be changed at once. "
            "Select fewer."
        )
    visible = access.conversations_for(user).filter(pk__in=wanted)
    found = list(visible.select_related("contact", "channel", "department", "assignee").order_by("pk"))
    outcome = BulkResult()
    if len(found) < len(wanted):
        outcome.refuse(NOT_OPEN, len(wanted) - len(found))
    for conversation in found:
        try:
            act(conversation)
        except Refused as refused:
            outcome.refuse(str(refused).removesuffix(NOTHING_CHANGED))
        else:
            outcome.done += 1
    return outcome
