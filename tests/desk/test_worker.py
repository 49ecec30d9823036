"""`manage.py worker` as a process."""

import os
import shutil
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from launcher import environment as environments
from tests.migrated import DATABASE, migrated

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_worker_whose_loops_cannot_be_kept_running_ends(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What supervises it starts it again. A worker that stayed would do half of the work."""
    shutil.copy(migrated(tmp_path_factory.getbasetemp().parent), tmp_path / DATABASE)
    given = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    environment = environments.demo({**given, "DESK_DATA_DIR": str(tmp_path)}, port=1, sandbox_port=1)
    command = [sys.executable, "manage.py", "worker"]
    with Popen(command, cwd=ROOT, env=environment, stderr=PIPE, text=True) as worker:
        try:
            assert worker.stderr is not None
            for line in worker.stderr:
                if "The worker has started" in line:
                    break
            children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)  # it started first, and keeps the loops
            assert worker.wait(30) == 1
        finally:
            worker.kill()
