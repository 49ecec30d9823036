"""The marks in the data folder: which `make run` uses it now, and that the demo has used it."""

import fcntl
import os
import shutil
from pathlib import Path
from typing import IO

from launcher.errors import CannotStart

LOCK, DEMO_MARK, METRICS = "run.lock", "demo", "metrics"


def lock_for_demo(folder: Path, port: int) -> IO[str]:
    """Return a lock on the folder; it ends with this process, however that ends.

    Raise CannotStart when another `make run` holds it, with the port of that one, and when the folder is not writable.
    """
    try:
        file = os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise CannotStart(
            f"The data folder {folder} cannot be used ({error.strerror}). Choose another one: DESK_DATA_DIR=…"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = file.read().strip() or "unknown"
        file.close()
        raise CannotStart(
            f"Another make run uses the data folder {folder}; it listens on port {other}. Use that one, stop it "
            "first, or choose another folder: make run DESK_DATA_DIR=…"
        ) from None
    except OSError:
        pass  # a file system without locks: nothing can be said
    file.truncate(0)
    file.write(f"{port}\n")
    file.flush()
    return file


def clear_metrics(folder: Path) -> None:
    """Delete what earlier processes measured (desk.metrics): no process runs now."""
    shutil.rmtree(folder / METRICS, ignore_errors=True)


def mark_as_demo(folder: Path) -> None:
    """Write down that the demo's data are in this folder."""
    (folder / DEMO_MARK).write_text("This folder belongs to the demo (make run). make serve refuses it.\n")


def refuse_demo(folder: Path) -> None:
    """Raise CannotStart when the demo's data are in this folder."""
    if (folder / DEMO_MARK).exists() or (folder / "sandbox").is_dir():  # the second: a demo of version 1.0.0
        raise CannotStart(
            f"The data folder {folder} belongs to the demo (make run): its users have a password that everybody knows. "
            "Choose an empty one for the real installation: DESK_DATA_DIR=/var/lib/desk make serve. To keep what is in "
            "it, disable those users first: .venv/bin/python manage.py disable_demo_users"
        )
