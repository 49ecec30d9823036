"""What several tests of Desk's own parts share."""

import shutil
from types import SimpleNamespace

import pytest

from desk import health
from tests.desk.bucket import bucket, s3, s3_client, server  # noqa: F401 - fixtures

GIB = 1024**3


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The disk of a machine with enough space, whatever the machine of this test has; `free` may be changed."""
    usage = SimpleNamespace(total=500 * GIB, used=400 * GIB, free=100 * GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    return usage


@pytest.fixture
def healthy(db: None, disk: SimpleNamespace) -> None:
    """A worker that runs, and enough space."""
    health.record_heartbeat()
