"""A message on its way into a conversation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk.models import User
from tickets.models import Attachment, Message

Direction, Kind = Message.Direction, Message.Kind


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """A message that is not stored yet; the fields are those of Message. Times are aware.

    `arrived_at` is not stored: when its webhook came, to measure when the message is shown.
    """

    direction: str
    source: str
    sent_at: datetime
    state: str
    kind: str = Kind.MESSAGE
    text: str = ""
    card: dict[str, Any] | None = None
    sent_as: dict[str, Any] | None = None
    mentions: list[dict[str, Any]] | None = None
    mid: str | None = None
    author: User | None = None
    reply_to_mid: str = ""
    client_key: str | None = None
    is_standby: bool = False
    received_at: datetime | None = None
    arrived_at: datetime | None = None
    recovered_at: datetime | None = None
    is_imported: bool = False
    answers_until: datetime | None = None
    original_timestamp: str = ""
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    reason: str = ""
    waits_for_customer: bool = False
    attachments: tuple[Attachment, ...] = ()

    @property
    def is_from_customer(self) -> bool:
        """Return whether the customer wrote it: not a note, an event or a reply."""
        return self.kind == Kind.MESSAGE and self.direction == Direction.IN
