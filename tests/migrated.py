"""A database that is migrated once for all workers of a test run, and copied."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from launcher import environment as environments

DATABASE = "desk.sqlite3"


def migrated(folder: Path) -> Path:
    """Return the file of a migrated SQLite database in `folder`; whoever comes first makes it.

    Raises:
        subprocess.CalledProcessError: if a migration fails.
    """
    made = folder / "migrated" / DATABASE
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        if not (folder / "migrated.done").exists():
            made.parent.mkdir(exist_ok=True)
            given = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
            environment = environments.demo({**given, "DESK_DATA_DIR": str(made.parent)}, port=1, sandbox_port=1)
            command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(command, env=environment, check=True)
            (folder / "migrated.done").touch()
    return made
