"""Send replies as the composer does, and look at what was queued."""

from typing import Any

from django.test import Client

from tests.http import Response
from tickets.models import Conversation, Message

HX = {"HX-Request": "true"}


def send(client: Client, conversation: Conversation, **fields: Any) -> Response:
    return client.post(f"/inbox/{conversation.pk}/reply/", fields, headers=HX)


def out(conversation: Conversation) -> list[Message]:
    """Return what Desk sent or will send, oldest first."""
    return list(conversation.messages.filter(direction="out").order_by("pk"))
