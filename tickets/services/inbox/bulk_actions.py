"""Run one action on many conversations, each in its own transaction and by the rules for a single one (actions.py)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.utils.translation import ngettext

from desk.errors import Refused
from desk.languages import joined, translated
from desk.models import User
from desk.sentences import counted, sentence
from tickets.models import Conversation
from tickets.services.conversation import access
from tickets.services.inbox import actions

MAX_CONVERSATIONS = 100
NOT_VISIBLE = sentence("you can no longer see it")
NOTHING_CHANGED = f" {actions.NOTHING_CHANGED}"  # true of the refused conversation, not of the others


@dataclass
class BulkResult:
    """How many conversations were changed, and for each reason how many were not."""

    done: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def refuse(self, reason: str, amount: int = 1) -> None:
        """Count `amount` conversations that were refused for `reason`."""
        self.reasons[reason] = self.reasons.get(reason, 0) + amount

    def sentence(self, word: str) -> str:
        """Return the result in the active language: "12 conversations: closed. 2 conversations not changed: …".

        `word` is a text of desk.sentences, such as "closed".
        """
        told = []
        if self.done or not self.reasons:
            text = ngettext("%(count)s conversation: %(done)s.", "%(count)s conversations: %(done)s.", self.done)
            told.append(text % {"count": self.done, "done": translated(word)})
        if self.reasons:
            refused = sum(self.reasons.values())
            text = ngettext(
                "%(count)s conversation not changed: %(reasons)s.",
                "%(count)s conversations not changed: %(reasons)s.",
                refused,
            )
            reasons = joined((translated(reason).rstrip(".") for reason in self.reasons), "; ")
            told.append(text % {"count": refused, "reasons": reasons})
        return " ".join(told)


def run(user: User, ids: Iterable[int], act: Callable[[Conversation], object]) -> BulkResult:
    """Call `act` for each of these conversations that `user` may see. A refused one does not stop the others.

    Raises Refused when no conversation or more than MAX_CONVERSATIONS are given. Each has its own transaction, so that
    nobody waits for the locks of all of them.
    """
    unique_ids = set(ids)
    if not unique_ids:
        raise Refused(sentence("No conversation is selected. Select one first."))
    if len(unique_ids) > MAX_CONVERSATIONS:
        raise Refused(
            counted(
                "%(count)s conversation is selected; at most %(most)s can be changed at once. Select fewer.",
                "%(count)s conversations are selected; at most %(most)s can be changed at once. Select fewer.",
                len(unique_ids),
                most=MAX_CONVERSATIONS,
            )
        )
    facts = access.facts_for(user)
    visible = access.conversations_for(user, facts).filter(pk__in=unique_ids)
    conversations = list(visible.select_related("contact", "channel", "department", "assignee").order_by("pk"))
    result = BulkResult()
    if len(conversations) < len(unique_ids):
        result.refuse(NOT_VISIBLE, len(unique_ids) - len(conversations))
    for conversation in conversations:
        try:
            access.require_work(facts, conversation)
            act(conversation)
        except Refused as refused:
            result.refuse(str(refused).removesuffix(NOTHING_CHANGED))
        else:
            result.done += 1
    return result
