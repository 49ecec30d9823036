#!/usr/bin/env python
"""Run Django's management commands for Desk."""

import os
import platform
import sys


def main() -> None:
    """Run the command, or exit with the reason when a required setting is missing."""
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
    execute_from_command_line(sys.argv)


def print_version() -> None:
    """Print the versions of Desk, Django and Python, before Django's own `version` command prints only Django's."""
    import django

    from desk import __version__

    sys.stdout.write(f"Desk {__version__} (Django {django.get_version()}, Python {platform.python_version()})\n")


if __name__ == "__main__":
    main()
