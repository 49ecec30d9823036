"""Released migrations never change: databases have run them as they were.

A new migration is added to tests/frozen_migrations.json with: python -m tests.test_frozen_migrations
"""

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FROZEN = ROOT / "tests" / "frozen_migrations.json"
APPS = ("desk", "channels_im", "tickets")


def digests() -> dict[str, str]:
    """Return the SHA-256 of every migration by its path."""
    files = (file for app in APPS for file in (ROOT / app / "migrations").glob("[0-9]*.py"))
    return {str(file.relative_to(ROOT)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def test_no_released_migration_was_changed_or_removed() -> None:
    frozen, now = json.loads(FROZEN.read_text()), digests()
    assert {name: now.get(name) for name in frozen} == frozen, "add a new migration instead of changing a released one"


def test_every_migration_is_frozen() -> None:
    frozen = json.loads(FROZEN.read_text())
    assert digests().keys() - frozen.keys() == set(), "run: python -m tests.test_frozen_migrations"


def freeze() -> None:
    """Add the digests of new migrations; those that are there stay as they are."""
    frozen = json.loads(FROZEN.read_text()) if FROZEN.exists() else {}
    FROZEN.write_text(json.dumps(digests() | frozen, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    freeze()
