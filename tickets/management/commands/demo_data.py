"""Load the demo data of `make run`: `manage.py demo_data`. A second run adds nothing."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from channels_im.services.channels import ChannelError
from channels_im.services.facebook.linking import LinkError
from tickets.demo.channel import PAGE_ID, create_demo_channel
from tickets.demo.history import import_history
from tickets.demo.people import NotADemoError, create_people
from tickets.demo.sandbox import NoSandboxError, Sandbox
from tickets.models import Conversation


class Command(BaseCommand):
    help = "Create the demo's departments, users, channel and conversations. Needs the sandbox in place of Meta."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
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
