"""Parse a message or an echo, with all that its fields may hold. Pure."""

from typing import Any

from channels_im.messenger.attachment_cards import is_known
from channels_im.messenger.attachments import parse_attachments, parse_referral
from channels_im.messenger.descriptions import describe
from channels_im.messenger.event_types import AnsweredContent, AttachmentRef, Echo, Event, MessageReceived
from channels_im.messenger.links import as_link
from channels_im.messenger.templates import choices_in
from channels_im.messenger.values import as_account_id, as_bool, as_dict, as_id, as_list, as_text
from channels_im.messenger.webhook_items import Item


def parse_message(item: Item, content: dict[str, Any]) -> Event:
    """Return the event of the item of a message: an Echo when the Page wrote it."""
    mid = as_id(content.get("mid"))
    is_echo = as_bool(content.get("is_echo")) or item.from_page
    is_deleted = as_bool(content.get("is_deleted"))
    reply_to = as_dict(content.get("reply_to"))
    quick_reply = as_dict(content.get("quick_reply"))
    commands = (as_text(as_dict(command).get("name")) for command in as_list(content.get("commands")))
    prefix = "echo" if is_echo else "message"
    prefix = f"deleted-{prefix}" if is_deleted else prefix
    fields = {
        **item.base(f"{prefix}:{mid}" if mid else item.content_key("message"), from_page=is_echo),
        "mid": mid,
        "text": as_text(content.get("text")),
        "attachments": (*parse_attachments(content), *_content_beside_attachments(content)),
        "reply_to_mid": as_id(reply_to.get("mid")),
        "answered": _answered(reply_to),
        "quick_replies": choices_in(content.get("quick_replies")),
        "quick_reply_payload": as_text(quick_reply.get("payload")) or as_text(quick_reply.get("title")),
        "referral": parse_referral(content.get("referral")),
        "is_deleted": is_deleted,
        "is_unsupported": as_bool(content.get("is_unsupported")),
        "commands": tuple(name for name in commands if name),
        "hop_app_id": _hop_app_id(item.raw.get("hop_context")),
    }
    if is_echo:
        return Echo(**fields, app_id=as_account_id(content.get("app_id")), metadata=as_text(content.get("metadata")))
    return MessageReceived(**fields)


# The fields of `message` that are read or say nothing to a person.
_MESSAGE_FIELDS = frozenset(
    {"mid", "seq", "text", "attachments", "reply_to", "quick_reply", "quick_replies", "referral", "commands", "nlp"}
    | {"is_echo", "is_deleted", "is_unsupported", "is_self", "app_id", "metadata", "sticker_id", "tags", "traces"}
)


def _content_beside_attachments(content: dict[str, Any]) -> list[AttachmentRef]:
    """Return what a message holds in fields of its own, such as a `poll`, as attachments of that type.

    Fields of unknown names count only in a message without anything else: Meta adds such that are no content.
    """
    others = [name for name, value in content.items() if name not in _MESSAGE_FIELDS and _says_something(value)]
    if content.get("text") or content.get("attachments"):
        others = [name for name in others if is_known(name)]
    return [AttachmentRef(type=name[:64], raw={"type": name, "payload": content[name]}) for name in others]


def _says_something(value: Any) -> bool:
    return not isinstance(value, bool) and bool(describe(value))


def _answered(reply_to: dict[str, Any]) -> tuple[AnsweredContent, ...]:
    """Return what `reply_to` names besides a message, such as a story."""
    found = []
    for kind, value in reply_to.items():
        if kind in ("mid", "is_self_reply") or not isinstance(value, dict):
            continue
        url = as_link(value.get("url")) or as_link(value.get("link"))
        skip = {"id", "url", "link"} if url else {"id"}
        found.append(AnsweredContent(kind=kind[:64], id=as_id(value.get("id")), url=url, details=describe(value, skip)))
    return tuple(found)


def _hop_app_id(hop_context: Any) -> str | None:
    hops = (as_account_id(as_dict(hop).get("app_id")) for hop in as_list(hop_context))
    return next((hop for hop in hops if hop), None)
