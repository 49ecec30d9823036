"""The settings of the test suite: those of the project, read from an environment of known values."""

import os
import tempfile
from urllib.parse import urlsplit

# The shell chooses only the services (DATABASE_URL, REDIS_URL), so that tests give the same result everywhere.
OURS = ("DESK_", "META_", "EMAIL_", "SANDBOX_")
for name in [name for name in os.environ if name.startswith(OURS) or name in {"PORT", "WEB_CONCURRENCY"}]:
    del os.environ[name]
os.environ |= {
    "DESK_SECRET_KEY": "a-secret-key-only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DESK_DATA_DIR": tempfile.mkdtemp(prefix="desk-tests-"),
    "META_APP_ID": "100000000000001",
    "META_APP_SECRET": "sandbox-app-secret",
    "META_VERIFY_TOKEN": "sandbox-verify-token",
    "EMAIL_URL": "memorymail://",
    "DESK_METRICS_TOKEN": "a-token-for-the-tests",
}
if os.environ.get("REDIS_URL"):
    # Each worker of pytest-xdist has a Redis database of its own (1, 2 …), which it can empty.
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
    os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{number}").geturl()

from desk.settings import *  # noqa: E402, F403 - the environment must be set first; all settings are imported

STORAGES = {
    "default": {"BACKEND": "desk.storage.FileStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast: nearly every test creates users
if not os.environ.get("REDIS_URL"):
    # Tests without a database count too. tests/desk/accounts/test_login_limit.py uses the cache of a real installation.
    CACHES = {**CACHES, "default": CACHES["api"]}  # noqa: F405
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    # A file, not memory: threads and processes then share it and lock it as in production.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
    # FULL waits for the disk, which only a power cut makes necessary. Processes under test use the real settings.
    options = DATABASES["default"]["OPTIONS"]  # noqa: F405
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
# Queue in the database, where tests can read the rows. Real processes (tests/e2e) use Redis when REDIS_URL is set.
Q_CLUSTER.pop("redis", None)  # noqa: F405
Q_CLUSTER["orm"] = "default"  # noqa: F405
MAIL_GATHER_SECONDS = 0  # send at once: tests read e-mails right after their cause
