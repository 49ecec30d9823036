"""`manage.py drf_create_token USER`: the name that `create_api_token` had before, for scripts that use it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from desk import audit_log
from desk.models import User
from tickets.services.webhooks import api_tokens


class Command(BaseCommand):
    """Create a token without an expiry, as before. Keys are not stored, so an existing one cannot be shown again."""

    help = "Create an API token for a user. Use create_api_token, which also takes a name, scopes and an expiry."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("-r", "--reset", action="store_true", help="revoke the other tokens of the user")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {options['username']}.")
        if options["reset"]:
            api_tokens.revoke_all(audit_log.SYSTEM, user, "Replaced on the command line.")
        _token, key = api_tokens.issue(audit_log.SYSTEM, user, name="Command line")
        self.stdout.write(f"Generated token {key} for user {user.username}")
