"""`manage.py import_history`: import what was written to a Page before its channel was created."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from channels_im.models import Channel
from channels_im.services.facebook import history_requests
from channels_im.setup import history_import
from channels_im.setup.presenters import channels
from desk import audit_log
from desk.errors import Refused

ACTIONS = {"pause": history_requests.pause, "resume": history_requests.resume, "cancel": history_requests.cancel}


class Command(BaseCommand):
    help = (
        "Import the history of a channel from Facebook; the worker does it. Without an option: show how far it is. "
        "The messages come as closed tickets, not unread, and nobody is notified."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("page_id", help="Facebook's id of the channel's Page")
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--days",
            type=int,
            choices=history_requests.DAYS,
            help="start, back to so many days before the channel",
        )
        for name in ACTIONS:
            what.add_argument(f"--{name}", action="store_const", dest="action", const=name, help=f"{name} the import")

    def handle(self, *args: Any, **options: Any) -> None:
        channel = channels().filter(page__page_id=options["page_id"]).first()
        if channel is None:
            raise CommandError(f"No channel has the Page {options['page_id']}.")
        if options["days"]:
            try:
                history_requests.start(audit_log.SYSTEM, channel, options["days"])
            except Refused as refusal:
                raise CommandError(str(refusal)) from refusal
        elif options["action"] and not ACTIONS[options["action"]](audit_log.SYSTEM, channel):
            raise CommandError(f"There is no import to {options['action']}.")
        self.stdout.write(_sentence(channel))


def _sentence(channel: Channel) -> str:
    view = history_import.of(channel)
    if view.row is None:
        return f"{channel.name}: no history was imported."
    parts = [view.state, view.progress, view.counts]
    return f"{channel.name}, {view.row.days} days: {' · '.join(part for part in parts if part)}"
