"""`manage.py preflight`: check an installation before it serves. `make serve` runs it before and after migrating."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from desk import demo_guard
from desk.models import User

NO_ADMINISTRATOR = (
    "There is no administrator yet. Create one, with the same settings as this process: "
    "manage.py createsuperuser (from make: .venv/bin/python manage.py createsuperuser)"
)


class Command(BaseCommand):
    help = "Refuse the demo's users, and say how the first administrator is created when there is none."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            users = demo_guard.demo_users()
            has_administrator = User.objects.filter(is_superuser=True, is_active=True).exists()
        except DatabaseError:
            return  # no tables yet
        if users:
            raise CommandError(f"{demo_guard.sentence(users)} {demo_guard.WAY_OUT}")
        if not has_administrator:
            self.stdout.write(NO_ADMINISTRATOR)
