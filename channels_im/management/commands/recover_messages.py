"""`manage.py recover_messages`: look for messages of customers that Facebook did not deliver."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from channels_im.models import Channel
from channels_im.services.facebook import recovery_requests

MAX_DAYS = 90


class Command(BaseCommand):
    help = "Request the recovery of missed messages; the worker does it. Setup → Health shows what was found."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("page_ids", nargs="*", help="Facebook's ids of the Pages; without any: all active channels")
        parser.add_argument("--days", type=int, default=7, help=f"how far to look back, 1 to {MAX_DAYS} (default: 7)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= MAX_DAYS:
            raise CommandError(f"--days is a number from 1 to {MAX_DAYS}.")
        channels = Channel.objects.existing().filter(is_active=True).select_related("page").order_by("pk")
        if options["page_ids"]:
            channels = channels.filter(page__page_id__in=options["page_ids"])
            unknown = set(options["page_ids"]) - {channel.page.page_id for channel in channels}
            if unknown:
                raise CommandError(f"No active channel has the Page {', '.join(sorted(unknown))}.")
        for channel in channels:
            recovery_requests.request_on_demand(channel.page, timedelta(days=options["days"]))
            waits = "" if channel.page.is_connected else " It begins when the Page is re-authenticated."
            self.stdout.write(f"{channel.name} ({channel.page.page_id}): requested.{waits}")
        if not channels:
            self.stdout.write("There is no active channel.")
