"""The project's own settings, with what a test run needs said in the environment before they are read."""

import os
import tempfile
from urllib.parse import urlsplit

DEFAULTS = {
    "DESK_SECRET_KEY": "a-secret-key-only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DESK_DATA_DIR": tempfile.mkdtemp(prefix="desk-tests-"),
    "META_APP_ID": "100000000000001",
    "META_APP_SECRET": "sandbox-app-secret",
    "META_VERIFY_TOKEN": "sandbox-verify-token",
    "META_GRAPH_URL": "https://graph.facebook.com",
    "META_DIALOG_URL": "https://www.facebook.com",
}
for name, value in DEFAULTS.items():
    os.environ.setdefault(name, value)
if os.environ.get("REDIS_URL"):
    # each worker of pytest-xdist has a Redis database of its own (1, 2 …): one empties it, the others keep theirs
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
    os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{number}").geturl()

from desk.settings import *  # noqa: E402, F403 - the environment must be set first; settings are taken over whole

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed: users are made in nearly every test
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    # a file and not memory: only then do threads and processes meet as they do in production
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
    # no test cuts the power: what FULL waits for is the disk (processes under test run with the real settings)
    options = DATABASES["default"]["OPTIONS"]  # noqa: F405
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
# Tests look at what is queued: rows are easy to look at. Real processes (tests/e2e) queue in Redis when there is one.
Q_CLUSTER = {name: value for name, value in Q_CLUSTER.items() if name != "redis"} | {"orm": "default"}  # noqa: F405
MAIL_GATHER_SECONDS = 0  # e-mails are looked at right after their cause
