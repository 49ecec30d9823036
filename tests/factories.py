"""Makers of what tests need, with the least that makes sense; and what Meta would send, signed."""

import hashlib
import hmac
import io
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image

from channels_im.models import Channel, ChannelAgent, FacebookAccount, ImPreferences, Page, WebhookDelivery
from desk.models import Agent, Department, User
from tests.http import Response
from tickets.models import Contact, Conversation, Message
from tickets.services.conversation import contacts, messages
from tickets.services.webhooks import api_tokens

WEBHOOK_URL = "/webhooks/messenger/"
PASSWORD = "desk-demo"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


# --- People -----------------------------------------------------------------------------------------------------------
def make_user(username: str = "", **fields: Any) -> User:
    """Make a user who can log in with PASSWORD and may do nothing."""
    return User.objects.create_user(username or f"user{next(_numbers)}", password=PASSWORD, **fields)


def make_admin(username: str = "admin", **fields: Any) -> User:
    """Make an administrator: staff and superuser."""
    return make_user(username, is_staff=True, is_superuser=True, **fields)


def make_token(user: User, *scopes: str, expires_at: datetime | None = None) -> str:
    """Make an API token of the user, with all scopes unless some are given; return its key."""
    _token, key = api_tokens.issue(
        user, user, name="Test", scopes=scopes or api_tokens.ALL_SCOPES, expires_at=expires_at
    )
    return key


def make_department(name: str = "", intermission: int | None = None) -> Department:
    """Make a department; `intermission` in minutes makes its preferences too."""
    department = Department.objects.create(name=name or f"Department {next(_numbers)}")
    if intermission is not None:
        ImPreferences.objects.create(department=department, threading_intermission=intermission)
    return department


def make_agent(
    username: str = "", *, channels: tuple[Channel, ...] = (), departments: tuple[Department, ...] = ()
) -> User:
    """Make the user of an agent, associated with `channels` and a member of `departments`."""
    user = make_user(username)
    agent = Agent.objects.create(user=user)
    agent.departments.set([*departments, *(channel.department for channel in channels)])
    ChannelAgent.objects.bulk_create(ChannelAgent(channel=channel, agent=agent) for channel in channels)
    return user


# --- Channels ---------------------------------------------------------------------------------------------------------
def make_page(page_id: str = "", **fields: Any) -> Page:
    """Make a connected Page with a token, linked by a Facebook account of its own."""
    number = next(_numbers)
    defaults = {"name": f"Page {number}", "page_token": f"page-token-{number}", "subscription": "subscribed"}
    if "facebook_account" not in fields:
        fields["facebook_account"] = FacebookAccount.objects.create(
            facebook_user_id=f"9{number:09}", name=f"Person {number}", user_token=f"user-token-{number}"
        )
    return Page.objects.create(page_id=page_id or f"1{number:09}", **(defaults | fields))


def make_channel(page: Page | None = None, department: Department | None = None, **fields: Any) -> Channel:
    """Make an active channel, with a Page and a department of its own when none is given."""
    page = page or make_page()
    fields.setdefault("name", f"Messenger {page.name}")
    fields.setdefault("icon", ContentFile(png(), name="icon.png"))
    return Channel.objects.create(page=page, department=department or make_department(), **fields)


# --- Conversations ----------------------------------------------------------------------------------------------------
def make_contact(page: Page, psid: str = "", **fields: Any) -> Contact:
    """Make a contact of `page` whose profile is known."""
    fields.setdefault("name", f"Customer {next(_numbers)}")
    fields.setdefault("profile_state", Contact.ProfileState.FETCHED)
    return Contact.objects.create(page=page, psid=psid or f"7{next(_numbers):09}", **fields)


def make_conversation(channel: Channel | None = None, psid: str = "", **contact_fields: Any) -> Conversation:
    """Make an empty conversation of a new contact with `channel`."""
    channel = channel or make_channel()
    contact = make_contact(channel.page, psid, **contact_fields)
    return contacts.conversation_for(channel.page, channel, contact.psid)


def receive(conversation: Conversation, text: str = "Hello", at: datetime = NOON, **fields: Any) -> Message:
    """Let the customer have written `text` at `at`, as intake would store it."""
    fields.setdefault("mid", f"m_in_{next(_numbers)}")
    message, _created = messages.add_message(
        conversation, direction="in", source="customer", state="received", sent_at=at, text=text, **fields
    )
    return message


def answer(
    conversation: Conversation, text: str = "Hi", at: datetime = NOON, state: str = "sent", **fields: Any
) -> Message:
    """Let an agent have answered `text` at `at`; `state` is that of the outbox row."""
    fields.setdefault("source", "agent")
    if state in ("sent", "delivered", "read"):
        fields.setdefault("mid", f"m_out_{next(_numbers)}")
    message, _created = messages.add_message(
        conversation, direction="out", state=state, sent_at=at, text=text, **fields
    )
    return message


def png(width: int = 8, height: int = 8) -> bytes:
    """Return the bytes of a small real PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 40, 40)).save(buffer, "PNG")
    return buffer.getvalue()


# --- What Meta sends --------------------------------------------------------------------------------------------------
def ms(at: datetime) -> int:
    """Return Meta's timestamp of an aware time: milliseconds."""
    return round(at.timestamp() * 1000)


def item(page: Page, psid: str, at: datetime = NOON, *, from_page: bool = False, **content: Any) -> dict[str, Any]:
    """Return one item of `messaging`: `content` is its kind, for example `message={"mid": …, "text": …}`."""
    people = ({"id": page.page_id}, {"id": psid}) if from_page else ({"id": psid}, {"id": page.page_id})
    return {"sender": people[0], "recipient": people[1], "timestamp": ms(at), **content}


def text_item(page: Page, psid: str, text: str = "Hello", at: datetime = NOON, mid: str = "") -> dict[str, Any]:
    """Return the item of a customer's text message."""
    return item(page, psid, at, message={"mid": mid or f"m_{next(_numbers)}", "text": text})


def delivery(page: Page, *items: dict[str, Any], standby: bool = False) -> dict[str, Any]:
    """Return a whole delivery for one Page, one entry per item as Meta sends them."""
    name = "standby" if standby else "messaging"
    return {
        "object": "page",
        "entry": [{"id": page.page_id, "time": ms(NOON + timedelta(seconds=1)), name: [each]} for each in items],
    }


def body_of(data: Any) -> bytes:
    """Return the bytes Meta would send: JSON with escaped unicode."""
    return json.dumps(data).encode()


def sign(body: bytes, secret: str | None = None) -> str:
    """Return the value of X-Hub-Signature-256, made without any code of ours."""
    key = (secret or settings.META_APP_SECRET).encode()
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def post_webhook(client: Client, data: Any, *, signature: str | None = None) -> Response:
    """POST `data` (bytes, or JSON to be made of it) to the webhook, signed; returns the response."""
    body = data if isinstance(data, bytes) else body_of(data)
    headers = {"X-Hub-Signature-256": sign(body) if signature is None else signature}
    return client.post(WEBHOOK_URL, body, content_type="application/json", headers=headers)


def journal(data: Any, **fields: Any) -> WebhookDelivery:
    """Put a delivery into the journal as the webhook does, without HTTP."""
    body = data if isinstance(data, bytes) else body_of(data)
    return WebhookDelivery.objects.create(body=body, **fields)


def deliver(client: Client, *deliveries: Any) -> None:
    """Let Meta deliver (each item a whole POST that must be answered 200), then let the worker drain the journal."""
    from channels_im import tasks

    for each in deliveries:
        assert post_webhook(client, each).status_code == 200
    tasks.drain_journal()
