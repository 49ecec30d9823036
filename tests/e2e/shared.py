"""One running Desk for all tests of a pytest worker that can share it."""

from collections.abc import Callable

import pytest

from tests.e2e.processes import RunningDesk


class SharedDesk:
    """Starts a Desk when a test first asks for it, and a new one after one of its processes has exited."""

    def __init__(self, start: Callable[[], RunningDesk]) -> None:
        self._start = start
        self._desk: RunningDesk | None = None

    def get(self) -> RunningDesk:
        """Return the running Desk. If one of its processes has exited, fail the test; the next test gets a new Desk."""
        self.fail_if_exited()
        if self._desk is None:
            self._desk = self._start()
        return self._desk

    def fail_if_exited(self) -> None:
        """Fail the test with the output of the processes when one of them has exited."""
        desk = self._desk
        if desk is not None and (exited := desk.processes.exited()):
            self.stop()
            pytest.fail(f"The Desk that the tests of this worker share: {exited}\n{desk.end_of_log()}", pytrace=False)

    def stop(self) -> None:
        """Stop the processes, if any run."""
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.stop()
