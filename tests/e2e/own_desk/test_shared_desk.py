"""A process of the shared Desk that exits fails one test with its output, not all later tests."""

import sys
from collections.abc import Callable

import pytest

from tests.e2e.processes import RunningDesk
from tests.e2e.shared import SharedDesk

pytestmark = [pytest.mark.processes, pytest.mark.slow]
DIES = "import sys; print('I cannot go on', flush=True); sys.exit(3)"
LIVES = "import time; time.sleep(600)"


@pytest.fixture
def start(new_desk: Callable[..., RunningDesk]) -> Callable[[], RunningDesk]:
    """Return a function that starts a Desk; the web process of the first one exits at once."""
    codes = iter([DIES, LIVES])

    def start() -> RunningDesk:
        desk = new_desk()
        desk.processes.start("web", [sys.executable, "-c", next(codes)])
        return desk

    return start


def test_a_process_that_exits_fails_one_test_with_its_output_and_the_next_gets_a_new_desk(
    start: Callable[[], RunningDesk],
) -> None:
    shared = SharedDesk(start)
    first = shared.get()
    first.processes.running["web"].wait(30)
    with pytest.raises(pytest.fail.Exception, match=r"web exited: exit code 3\.(.|\n)*I cannot go on"):
        shared.fail_if_exited()
    second = shared.get()
    assert second is not first
    assert shared.get() is second
    shared.stop()


def fail() -> None:
    raise ValueError("not today")


def add(first: int, second: int) -> int:
    print("This is no answer")  # noqa: T201 - a function may print
    return first + second


def test_a_function_that_fails_in_desk_fails_the_test_and_the_next_call_works(
    new_desk: Callable[..., RunningDesk],
) -> None:
    desk = new_desk()
    with pytest.raises(AssertionError, match="ValueError: not today"):
        desk.call(fail)
    assert desk.call(add, 1, second=2) == 3
