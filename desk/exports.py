"""Let each web process make few exports at once. An export takes a thread until its file is complete.

Without a limit somebody who asks for many at the same time takes all threads, and nobody else gets an answer.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from desk.errors import Refused
from desk.sentences import sentence

BUSY = sentence("Too many exports are being made at this moment. Try again in a minute.")
RETRY_AFTER_S = 10
_lock = threading.Lock()
_by_user: Counter[int] = Counter()


class BusyError(Refused):
    """As many exports as allowed are being made already."""


def most() -> int:
    """Return how many exports this process makes at once: for a third of its threads."""
    return max(1, settings.DESK_WEB_THREADS // 3)


def most_of_one_user() -> int:
    """Return how many of them are of one user: all but one, which is left for others."""
    return max(1, most() - 1)


@contextmanager
def turn(user_id: int) -> Iterator[None]:
    """Make one export of this user inside. Raises BusyError when there are too many already."""
    with _lock:
        if _by_user.total() >= most() or _by_user[user_id] >= most_of_one_user():
            raise BusyError(BUSY)
        _by_user[user_id] += 1
    try:
        yield
    finally:
        with _lock:
            _by_user[user_id] -= 1
            if not _by_user[user_id]:
                del _by_user[user_id]
