"""What a notification to a browser says, in the language of the person, and the token with which it can be answered."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.urls import reverse
from django.utils.translation import get_language, get_language_bidi, gettext

from desk import web_push
from desk.letters import installation_name
from desk.models import User
from desk.text import head, one_line
from tickets.services.notifications.choices import Choices
from tickets.services.notifications.kinds import TEXT_CHARS, Kind, Subject

SALT = "desk.push-reply"
REPLY_WITHIN_S = 3600
TITLE_CHARS = 80


@dataclass(frozen=True)
class ReplyTo:
    """What a reply token allows: one reply of this user in this conversation, to this message."""

    user_id: int
    conversation_id: int
    message_id: int

    @property
    def client_key(self) -> str:
        """The key of the reply: however often it is sent, and by how many notifications, there is one."""
        return f"push-{self.user_id}-{self.message_id}"

    def token(self) -> str:
        """Return the token for a notification; it works for REPLY_WITHIN_S."""
        return signing.dumps([self.user_id, self.conversation_id, self.message_id], salt=SALT)


def read_token(token: str) -> tuple[ReplyTo, bool]:
    """Return what a token allows, and whether its time has not passed. Raises BadSignature for one that is not ours."""
    content = signing.loads(token, salt=SALT)
    try:
        signing.loads(token, salt=SALT, max_age=REPLY_WITHIN_S)
    except signing.SignatureExpired:
        return ReplyTo(*content), False
    return ReplyTo(*content), True


def test_payload() -> bytes:
    """Return the notification that somebody asks for to see whether it works, in the active language."""
    return _dump(
        {
            "title": installation_name(),
            "body": gettext("Notifications work in this browser."),
            "tag": "desk-test",
            "url": reverse("account_notifications"),
            "always": True,
            **_language(),
        }
    )


def payload(kind: Kind, subject: Subject, user: User, choices: Choices) -> bytes:
    """Return the notification for the service worker as JSON, in the active language; at most MAX_BYTES."""
    conversation, message = subject.conversation, subject.message
    content: dict[str, Any] = {
        "id": message.pk if message else 0,
        "conversation": conversation.pk,
        "url": reverse("conversation", args=[conversation.pk]),
        "tag": f"desk-{topic(kind.name, conversation.pk)}",
        **_language(),
    }
    if not choices.shows_text:
        content |= {"title": installation_name(), "body": str(kind.plain)}
        return _dump(content)
    content |= {
        "title": one_line(kind.title(subject), TITLE_CHARS),
        "body": head(kind.text(subject), 2 * TEXT_CHARS),
    }
    if kind.may_reply and message is not None:
        content["reply"] = {
            "url": reverse("push_reply"),
            "token": ReplyTo(user.pk, conversation.pk, message.pk).token(),
            "label": gettext("Reply"),
            "hint": gettext("Write a reply"),
            "failed": gettext("Your reply was not sent"),
            "again": gettext("Try again"),
        }
    return _dump(content)


def topic(kind: str, conversation_id: int) -> str:
    """Return the topic of a notification: what waits at the push service about it is replaced. At most 32 letters."""
    return hashlib.sha256(f"{kind} {conversation_id}".encode()).hexdigest()[:24]


def _language() -> dict[str, str]:
    return {"lang": get_language() or "en", "dir": "rtl" if get_language_bidi() else "ltr"}


def _dump(content: dict[str, Any]) -> bytes:
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > web_push.MAX_BYTES:  # four bytes for each character of a long text
        data = json.dumps({**content, "body": head(content["body"], 100)}, ensure_ascii=False).encode()
    return data
