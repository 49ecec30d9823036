"""`manage.py disable_demo_users`: make a real installation of a database in which the demo has run."""

import shutil
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from desk import demo_guard


class Command(BaseCommand):
    """Deactivate the users and take their password, rights and API tokens. They stay, so history keeps its names."""

    help = "Disable the demo's users and remove the demo's mark from the data folder. Stop make run first."

    def handle(self, *args: Any, **options: Any) -> None:
        if demo_guard.demo_users():
            # Whoever has a demo of an older version is told to run this before anything migrates its database.
            call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            users = demo_guard.demo_users()
            for user in users:
                user.set_unusable_password()
                user.is_active = user.is_staff = user.is_superuser = False
                user.email = ""
                user.save()
                user.groups.clear()
                user.user_permissions.clear()
        (settings.DATA_DIR / "demo").unlink(missing_ok=True)
        shutil.rmtree(settings.DATA_DIR / "sandbox", ignore_errors=True)
        names = ", ".join(user.username for user in users)
        self.stdout.write(f"Disabled: {names}." if names else "There are no users of the demo.")
