"""Real processes for the tests of this folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.databases import new_postgresql
from tests.e2e.stage import Desk


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker of pytest-xdist do all tests of a file: they share their processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture(scope="module")
def new_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Desk]]:
    """Return a function that makes a Desk, not yet started, on the kind of database the test run is for."""
    with ExitStack() as stack:

        def make(directory: Path | None = None, **settings: str) -> Desk:
            server = os.environ.get("DATABASE_URL", "")
            if server.startswith("postgres"):
                settings.setdefault("DATABASE_URL", stack.enter_context(new_postgresql(server)))
            if redis := os.environ.get("REDIS_URL"):
                settings.setdefault("REDIS_URL", redis)
            desk = Desk(directory or tmp_path_factory.mktemp("desk"), **settings)
            stack.callback(desk.stop)
            return desk

        yield make


@pytest.fixture(scope="module")
def demo(new_desk: Callable[..., Desk]) -> Desk:
    """Desk with demo data and sandbox, running."""
    desk = new_desk()
    desk.start_all(demo_data=True)
    return desk
