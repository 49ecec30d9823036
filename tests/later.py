"""A plugin: run the tests as if today were DAYS_LATER days later, with `pytest -p tests.later`.

A test that depends on the day of its run fails then, before the day comes. Tests with real processes run as they are:
the clock of a process is the machine's.
"""

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

DAYS = float(os.environ.get("DAYS_LATER", "400"))
MACHINE_CLOCK = ("processes", "browser", "machine_clock")  # markers


@pytest.fixture(autouse=True)
def _later(request: pytest.FixtureRequest) -> Iterator[None]:
    if any(map(request.node.get_closest_marker, MACHINE_CLOCK)):
        yield
        return
    with time_machine.travel(timedelta(days=DAYS)):
        yield
