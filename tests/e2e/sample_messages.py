"""A message of each kind, for tests that look at all of them. `RunningDesk.call` runs `make` with Desk's database."""

import io
import mimetypes
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image

from desk.models import User
from tickets.models import Attachment, Conversation, Message
from tickets.services.conversation import messages as message_service

LAST_WORDS = "Nearly my last words"
IN: dict[str, Any] = {"direction": "in", "source": "customer", "state": "received"}
OUT: dict[str, Any] = {"direction": "out", "source": "agent", "state": "sent"}
LATER = ("edited_at", "withdrawn_at", "reactions", "retry_after")  # set after a message was stored


def make(conversation_id: int) -> None:
    """Add a message of each kind to a conversation, some of them written by alice."""
    conversation = Conversation.objects.get(pk=conversation_id)
    lines = messages(User.objects.get(username="alice"))
    began = timezone.now() - timedelta(minutes=len(lines))
    for number, line in enumerate(lines):
        later = {name: line.pop(name) for name in LATER if name in line}
        defaults: dict[str, Any] = {"mid": f"m_each_{number}", "sent_at": began + timedelta(minutes=number)}
        message, _ = message_service.add_message(conversation, **defaults | line)
        if later:
            Message.objects.filter(pk=message.pk).update(**later)


def messages(author: User) -> list[dict[str, Any]]:
    """Return the arguments of add_message for a message of each kind."""
    now = timezone.now()
    tomorrow = now + timedelta(days=1)
    refused = {"state": "refused", "reason": "This channel takes no videos."}
    ours = OUT | {"author": author}
    in_trouble = ours | {"mid": None}
    referral = {"kind": "referral", "title": "Came from an ad", "text": "Autumn sale", "url": "https://example.com/ad"}
    link = {"kind": "link", "title": "Wheel", "text": "", "url": "https://example.com/w"}
    choices = [{"title": title, "url": None, "payload": title.upper()} for title in ("Yes", "No")]
    return [
        IN | {"text": f"Hello <b>there</b>, see https://example.com/{'and/on/' * 20}"},
        IN | {"text": "مرحبا، هل الدراجة جاهزة؟"},
        IN | {"text": "long " * 300},
        IN | {"text": "I changed this", "edited_at": now},
        IN | {"text": "I said too much", "withdrawn_at": now},
        IN | {"attachments": [stored("image", "bike.png", picture(640, 400), width=640, height=400)]},
        IN | {"attachments": [stored("sticker", "sticker.png", picture(240, 240), width=240, height=240)]},
        IN | {"attachments": [stored("video", "ride.mp4", b"-"), stored("audio", "voice.mp3", b"-", position=1)]},
        IN | {"attachments": [stored("document", f"the {'long ' * 12}name of an invoice.pdf", b"%PDF-")]},
        IN | {"attachments": [Attachment(kind="video", name="clip.mp4", size=60_000_000, **refused)]},
        IN | {"attachments": [Attachment(kind="image", state="failed", reason="Facebook’s link had expired.")]},
        IN | {"card": {"kind": "unknown", "title": "A reel", "text": "In Messenger.", "url": "https://example.com/"}},
        IN | {"text": "Still there?", "card": {**link, "more": [referral]}},
        OUT | {"source": "other_app", "card": {**link, "kind": "template", "choices": choices}},
        IN
        | {"text": "Yes", "card": {**link, "kind": "quick_reply", "title": "Tapped a quick reply", "payload": "YES"}},
        IN | {"text": "Liked", "reactions": [{"by": by, "emoji": "❤", "at": str(now)} for by in ("customer", "page")]},
        ours | {"text": "Read", "reply_to_mid": "m_each_12", "state": "read", "delivered_at": now, "read_at": now},
        ours | {"text": "Delivered", "state": "delivered", "delivered_at": now},
        ours | {"text": "Sent, see https://example.com/"},
        OUT | {"text": "From the Page inbox", "source": "page_inbox"},
        OUT | {"text": "By a bot", "source": "other_app"},
        in_trouble | {"text": "Only colleagues see this", "kind": "note"},
        OUT | {"text": "Assigned to Alice Moreau", "kind": "event", "source": "system", "mid": None},
        IN | {"kind": "event", "card": referral},
        IN | {"text": "While another app held it", "is_standby": True},
        in_trouble | {"text": "Failed", "state": "failed", "reason": "Facebook refused it."},
        in_trouble | {"text": "Unsure", "state": "unsure", "reason": "No answer.", "retry_after": tomorrow},
        in_trouble | {"text": "Held", "state": "held", "reason": "Waits.", "waits_for_customer": True},
        IN | {"text": LAST_WORDS},
    ]


def stored(kind: str, name: str, data: bytes, **fields: int) -> Attachment:
    """Return an unsaved attachment whose file is stored."""
    file = ContentFile(data, name=name)
    content_type = mimetypes.guess_type(name)[0]
    assert content_type is not None
    return Attachment(
        kind=kind, name=name, content_type=content_type, size=len(data), state="stored", file=file, **fields
    )


def picture(width: int, height: int) -> bytes:
    """Return a PNG image of this size."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "#2f6f6b").save(buffer, "PNG")
    return buffer.getvalue()
