"""Conversations and messages of the Conversations API as dataclasses (Meta, "Conversations API"). Pure.

Nothing here raises, whatever the JSON contains.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from channels_im.messenger.values import as_account_id, as_dict, as_id, as_int, as_list, as_text, as_visible, as_web_url

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
    """A message. `created_at` is aware, precise to the second. The Conversations API gives no `metadata`.

    `items` are its attachments, stickers and shares in the form in which a webhook has them. Of a message that is not
    among the newest 20 Meta gives id and time only: `has_details` is False then.
    """

    mid: str
    created_at: datetime
    from_page: bool
    text: str
    attachments: tuple[GraphAttachment, ...] = ()
    sender_id: str | None = None
    recipient_ids: tuple[str, ...] = ()
    reply_to_mid: str | None = None
    items: tuple[dict[str, Any], ...] = ()

    @property
    def has_details(self) -> bool:
        """Return whether Meta told who wrote it, and so what it says."""
        return self.sender_id is not None


@dataclass(frozen=True)
class GraphConversation:
    """A conversation of a Page: its customer (`psid`), when it was last changed, and its newest messages, newest first.

    `psid` and `updated_at` are None when Meta does not tell them. `is_cut` says that there are older messages.
    """

    id: str
    psid: str | None
    updated_at: datetime | None
    messages: tuple[GraphMessage, ...]
    is_cut: bool = False


def parse_conversation(row: Any, page_id: str) -> GraphConversation | None:
    """Return a conversation, or None when it has no id."""
    row = as_dict(row)
    conversation_id = as_id(row.get("id"))
    if conversation_id is None:
        return None
    messages = parse_messages(row.get("messages"), page_id)
    has_next = bool(as_dict(as_dict(row.get("messages")).get("paging")).get("next"))
    return GraphConversation(
        id=conversation_id,
        psid=_customer(row, messages, page_id),
        updated_at=parse_time(row.get("updated_time")),
        messages=messages,
        is_cut=has_next or len(messages) >= NEWEST,
    )


def _customer(row: dict[str, Any], messages: tuple[GraphMessage, ...], page_id: str) -> str | None:
    """Return the id of whoever is not the Page: from the participants, else from the messages."""
    people = as_dict(row.get("participants")).get("data")
    found = [as_account_id(as_dict(person).get("id")) for person in (people if isinstance(people, list) else [])]
    for message in messages:
        found += [message.sender_id, *message.recipient_ids]
    return next((person for person in found if person and person != page_id), None)


def parse_messages(edge: Any, page_id: str) -> tuple[GraphMessage, ...]:
    """Return the messages of an edge `messages` in Meta's order, newest first, each once."""
    rows = as_dict(edge).get("data")
    found: dict[str, GraphMessage] = {}
    for row in rows if isinstance(rows, list) else []:
        message = parse_message(row, page_id)
        if message:
            found.setdefault(message.mid, message)
    return tuple(sorted(found.values(), key=lambda message: message.created_at, reverse=True))


def parse_message(row: Any, page_id: str) -> GraphMessage | None:
    """Return a message, or None when it has no id or time."""
    row = as_dict(row)
    mid, created_at = as_id(row.get("id")), parse_time(row.get("created_time"))
    if mid is None or created_at is None:
        return None
    sender = as_account_id(as_dict(row.get("from")).get("id"))
    people = as_list(as_dict(row.get("to")).get("data") or row.get("to"))
    return GraphMessage(
        mid=mid,
        created_at=created_at,
        from_page=sender == page_id,
        text=as_text(row.get("message")) or "",
        attachments=_files(row),
        sender_id=sender,
        recipient_ids=tuple(found for one in people if (found := as_account_id(as_dict(one).get("id")))),
        reply_to_mid=as_id(as_dict(row.get("reply_to")).get("mid")) or as_id(as_dict(row.get("reply_to")).get("id")),
        items=tuple(_items(row)),
    )


def parse_time(value: Any) -> datetime | None:
    """Return a time of the Graph API ("2026-07-12T19:11:07+0000"), or None."""
    try:
        return datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _files(row: dict[str, Any]) -> tuple[GraphAttachment, ...]:
    attachments = [_file(as_dict(item)) for item in _rows(row, "attachments")]
    sticker = as_web_url(row.get("sticker"))
    if sticker:
        attachments.append(GraphAttachment(sticker))
    return tuple(attachment for attachment in attachments if attachment)


def _file(item: dict[str, Any]) -> GraphAttachment | None:
    url = _url_of(item)
    if url is None:
        return None
    return GraphAttachment(url, as_text(item.get("name")), as_text(item.get("mime_type")), as_int(item.get("size")))


def _rows(row: dict[str, Any], name: str) -> list[Any]:
    rows = as_dict(row.get(name)).get("data")
    return rows if isinstance(rows, list) else []


def _url_of(item: dict[str, Any]) -> str | None:
    urls = (as_dict(item.get(kind)).get("url") for kind in ("image_data", "video_data"))
    return next((url for url in map(as_web_url, (item.get("file_url"), *urls)) if url), None)


# --- What a webhook would have said -----------------------------------------------------------------------------------
def _items(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield attachments, sticker and shares as the webhook's `attachments`, each file once."""
    sticker = as_web_url(row.get("sticker"))
    seen = {sticker}
    if sticker:
        yield _item("sticker", sticker)
    for attachment in map(as_dict, _rows(row, "attachments")):
        url = _url_of(attachment)
        if url not in seen or url is None:
            seen.add(url)
            is_copy = sticker is not None and as_dict(attachment.get("image_data")).get("render_as_sticker") is True
            if not is_copy:
                yield _attachment(attachment, url)
    for share in map(as_dict, _rows(row, "shares")):
        link = as_text(share.get("link")) or as_text(share.get("url"))
        title = as_visible(share.get("name")) or as_visible(share.get("title")) or as_visible(share.get("description"))
        if link or title:
            payload = {"url": link} if link else None
            yield {"type": "fallback", "title": title, "payload": payload} if title else _item("fallback", link or "")


def _item(kind: str, url: str) -> dict[str, Any]:
    return {"type": kind, "payload": {"url": url}}


def _attachment(attachment: dict[str, Any], url: str | None) -> dict[str, Any]:
    template = as_dict(attachment.get("generic_template"))
    if template:
        return {"type": "template", "payload": {"template_type": "generic", "elements": [_element(template)]}}
    if url is None:
        name = as_visible(attachment.get("name"))
        return {"type": "unsupported", "payload": {"title": name} if name else None}
    image, mime_type = as_dict(attachment.get("image_data")), (as_text(attachment.get("mime_type")) or "").lower()
    if image.get("render_as_sticker") is True:
        return _item("sticker", url)
    if image or mime_type.startswith("image/"):
        return _item("image", url)
    if as_dict(attachment.get("video_data")) or mime_type.startswith("video/"):
        return _item("video", url)
    return _item("audio" if mime_type.startswith("audio/") else "file", url)


def _element(template: dict[str, Any]) -> dict[str, Any]:
    element: dict[str, Any] = {"title": as_text(template.get("title")), "subtitle": as_text(template.get("subtitle"))}
    element["image_url"] = as_web_url(template.get("media_url"))
    buttons = [as_dict(button) for button in as_list(template.get("cta"))]
    element["buttons"] = [
        {"type": "web_url", "title": as_text(button.get("title")), "url": as_web_url(button.get("url"))}
        for button in buttons
    ]
    return {name: value for name, value in element.items() if value}
