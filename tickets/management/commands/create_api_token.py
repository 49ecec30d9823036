"""`manage.py create_api_token USER`: create an API token without a browser."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from desk import audit_log
from desk.errors import Refused
from desk.models import User
from tickets.services.webhooks import api_tokens


class Command(BaseCommand):
    """Create a token for an active user and print its key, which cannot be read again."""

    help = "Create an API token for a user and print its key. It is shown only now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="Command line", help="what the token is for")
        parser.add_argument(
            "--scope", action="append", choices=api_tokens.ALL_SCOPES, help="may be repeated; default: all"
        )
        days = parser.add_mutually_exclusive_group()
        days.add_argument("--days", type=int, default=api_tokens.DEFAULT_DAYS, help="default: %(default)s")
        days.add_argument("--no-expiry", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {options['username']}.")
        try:
            expires_at = None if options["no_expiry"] else timezone.now() + timedelta(days=options["days"])
            _token, key = api_tokens.issue(
                audit_log.SYSTEM,
                user,
                name=options["name"],
                scopes=options["scope"] or api_tokens.ALL_SCOPES,
                expires_at=expires_at,
            )
        except OverflowError:
            raise CommandError("--days is too large. Use --no-expiry for a token that does not expire.") from None
        except Refused as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(key)
