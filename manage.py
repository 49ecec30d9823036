#!/usr/bin/env python
"""Run Django's management commands for Desk."""

import os
import sys


def main() -> None:
    """Run the command, or exit with the reason when a required setting is missing."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        _ = settings.INSTALLED_APPS
    except ImproperlyConfigured as error:
        # Django would continue without its apps, and some commands would fail with a misleading error.
        sys.exit(str(error))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
