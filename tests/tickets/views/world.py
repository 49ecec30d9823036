"""A small help desk for these tests: alice and bob have a channel each, charlie has none."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from django.core.files.base import ContentFile
from PIL import Image

from channels_im.models import Channel, ChannelAgent, Page
from desk.models import Agent, Department, User
from tickets.models import Attachment, Contact, Conversation, Message, Ticket

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@dataclass
class Desk:
    """Two departments with a channel each, the agents, and an administrator who is no agent."""

    sales: Department
    support: Department
    alice: User
    bob: User
    charlie: User
    root: User
    shop: Channel
    service: Channel
    twins: list[User] = field(default_factory=list)


def png(width: int = 4, height: int = 3) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), "#3366cc").save(out, "PNG")
    return out.getvalue()


def make_agent(username: str, *departments: Department) -> User:
    user = User.objects.create_user(username, password="desk-demo", first_name=username.title())
    agent = Agent.objects.create(user=user)
    agent.departments.set(departments)
    return user


def make_channel(department: Department, name: str, *agents: User) -> Channel:
    page = Page.objects.create(page_id=f"10{next(_numbers):04}", name=f"{name} Page", page_token="token")
    channel = Channel(name=name, page=page, department=department)
    channel.icon.save("icon.png", ContentFile(png()), save=False)
    channel.save()
    for user in agents:
        ChannelAgent.objects.create(channel=channel, agent=user.agent)
    return channel


def make_conversation(channel: Channel, name: str = "Rosa Diaz", *, at: datetime = NOON, **fields: Any) -> Conversation:
    """A conversation with one open ticket and no message."""
    contact = Contact.objects.create(page=channel.page, psid=f"70{next(_numbers):06}", name=name)
    fields.setdefault("department", channel.department)
    conversation = Conversation.objects.create(contact=contact, channel=channel, last_message_at=at, **fields)
    ticket = Ticket.objects.create(
        conversation=conversation, department=conversation.department, opened_at=at, last_message_at=at
    )
    conversation.current_ticket, conversation.is_open = ticket, True
    conversation.last_customer_message_at = at
    conversation.save()
    return conversation


def close(conversation: Conversation, at: datetime = NOON) -> None:
    """Close its ticket, without the event in the thread."""
    Ticket.objects.filter(conversation=conversation).update(status="closed", closed_at=at)
    conversation.is_open = False
    conversation.save(update_fields=["is_open"])


def say(conversation: Conversation, text: str = "Hello", *, at: datetime = NOON, **fields: Any) -> Message:
    """A message of the customer, or of `author` when one is given."""
    author = fields.pop("author", None)
    defaults: dict[str, Any] = {
        "ticket": conversation.current_ticket,
        "page": conversation.channel.page,
        "mid": f"m_{next(_numbers)}",
        "direction": "out" if author else "in",
        "source": "agent" if author else "customer",
        "author": author,
        "text": text,
        "sent_at": at,
        "state": "sent" if author else "received",
    }
    return Message.objects.create(conversation=conversation, **{**defaults, **fields})


def attach(message: Message, name: str = "photo.png", content: bytes | None = None, **fields: Any) -> Attachment:
    """A stored file of a message; `state` refused, failed or pending makes a card without a file."""
    defaults: dict[str, Any] = {"kind": "image", "content_type": "image/png", "state": "stored", "position": 0}
    attachment = Attachment(message=message, name=name, **{**defaults, **fields})
    if attachment.state == "stored":
        content = png() if content is None else content
        attachment.size = len(content)
        attachment.file.save(name.replace("/", "_").replace("<", "_"), ContentFile(content), save=False)
    attachment.save()
    return attachment


def ago(**delta: float) -> datetime:
    return datetime.now(UTC) - timedelta(**delta)
