"""Messages as the Conversations API shows them (Meta, "Conversations API"). Pure."""

from dataclasses import dataclass
from datetime import datetime

NEWEST = 20  # messages of a conversation for which Meta gives details


@dataclass(frozen=True)
class GraphAttachment:
    """A file of a message with a fresh address; `size` in bytes, all but `url` may be missing."""

    url: str
    name: str | None = None
    content_type: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class GraphMessage:
    """A message as the Conversations API shows it. `created_at` is aware, precise to the second; no `metadata`."""

    mid: str
    created_at: datetime
    from_page: bool
    text: str
    attachments: tuple[GraphAttachment, ...] = ()
