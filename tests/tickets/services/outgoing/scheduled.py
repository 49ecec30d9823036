"""What the tests of scheduled replies share: when they are due, and what became of them."""

from datetime import timedelta

from django.core.files.base import ContentFile

from tickets.models import Conversation, Message, ScheduledReply

HOUR = timedelta(hours=1)
PDF = b"%PDF-1.4\n"


def pdf(name: str = "offer.pdf") -> "ContentFile[bytes]":
    return ContentFile(PDF, name=name)


def sent(conversation: Conversation) -> list[str]:
    """Return the texts or file names of the replies, in their order."""
    rows = Message.objects.filter(conversation=conversation, direction="out", kind="message").order_by("pk")
    return [row.text or row.attachments.get().name for row in rows]


def lines(conversation: Conversation) -> list[str]:
    rows = Message.objects.filter(conversation=conversation, kind="event").order_by("pk")
    return [str((row.card or {})["title"]) for row in rows]


def state_of(row: ScheduledReply) -> tuple[str, str]:
    row.refresh_from_db()
    return row.state, row.reason


def has_scheduled(conversation: Conversation) -> bool:
    conversation.refresh_from_db()
    return conversation.has_scheduled
