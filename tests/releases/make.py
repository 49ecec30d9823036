"""Store the database of a release: `python -m tests.releases.make`, before its version number changes.

Needs DATABASE_URL of a PostgreSQL server, and its program pg_dump. Writes tests/releases/VERSION/: both databases, and
what they hold. Like migrations, these files never change.
"""

import json
import lzma
import os
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django

from desk import __version__
from tests.e2e.databases import new_postgresql
from tests.e2e.processes import RunningDesk
from tests.migrated import DATABASE
from tests.sandbox.process import BERG_BIKES

FOLDER = Path(__file__).parent
KEY = "the-secret-key-of-stored-databases-0123456789-abcdefghijklmnopqrstuvwxyz"


def prepared_desk(folder: Path, **settings: str) -> RunningDesk:
    """Return a Desk in `folder` that decrypts what a stored database holds."""
    (folder / "secret-key").write_text(KEY)
    return RunningDesk(folder, **settings)


def make(folder: Path, **settings: str) -> dict[str, Any]:
    """Let Desk run with the demo and some traffic, fill what is still empty, and return what the database holds."""
    from tests import factories  # these three need Django's models, which `main` sets up
    from tests.releases import contents, week

    desk = prepared_desk(folder, **settings)
    try:
        desk.start_all(demo_data=True)
        for number in range(30):
            customer = desk.sandbox.add_customer("Customer", f"{number}")
            for text in ("Hello", "Is my bike ready? 🚲", "مرحبا"):
                desk.sandbox.customer_writes(customer["id"], BERG_BIKES, text)
        desk.sandbox.customer_sends_file("tom", BERG_BIKES, "bike.png", factories.png(), "image/png")
        desk.sandbox.customer_reads("tom", BERG_BIKES)
        desk.wait_until_drained()
        desk.processes.stop()
        token = desk.call(week.fill)
        at = datetime.now(UTC).isoformat()
        return {"token": token, "at": at, **desk.call(contents.read, token, at)}
    finally:
        desk.stop()


def main() -> None:
    """Write the files of this version."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    server = os.environ.pop("DATABASE_URL")  # not for the first Desk
    django.setup()
    target = FOLDER / __version__
    target.mkdir()
    with tempfile.TemporaryDirectory() as name:
        held = make(Path(name))
        packed = Path(name) / "packed"
        with closing(sqlite3.connect(Path(name) / DATABASE)) as connection:
            connection.execute("VACUUM INTO ?", (str(packed),))
        write(target / "sqlite", packed.read_bytes(), held)
    with tempfile.TemporaryDirectory() as name, new_postgresql(server) as url:
        held = make(Path(name), DATABASE_URL=url)
        dump = ["pg_dump", "--no-owner", "--no-privileges", "--rows-per-insert=200", url]
        write(target / "postgresql", subprocess.run(dump, check=True, capture_output=True).stdout, held)


def write(path: Path, database: bytes, held: dict[str, Any]) -> None:
    """Write the database, and next to it what it holds."""
    path.with_suffix(".xz").write_bytes(lzma.compress(database, preset=9))
    path.with_suffix(".json.xz").write_bytes(lzma.compress(json.dumps(held, sort_keys=True).encode(), preset=9))


if __name__ == "__main__":
    main()
