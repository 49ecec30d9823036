#!/usr/bin/env python
"""Run Django's management commands for Desk."""

import os
import platform
import sys


def main() -> None:
    """Run the command, or exit with the reason when a setting is wrong or the database cannot be reached."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
    if sys.argv[1:] in (["version"], ["--version"]):
        print_version()
        return
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        _ = settings.INSTALLED_APPS
    except ImproperlyConfigured as error:
        # Django would continue without its apps, and some commands would fail with a misleading error.
        sys.exit(str(error))

    from django.db import OperationalError, connection

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if connection.connection is not None or "--traceback" in sys.argv:
            raise  # connected: a statement failed
        reason = " ".join(str(error).split())
        sys.exit(f"The database cannot be reached. Check DATABASE_URL, and that its server is running. ({reason})")


def print_version() -> None:
    """Print the versions of Desk, Django and Python, before Django's own `version` command prints only Django's."""
    import django

    from desk import __version__

    sys.stdout.write(f"Desk {__version__} (Django {django.get_version()}, Python {platform.python_version()})\n")


if __name__ == "__main__":
    main()
