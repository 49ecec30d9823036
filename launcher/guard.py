"""Stop the processes of a launcher that was killed.

The launcher starts `python launcher/guard.py` and writes to its standard input: "+<pid>" for each process that it
starts (the leader of a process group), "-<pid>" for each that exited. The input ends when the launcher exits.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 8


def main() -> None:
    """Read until the launcher exits, then stop the processes that it left running."""
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
    """Return whether the process still runs. (A pid is not reused within these few seconds.)"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
