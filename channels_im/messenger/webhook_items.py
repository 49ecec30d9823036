"""The items of a webhook delivery, as all parsers read them. Pure."""

from dataclasses import dataclass
from typing import Any

from channels_im.messenger.event_types import Unknown
from channels_im.messenger.values import as_id, as_timestamp_ms, digest


@dataclass(frozen=True)
class Item:
    """One item of `messaging` or `standby`, with the fields that all parsers need."""

    raw: dict[str, Any]
    page_id: str
    sender: str | None
    recipient: str | None
    standby: bool

    @property
    def from_page(self) -> bool:
        return self.sender is not None and self.sender == self.page_id

    def base(self, key: str, *, from_page: bool = False) -> dict[str, Any]:
        """Return the fields of Event; a `key` that is too long becomes a digest."""
        original = self.raw.get("timestamp")
        return {
            "page_id": self.page_id,
            "psid": self.recipient if from_page or self.from_page else self.sender,
            "timestamp_ms": as_timestamp_ms(original),
            "original_timestamp": original,
            "key": as_id(key) or digest(key),
            "standby": self.standby,
            "raw": self.raw,
        }

    def content_key(self, kind: str) -> str:
        """Return a key made of Page, people, timestamp and content, for events without an id from Meta."""
        identity = [self.page_id, self.sender, self.recipient, self.raw.get("timestamp"), self.raw.get(kind)]
        return f"{kind}:{digest(identity)}"

    def unknown(self, kind: str) -> Unknown:
        return Unknown(**self.base(self.content_key(kind)), kind=kind)
