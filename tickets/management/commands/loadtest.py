"""`manage.py loadtest`: drive a running installation with signed traffic, and say how long everything takes."""

import secrets
import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from channels_im.models import Channel
from desk.errors import Refused
from desk.models import User
from tickets.management.loadtest import customers, sending, watching
from tickets.models import Conversation

WATCHED = 10  # conversations that are open
SETTLE_SECONDS = 60
SETTLE_EVERY_S = 0.1
PERCENTILES = (50, 95, 99)


class Command(BaseCommand):
    help = (
        "Send messages of invented customers to the webhook of a running Desk, signed as Meta signs them, and print "
        "how long it takes until a delivery is answered (ack), its message is in the database (stored) and on an open "
        "page (shown). Run it where Desk runs, with the same settings. Agents see these customers, called “Load test "
        "1” and so on, until --clean-up removes them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rate", type=float, default=10, help="messages a second (%(default)s)")
        parser.add_argument("--seconds", type=float, default=30, help="length of the test (%(default)s)")
        parser.add_argument("--customers", type=int, default=50, help="customers who write in turn (%(default)s)")
        parser.add_argument("--page", default="", metavar="PAGE_ID", help="the channel's Page; default: the oldest one")
        parser.add_argument("--url", default=settings.PUBLIC_URL, help="address of Desk (%(default)s)")
        parser.add_argument("--user", help="whose pages are open; default: an administrator")
        parser.add_argument(
            "--yes-real-data", default="", metavar="CHANNEL", help="use this channel, although this is not the demo"
        )
        parser.add_argument("--clean-up", action="store_true", help="only remove the customers of all load tests")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["clean_up"]:
                contacts, deliveries = customers.remove()
                self.stdout.write(f"{contacts} customers and {deliveries} deliveries of load tests removed.")
            elif not self._test(options):
                sys.exit(1)
        except Refused as refused:
            raise CommandError(str(refused)) from None

    def _test(self, options: dict[str, Any]) -> bool:
        """Run the test; return whether every message was accepted, stored and shown."""
        if not (0 < options["rate"] <= 10_000 and options["seconds"] > 0 and 0 < options["customers"] <= 10_000):
            raise CommandError("--rate is up to 10,000 a second; --seconds and --customers are above 0.")
        if not settings.META_APP_SECRET:
            raise CommandError("META_APP_SECRET is not set: nothing can be signed.")
        if urlsplit(options["url"]).scheme not in ("http", "https"):
            raise CommandError("--url is an address that begins with http:// or https://.")
        channel = customers.channel_for(options["page"], options["yes_real_data"])
        user = _user(options["user"])
        conversations = customers.create(channel, options["customers"])
        load = sending.Load(
            url=options["url"],
            page_id=channel.page.page_id,
            psids=[conversation.contact.psid for conversation in conversations],
            secret=settings.META_APP_SECRET,
            mark=secrets.token_hex(4),
            rate=options["rate"],
            seconds=options["seconds"],
        )
        self.stdout.write(
            f"{load.number:,} messages of {len(conversations)} customers to {channel.name} at {load.url}: "
            f"{load.rate:g} a second for {load.seconds:g} s"
        )
        return self._run(load, channel, user, conversations)

    def _run(self, load: sending.Load, channel: Channel, user: User, conversations: list[Conversation]) -> bool:
        watched = conversations[:WATCHED]
        shown_numbers = {number for number in range(load.number) if number % len(conversations) < len(watched)}
        with watching.open_pages(load.url, user, watched, load.mark) as stream:
            database = watching.Database(channel.page_id, {load.mid(number): number for number in range(load.number)})
            try:
                sent = sending.send(load, lambda number: database.expect(load.mid(number)))
                expected = set(sent.acknowledged)
                deadline = time.monotonic() + SETTLE_SECONDS
                while time.monotonic() < deadline and not (
                    expected <= database.seen.keys() and expected & shown_numbers <= stream.seen.keys()
                ):
                    time.sleep(SETTLE_EVERY_S)
            finally:
                database.stop()
        stored = {number: at - sent.due[number] for number, at in list(database.seen.items())}
        shown = {number: at - sent.due[number] for number, at in list(stream.seen.items())}
        for name, times in (("ack", sent.acknowledged), ("stored", stored), ("shown", shown)):
            self.stdout.write(f"{name:8}{_percentiles(times.values())}   of {len(times):,}")
        for answer, number in sent.refused.items():
            self.stderr.write(f"{number} deliveries were answered {answer}.")
        if lost := len(expected - stored.keys()):
            self.stderr.write(f"{lost} messages were answered 200 and are not stored after {SETTLE_SECONDS} s.")
        if unseen := len((expected & shown_numbers) - shown.keys()):
            self.stderr.write(f"{unseen} messages were not shown after {SETTLE_SECONDS} s.")
        return not (sent.refused or lost or unseen)


def _user(name: str | None) -> User:
    """Return whose pages are open. Raises CommandError."""
    users = User.objects.filter(is_active=True)
    users = users.filter(username=name) if name else users.filter(is_superuser=True)
    user = users.order_by("pk").first()
    if user is None:
        raise CommandError(f"There is no active user “{name}”." if name else "There is no administrator: --user NAME")
    return user


def _percentiles(times: Collection[float]) -> str:
    """Return the percentiles of times in seconds as text, in milliseconds."""
    if not times:
        return "no message"
    points = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [*times] * 99
    return "".join(f"  p{percent} {points[percent - 1] * 1000:8.1f} ms" for percent in PERCENTILES)
