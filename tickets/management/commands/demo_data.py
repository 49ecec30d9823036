"""Load the demo data of `make run`: `manage.py demo_data`. A second run adds nothing.

`--conversations 1000000` adds so many invented conversations to the demo's channels, to see how Desk behaves with them.

`--busy` makes it the desk of twelve agents with 40,000 conversations, as on a busy day.

Whatever people changed in Desk or in the sandbox, it ends well and says what it left out: `make run` must start.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from channels_im.models import Channel
from desk.models import User
from tickets.demo import busy, many, people
from tickets.demo.channel import SkippedError, create_demo_channel, link_again, link_person, notes_about
from tickets.demo.history import import_history
from tickets.demo.people import PAGE_ID, NotADemoError, create_people, require_demo_database
from tickets.demo.sandbox import NoSandboxError, Sandbox, SandboxError
from tickets.models import Conversation


class Command(BaseCommand):
    help = "Create the demo's departments, users, channel and conversations. Needs the sandbox in place of Meta."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="only refuse a database with users that are not the demo's"
        )
        parser.add_argument(
            "--conversations", type=int, default=0, metavar="N", help="add N invented conversations, in bulk"
        )
        parser.add_argument("--busy", action="store_true", help="add a busy desk: 12 agents, 40,000 conversations")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            require_demo_database()
            if options["check"]:
                return
            sandbox = Sandbox()
            notes = create_people()
        except (NoSandboxError, NotADemoError) as error:
            raise CommandError(str(error)) from error
        try:
            notes = [*self._load(sandbox), *notes]
        except (SkippedError, SandboxError) as error:
            notes.append(str(error))
        if options["conversations"] > 0:
            notes.append(self._add_many(options["conversations"]))
        if options["busy"]:
            notes.append(self._make_busy(sandbox))
        for note in notes:
            self.stdout.write(note)

    def _add_many(self, number: int) -> str:
        """Add so many conversations to the channels that exist; return a sentence."""
        channels = list(Channel.objects.existing().order_by("pk"))
        if not channels:
            return "There is no channel, so that no conversations could be added."
        agents = list(User.objects.filter(is_active=True, agent__isnull=False).order_by("pk"))
        many.fill(channels, agents, number, lambda done: self.stdout.write(f"{done:,} conversations"))
        return f"{number:,} invented conversations added."

    def _make_busy(self, sandbox: Sandbox) -> str:
        """Add the busy desk; return a sentence."""
        admin = people.administrator()
        if busy.is_there():
            return "The busy desk exists already."
        if admin is None:
            return "There is no active superuser, so that the busy desk could not be added."
        try:
            for person in busy.PEOPLE_OF_PAGES:
                link_person(sandbox, person, admin)
            busy.fill(admin, progress=lambda done: self.stdout.write(f"{done:,} conversations"))
        except SkippedError as error:
            return str(error)
        return f"A busy desk was added: 12 agents, {busy.NUMBER:,} conversations. Their password is desk-demo."

    def _load(self, sandbox: Sandbox) -> list[str]:
        """Create the channel and import its conversations; return sentences. Raises SkippedError, SandboxError."""
        channel = create_demo_channel(sandbox)
        notes = []
        try:
            if not channel.is_deleted and link_again(sandbox):
                notes.append("The sandbox was started afresh; Anna Berg's Pages were linked again.")
                channel.page.refresh_from_db()
        except SkippedError as skipped:
            notes.append(str(skipped))
        notes += notes_about(channel)
        if channel.is_deleted or Conversation.objects.filter(channel__page=channel.page).exists():
            return ["The demo data already exist.", *notes]
        added, left_out = import_history(channel, sandbox.conversations(PAGE_ID))
        if left_out:
            notes.append(f"{left_out} conversations of the sandbox are not complete and were left out.")
        return [f"Demo data created: 3 departments, 3 users, 1 channel, {added} messages.", *notes]
