"""Load the demo data of `make run`: `manage.py demo_data`. A second run adds nothing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from channels_im.services.channels import ChannelError
from channels_im.services.facebook.linking import LinkError
from tickets.demo.channel import PAGE_ID, create_demo_channel
from tickets.demo.history import import_history
from tickets.demo.people import NotADemoError, create_people, require_demo_database
from tickets.demo.sandbox import NoSandboxError, Sandbox
from tickets.models import Conversation


class Command(BaseCommand):
    help = "Create the demo's departments, users, channel and conversations. Needs the sandbox in place of Meta."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="only refuse a database with users that are not the demo's"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            require_demo_database()
            if options["check"]:
                return
            sandbox = Sandbox()
            create_people()
            channel = create_demo_channel(sandbox)
        except (NoSandboxError, NotADemoError, LinkError, ChannelError) as error:
            raise CommandError(str(error)) from error
        if channel.is_deleted or Conversation.objects.exists():
            self.stdout.write("The demo data already exist.")
            return
        added = import_history(channel, sandbox.conversations(PAGE_ID))
        self.stdout.write(f"Demo data created: 3 departments, 3 users, 1 channel, {added} messages.")
