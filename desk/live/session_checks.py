"""Check sessions for their open streams: one check serves all streams of a session."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from asgiref.sync import sync_to_async

Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Login(Generic[Facts]):
    """Who is logged in with a session, the facts that decide what they may see, and the language they chose, if any."""

    user_id: int
    facts: Facts
    language: str = ""


@dataclass(frozen=True)
class Check(Generic[Facts]):
    """A check that began at `began` (`time.monotonic()`); its result is None when nobody is logged in."""

    began: float
    result: "asyncio.Task[Login[Facts] | None]"


class SessionChecks(Generic[Facts]):
    """Ask `load(session_key)`, in a thread, who is logged in."""

    def __init__(self, load: Callable[[str], Login[Facts] | None]) -> None:
        self._load = load
        self._newest: dict[str, Check[Facts]] = {}
        self._users: Counter[str] = Counter()

    @contextmanager
    def used(self, session_key: str) -> Iterator[None]:
        """Remember the newest check of a session as long as somebody uses it."""
        self._users[session_key] += 1
        try:
            yield
        finally:
            self._users[session_key] -= 1
            if not self._users[session_key]:
                del self._users[session_key]
                self._newest.pop(session_key, None)

    async def check(self, session_key: str, not_before: float) -> tuple[float, Login[Facts] | None]:
        """Return when a check began, at `not_before` (`time.monotonic()`) or later, and its result.

        A check of another stream counts as well. Raises django.db.DatabaseError while the database is away; a failed
        check is not remembered.
        """
        check = self._newest.get(session_key)
        if check is None or check.began < not_before:
            check = Check(time.monotonic(), asyncio.create_task(self._run(session_key)))
            self._newest[session_key] = check
        try:
            return check.began, await asyncio.shield(check.result)
        except BaseException:
            if self._newest.get(session_key) is check and check.result.done():
                del self._newest[session_key]
            raise

    async def _run(self, session_key: str) -> Login[Facts] | None:
        return await sync_to_async(self._load)(session_key)
