"""Read messages from the Conversations API. Source: Meta, "Conversations API".

Meta gives details of the newest 20 messages only, and allows 2 calls per second and Page.
"""

from datetime import UTC, datetime
from typing import Any

from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient, node
from channels_im.messenger.graph_messages import NEWEST, GraphAttachment, GraphMessage
from channels_im.messenger.values import as_account_id, as_dict, as_id, as_int, as_text, as_web_url

_MESSAGE_FIELDS = "id,created_time,from,to,message,attachments,sticker"


@sensitive_variables("token")
def recent_messages(page_id: str, psid: str, token: str) -> list[GraphMessage]:
    """Return the newest messages between the Page and this contact, at most 20, newest first; [] without any."""
    answer = GraphClient(token).get(
        f"{node(page_id)}/conversations",
        platform="messenger",
        user_id=psid,
        fields=f"id,messages.limit({NEWEST}){{{_MESSAGE_FIELDS}}}",
    )
    threads = answer.get("data")
    messages: dict[str, GraphMessage] = {}
    for thread in threads if isinstance(threads, list) else []:
        rows = as_dict(as_dict(thread).get("messages")).get("data")
        for row in rows if isinstance(rows, list) else []:
            message = _message(row, page_id)
            if message:
                messages.setdefault(message.mid, message)
    return sorted(messages.values(), key=lambda message: message.created_at, reverse=True)[:NEWEST]


@sensitive_variables("token")
def read_message(mid: str, page_id: str, token: str) -> GraphMessage | None:
    """Return one message with fresh file URLs, or None when it has no id or time. Raises GraphError (9000001: gone)."""
    return _message(GraphClient(token).get(node(mid), fields=_MESSAGE_FIELDS), page_id)


def _message(row: Any, page_id: str) -> GraphMessage | None:
    row = as_dict(row)
    mid, created_at = as_id(row.get("id")), _parse_time(row.get("created_time"))
    if mid is None or created_at is None:
        return None
    return GraphMessage(
        mid=mid,
        created_at=created_at,
        from_page=as_account_id(as_dict(row.get("from")).get("id")) == page_id,
        text=as_text(row.get("message")) or "",
        attachments=_attachments(row),
    )


def _attachments(row: dict[str, Any]) -> tuple[GraphAttachment, ...]:
    items = as_dict(row.get("attachments")).get("data")
    attachments = [_attachment(as_dict(item)) for item in (items if isinstance(items, list) else [])]
    sticker = as_web_url(row.get("sticker"))
    if sticker:
        attachments.append(GraphAttachment(sticker))
    return tuple(attachment for attachment in attachments if attachment)


def _attachment(item: dict[str, Any]) -> GraphAttachment | None:
    urls = (as_dict(item.get(kind)).get("url") for kind in ("image_data", "video_data"))
    url = next((url for url in map(as_web_url, (item.get("file_url"), *urls)) if url), None)
    if url is None:
        return None
    return GraphAttachment(url, as_text(item.get("name")), as_text(item.get("mime_type")), as_int(item.get("size")))


def _parse_time(value: Any) -> datetime | None:
    try:
        return datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
