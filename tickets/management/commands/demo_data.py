"""`manage.py demo_data`: what `make run` shows. A second run adds nothing."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from channels_im.services.channels import ChannelError
from channels_im.services.facebook.linking import LinkError
from tickets.demo.channel import PAGE_ID, make_channel
from tickets.demo.history import import_history
from tickets.demo.people import NotADemoError, make_people
from tickets.demo.sandbox import NoSandboxError, Sandbox
from tickets.models import Conversation


class Command(BaseCommand):
    help = "Make the demo's departments, users, channel and conversations. Only with the sandbox in place of Meta."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sandbox = Sandbox()
            make_people()
            channel = make_channel(sandbox)
        except (NoSandboxError, NotADemoError, LinkError, ChannelError) as error:
            raise CommandError(str(error)) from error
        if channel.is_deleted or Conversation.objects.exists():
            self.stdout.write("The demo data are there already.")
            return
        added = import_history(channel, sandbox.conversations(PAGE_ID))
        self.stdout.write(f"Demo data made: 3 departments, 3 users, 1 channel, {added} messages.")
