"""What Desk measures, for `/metrics` (desk.metrics_page).

Every process writes its counters and histograms into its own files in DATA_DIR/metrics (prometheus_client's format),
which the process that answers `/metrics` adds up. Files of processes that exited are merged into one, so that the sums
never go back and the number of files stays small. Depths and ages of queues are read from the database instead.

Nothing is measured unless `/metrics` is switched on, and a measurement that fails disturbs nothing. Labels take their
values from short lists in the code, never ids.
"""

import fcntl
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import prometheus_client
from django.conf import settings
from prometheus_client import CollectorRegistry, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

FOLDER = Path(settings.METRICS_DIR)
KINDS = ("counter", "histogram")
FILE_BYTES = 65_536  # the size with which prometheus_client creates a file; ours stay far below
MERGED = "merged"
#: A process on another machine, or in another container, that wrote nothing for so long has exited.
FOREIGN_DEAD_AFTER_S = 86_400
#: A stream pings every 15 seconds, and writes then how many there are.
STREAMS_LATE_AFTER_S = 45
STREAMS_WRITE_EVERY_S = 5
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

_host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:60] or "host"
_registry = CollectorRegistry()  # holds the metrics of this process; what is answered is read from the files


def is_on() -> bool:
    """Return whether `/metrics` is switched on."""
    return bool(settings.DESK_METRICS_TOKEN or settings.DESK_METRICS_ALLOW)


# --- Files of this process --------------------------------------------------------------------------------------------
_prepared: list[str] = []


def _process() -> str:
    """Return the name of this process in its file names. Allocates the files when it is new, also after a fork.

    prometheus_client would make files with holes, and a write into a hole kills the process when the disk is full.
    """
    name = f"{_host}.{os.getpid()}"
    if _prepared[-1:] != [name]:
        for kind in KINDS:
            _allocate(FOLDER / f"{kind}_{name}.db")
        _prepared[:] = [name]
    return name


def _allocate(path: Path) -> None:
    with path.open("ab") as file:
        missing = FILE_BYTES - file.tell()
        if missing > 0:
            file.write(b"\0" * missing)


def _guarded(measure: Callable[[], object]) -> None:
    try:
        measure()
    except Exception:
        logger.debug("A measurement could not be recorded", exc_info=True)


class Counter:
    """A count with at most one label; without a place to write it to it counts nothing."""

    def __init__(self, name: str, text: str, label: str = "") -> None:
        self._label = label
        self._make = lambda: prometheus_client.Counter(name, text, [label] if label else [], registry=_registry)
        self._counter: prometheus_client.Counter | None = None

    def add(self, value: str = "") -> None:
        """Add one to the count, of this value of the label."""
        if is_on():
            _guarded(lambda: self._add(value))

    def _add(self, value: str) -> None:
        self._counter = self._counter or self._make()
        (self._counter.labels(value) if self._label else self._counter).inc()


class Histogram:
    """A distribution of times in seconds."""

    def __init__(self, name: str, text: str) -> None:
        self._make = lambda: prometheus_client.Histogram(name, text, registry=_registry, buckets=SECONDS)
        self._histogram: prometheus_client.Histogram | None = None

    def observe(self, seconds: float) -> None:
        """Record one time."""
        if is_on():
            _guarded(lambda: self._observe(seconds))

    def _observe(self, seconds: float) -> None:
        self._histogram = self._histogram or self._make()
        self._histogram.observe(max(0.0, seconds))


if is_on():
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(FOLDER)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        values.ValueClass = values.MultiProcessValue(_process)

WEBHOOK_ANSWERS = Counter("desk_webhook_answers", "Answers to webhook POSTs of Meta", "code")
STORED = Histogram("desk_webhook_stored_seconds", "From the request with a delivery to its commit in the journal")
SHOWN = Histogram("desk_webhook_shown_seconds", "From receiving a delivery to announcing its messages to open pages")
SENDS = Counter("desk_sends", "Attempts to send a message by outcome", "outcome")
META_ERRORS = Counter("desk_meta_errors", "Failed calls to Meta by kind", "kind")
MAILS = Counter("desk_mails", "E-mails to administrators by outcome", "outcome")
PUSHES = Counter("desk_pushes", "Notifications to browsers by outcome", "outcome")
REMINDERS = Counter("desk_reminders", "E-mails to agents, about customers who wait and the like, by outcome", "outcome")


# --- Open streams -----------------------------------------------------------------------------------------------------
_streams_written: list[tuple[int, float]] = [(0, float("-inf"))]


def record_open_streams(count: int) -> None:
    """Record how many live streams this process has open. Call it on each change and at each ping."""
    known, at = _streams_written[0]
    now = time.monotonic()
    if is_on() and (count != known or now - at > STREAMS_WRITE_EVERY_S):
        _streams_written[0] = (count, now)
        _guarded(lambda: (FOLDER / f"streams_{_host}.{os.getpid()}").write_text(str(count)))


def open_streams() -> int:
    """Return how many live streams are open in all processes; one that exited is not counted after 45 seconds."""
    total = 0
    for path in FOLDER.glob("streams_*"):
        with suppress(OSError, ValueError):
            name = path.name.removeprefix("streams_")
            if time.time() - path.stat().st_mtime > STREAMS_LATE_AFTER_S or not _is_alive(name, path):
                path.unlink()
            else:
                total += int(path.read_text())
    return total


# --- All processes ----------------------------------------------------------------------------------------------------
@contextmanager
def all_processes() -> Iterator[MultiProcessCollector]:
    """Yield a collector of the counters and histograms of all processes. Merges the files of those that exited."""
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for kind in KINDS:
            _merge_dead(kind)
        yield MultiProcessCollector(None, path=str(FOLDER))


def _merge_dead(kind: str) -> None:
    merged = FOLDER / f"{kind}_{MERGED}.db"
    dead = [path for path in FOLDER.glob(f"{kind}_*.db") if path != merged and not _is_alive(_process_of(path), path)]
    if not dead:
        return
    _allocate(merged)
    total = MmapedDict(str(merged))
    try:
        for path in dead:
            for key, value, _timestamp, _position in MmapedDict.read_all_values_from_file(str(path)):
                total.write_value(key, total.read_value(key)[0] + value, 0.0)
            path.unlink()
    finally:
        total.close()


def _process_of(path: Path) -> str:
    return path.stem.split("_", 1)[1]


def _is_alive(process: str, path: Path) -> bool:
    host, _dot, pid = process.rpartition(".")
    if host != _host or not pid.isdecimal():
        return time.time() - path.stat().st_mtime < FOREIGN_DEAD_AFTER_S
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
