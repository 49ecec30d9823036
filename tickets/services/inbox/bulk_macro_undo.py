"""Undo a run of a macro on many conversations: each in its own transaction, by the rules for a single one."""

from dataclasses import dataclass, field

from django.utils import timezone

from desk.errors import Refused
from desk.models import User
from tickets.models import MacroRun
from tickets.services.inbox import macro_undo
from tickets.services.outgoing import replies


@dataclass
class UndoneTogether:
    """In how many conversations all was put back, in how many a part, in how many nothing.

    `kept` says for each reason, in words of desk.sentences, in how many conversations something was left because of it.
    """

    name: str
    whole: int = 0
    partly: int = 0
    nothing: int = 0
    kept: dict[str, int] = field(default_factory=dict)

    def count(self, kept: list[str], *, is_any_done: bool) -> None:
        """Count a conversation in which `kept` was left, and anything else put back or not."""
        if not kept:
            self.whole += 1
        elif is_any_done:
            self.partly += 1
        else:
            self.nothing += 1
        for reason in dict.fromkeys(kept):
            self.kept[reason] = self.kept.get(reason, 0) + 1


def get_runs(user: User, client_key: str) -> list[MacroRun]:
    """Return the user's own runs with this key, as far as they can still be undone."""
    key = replies.stored_key(client_key)
    if key is None:
        return []
    runs = MacroRun.objects.select_related("conversation__contact", "conversation__channel", "macro")
    since = timezone.now() - macro_undo.UNDO_FOR
    return list(runs.filter(user=user, client_key=key, undone_at=None, created_at__gte=since).order_by("conversation"))


def undo(user: User, runs: list[MacroRun]) -> UndoneTogether:
    """Undo runs, which `get_runs` returned; one that is refused does not stop the others. Raises Refused without any.

    Each has its own transaction, so that nobody waits for the locks of all of them.
    """
    if not runs:
        raise Refused(macro_undo.TOO_LATE)
    together = UndoneTogether(runs[0].name)
    for run in runs:
        try:
            undone = macro_undo.undo(user, run)
        except Refused as refused:
            together.count([refused.sentence], is_any_done=False)
        else:
            together.count(undone.kept, is_any_done=bool(undone.done))
    return together
