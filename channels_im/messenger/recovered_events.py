"""Write messages of the Conversations API as the webhook would have delivered them. Pure.

So what is recovered takes the same way as what Meta sends: one parser, one order, one place that stores.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from channels_im.messenger.graph_messages import GraphMessage

#: The key of the item that says how many messages could not be had. Meta has no such event.
NOT_RECOVERED = "desk_not_recovered"


@dataclass(frozen=True)
class NotRecoveredSpan:
    """Messages of which Meta gives the time only: how many, the first and the last, and the id of the last.

    `is_import`: they are from before the channel, and were not missed.
    """

    count: int
    first_at: datetime
    last_at: datetime
    last_mid: str
    is_import: bool = False


def message_item(message: GraphMessage, page_id: str, psid: str, at: datetime) -> dict[str, Any]:
    """Return the item of `messaging` for a message that was sent at `at`, precise to the millisecond."""
    content: dict[str, Any] = {"mid": message.mid}
    if message.text:
        content["text"] = message.text
    if message.items:
        content["attachments"] = list(message.items)
    if message.reply_to_mid:
        content["reply_to"] = {"mid": message.reply_to_mid}
    sides = (psid, page_id)
    if message.from_page:
        content["is_echo"] = True
        sides = (page_id, psid)
    return {**_envelope(*sides, at), "message": content}


def not_recovered_item(span: NotRecoveredSpan, page_id: str, psid: str, at: datetime) -> dict[str, Any]:
    """Return the item that names messages Meta gives no details of, to stand at `at` in the thread."""
    content = {
        "count": span.count,
        "first": _milliseconds(span.first_at),
        "last": _milliseconds(span.last_at),
        "last_mid": span.last_mid,
        "is_import": span.is_import,
    }
    return {**_envelope(psid, page_id, at), NOT_RECOVERED: content}


def delivery_body(page_id: str, items: Iterable[dict[str, Any]], now: datetime) -> bytes:
    """Return the body of a delivery with these items, all of one customer."""
    entry = {"id": page_id, "time": _milliseconds(now), "messaging": list(items)}
    return json.dumps({"object": "page", "entry": [entry]}, ensure_ascii=False).encode()


def _envelope(sender: str, recipient: str, at: datetime) -> dict[str, Any]:
    return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": _milliseconds(at)}


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
