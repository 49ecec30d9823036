"""`manage.py loadtest` drives a running Desk, says how long everything takes, and removes what it left."""

import re
import subprocess
import sys

import pytest

from launcher.environment import ROOT
from tests.e2e import data
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def loadtest(desk: RunningDesk, *arguments: str) -> str:
    """Run the command with the settings of this Desk and return what it prints. Fails when its exit code is not 0."""
    command = [sys.executable, "manage.py", "loadtest", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=desk.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_message_is_answered_stored_and_shown_and_all_is_removed(demo: RunningDesk) -> None:
    before = demo.call(data.count_contacts)
    printed = loadtest(demo, "--rate", "20", "--seconds", "1.5", "--customers", "15")
    for name, number in (("ack", 30), ("stored", 30), ("shown", 20)):  # ten of fifteen customers are open on a page
        found = re.search(
            rf"^{name} +p50 +([\d.]+) ms +p95 +([\d.]+) ms +p99 +([\d.]+) ms +of {number}$", printed, re.M
        )
        assert found, printed
        assert 0 < float(found[1]) <= float(found[2]) <= float(found[3])
    assert demo.call(data.count_contacts) == before + 15
    demo.wait_until_drained()
    assert loadtest(demo, "--clean-up") == "15 customers and 30 deliveries of load tests removed.\n"
    assert demo.call(data.count_contacts) == before
