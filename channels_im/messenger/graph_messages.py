"""Messages of the Conversations API as dataclasses (Meta, "Conversations API"). Pure."""

from dataclasses import dataclass
from datetime import datetime

NEWEST = 20  # messages of a conversation for which Meta gives details


@dataclass(frozen=True)
class GraphAttachment:
    """A file of a message with a fresh URL. `size` is in bytes; all fields but `url` may be missing."""

    url: str
    name: str | None = None
    content_type: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class GraphMessage:
    """A message. `created_at` is aware, precise to the second. The Conversations API gives no `metadata`."""

    mid: str
    created_at: datetime
    from_page: bool
    text: str
    attachments: tuple[GraphAttachment, ...] = ()
