"""`manage.py preflight`: check an installation before it serves. `make serve` runs it before and after migrating."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from desk import demo_guard, mail, private_files
from desk.backup import storage_files
from desk.backup.interrupted import INTERRUPTED
from desk.models import User

NO_ADMINISTRATOR = (
    "There is no administrator yet. Create one, with the same settings as this process: "
    ".venv/bin/python manage.py createsuperuser"
)


class Command(BaseCommand):
    """Fail with a sentence, and exit code 1, when the installation must not be served."""

    help = "Refuse the demo's users and printed e-mail; say how the first administrator is created when there is none."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--before-migrate", action="store_true", help="check for the demo only: tables may be missing or old"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            was_interrupted = storage_files.storage().restore_was_interrupted()
        except OSError as error:
            raise CommandError(f"The storage for files does not answer. Check DESK_FILES_URL. ({error})") from None
        if was_interrupted:
            raise CommandError(INTERRUPTED)
        if users := demo_guard.demo_users():
            raise CommandError(f"{demo_guard.sentence(users)} {demo_guard.WAY_OUT}")
        if sentence := mail.unsuitable():
            raise CommandError(sentence)
        private_files.close_to_others()
        if options["before_migrate"]:
            return
        if not User.objects.filter(is_superuser=True, is_active=True).exists():
            self.stdout.write(NO_ADMINISTRATOR)
