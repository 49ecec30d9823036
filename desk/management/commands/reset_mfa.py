"""`manage.py reset_mfa USER`: help somebody who lost the device of their two-step login."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from desk import audit_log
from desk.accounts import mfa, sessions
from desk.models import User


class Command(BaseCommand):
    """Remove the second step and end all sessions: whoever has the device may be logged in with it."""

    help = (
        "Remove the two-step login of a user who lost their device, and log them out everywhere. They then log in with "
        "their password and set it up again. Make sure first that it is really they who ask."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the username")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            user = User.objects.select_for_update(no_key=True).filter(username=options["user"]).first()
            if user is None:
                raise CommandError(f"There is no user “{options['user']}”. Write the username as in Setup → People.")
            removed = mfa.reset(user)
            ended = sessions.end_all(user)
            if removed:
                text = "Two-step login removed with manage.py reset_mfa."
                audit_log.record(audit_log.SYSTEM, user, audit_log.Action.MFA, text)
        if not removed:
            self.stdout.write(f"{user.username} has no two-step login. Sessions ended: {ended}.")
            return
        self.stdout.write(f"The two-step login of {user.username} is removed. Sessions ended: {ended}.")
        if mfa.must_set_up(user):
            self.stdout.write("At the next login Desk asks them to set it up again (DESK_REQUIRE_MFA).")
