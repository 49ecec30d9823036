"""One running Desk for all tests of a pytest worker that can share it."""

from collections.abc import Callable

import pytest

from tests.e2e.processes import RunningDesk


class SharedDesk:
    """Starts a Desk when a test first asks for it, and a fresh one after a process of the last one has ended."""

    def __init__(self, start: Callable[[], RunningDesk]) -> None:
        self._start = start
        self._desk: RunningDesk | None = None

    def get(self) -> RunningDesk:
        """Return the running Desk. Fail the test when a process of it has ended: the next test gets a fresh one."""
        self.fail_if_ended()
        if self._desk is None:
            self._desk = self._start()
        return self._desk

    def fail_if_ended(self) -> None:
        """Fail the test with the output of the processes when one of them has ended by itself."""
        desk = self._desk
        if desk is not None and (ended := desk.processes.exited()):
            self.stop()
            pytest.fail(f"Of the Desk that the tests of this worker share: {ended}\n{desk.end_of_log()}", pytrace=False)

    def stop(self) -> None:
        """End the processes, if any run."""
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.stop()
