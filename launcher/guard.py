"""Ends the processes of a launcher that was killed: `python launcher/guard.py`, told on standard input what runs.

A line "+<pid>" is a process (leader of a group of its own) to look after, "-<pid>" one that has ended. The end of the
input is the end of the launcher, however it came.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 8


def main() -> None:
    """Listen until the launcher is gone, then end whatever it has left."""
    left: set[int] = set()
    for line in sys.stdin:
        (left.add if line[0] == "+" else left.discard)(int(line[1:]))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(alive, left)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Say whether the process still runs (its launcher is gone, so nobody else's number has it in these seconds)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
