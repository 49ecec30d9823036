"""What the worker looks for by itself, so that no row waits for a nudge that was lost. Apps register in `ready()`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from desk.queue import enqueue

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WaitingRows:
    """One kind of waiting rows. `due` says cheaply whether there are any, `task` is the dotted name that takes them.

    `reclaim` tidies up, above all takes back what a worker that died had claimed, and returns how many rows that were.
    Rows that nobody has to take, but that grow old, have a `reclaim` alone.
    """

    name: str
    due: Callable[[], bool] | None = None
    task: str = ""
    reclaim: Callable[[], int] | None = None


_registered: dict[str, WaitingRows] = {}


def register(
    name: str, due: Callable[[], bool] | None = None, task: str = "", reclaim: Callable[[], int] | None = None
) -> None:
    """Let the worker look after a kind of rows: `due` each second, `reclaim` each DESK_SWEEP_SECONDS."""
    _registered[name] = WaitingRows(name, due, task, reclaim)


def registered() -> tuple[WaitingRows, ...]:
    """Return all that is looked after."""
    return tuple(_registered.values())


def enqueue_due() -> list[str]:
    """Nudge the task of everything that is due; return the names. One look that fails does not stop the others."""
    return [drain.name for drain in registered() if _guarded(drain, _enqueue_if_due)]


def reclaim() -> int:
    """Tidy up everywhere; return how many rows that touched."""
    return sum(_guarded(drain, _reclaim_one) for drain in registered())


def _guarded(drain: WaitingRows, act: Callable[[WaitingRows], int]) -> int:
    try:
        return act(drain)
    except Exception:
        logger.exception("Looking after %s failed", drain.name)
        return 0


def _enqueue_if_due(drain: WaitingRows) -> int:
    if drain.due is None or not drain.due():
        return 0
    enqueue(drain.task)
    return 1


def _reclaim_one(drain: WaitingRows) -> int:
    count = drain.reclaim() if drain.reclaim else 0
    if count:
        logger.info("%s: %s rows swept", drain.name, count)
    return count
