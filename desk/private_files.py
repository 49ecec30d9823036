"""Keep other users of the machine out of the SQLite database and the files that customers and agents sent."""

from contextlib import suppress
from pathlib import Path

from django.conf import settings

OTHERS = 0o007  # the permissions of everybody who is neither the owner nor in the group


def close_to_others() -> None:
    """Take the permissions of others from the SQLite database, and from the media folder, which is made when missing.

    SQLite gives the files beside a database the permissions of the database. What belongs to another user stays as it
    is: who set that up knows who shall read it.
    """
    paths = []
    if not settings.DESK_FILES_URL:
        paths.append(Path(settings.MEDIA_ROOT))
        with suppress(OSError):
            paths[0].mkdir(exist_ok=True)
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        paths += [Path(f"{database['NAME']}{suffix}") for suffix in ("", "-wal", "-shm")]
    for path in paths:
        with suppress(OSError):
            mode = path.stat().st_mode & 0o7777
            if mode & OTHERS:
                path.chmod(mode & ~OTHERS)
