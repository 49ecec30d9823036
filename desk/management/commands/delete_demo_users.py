"""`manage.py delete_demo_users`: make a real installation of a database in which the demo has run."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from desk import demo_guard


class Command(BaseCommand):
    help = "Delete the demo's users. Its conversations stay; what these users wrote stays without an author."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            users = demo_guard.demo_users()
            names = [user.username for user in users]
            for user in users:
                user.delete()
        self.stdout.write(f"Deleted: {', '.join(names)}." if names else "There are no users of the demo.")
