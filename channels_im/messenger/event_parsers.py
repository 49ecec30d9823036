"""Parse the items of a webhook delivery, one function per kind in Meta's webhook reference. Pure.

A parser gets the item and the object under the kind's key. It returns None for one that makes no sense.
"""

from collections.abc import Callable
from typing import Any

from channels_im.messenger.attachments import parse_products, parse_referral
from channels_im.messenger.event_types import (
    AccountLinking,
    Call,
    CallPermission,
    Delivered,
    Event,
    Feedback,
    MessageEdited,
    NotRecovered,
    OptIn,
    Order,
    PolicyEnforcement,
    Postback,
    Reaction,
    Read,
    Referral,
    TemplateStatus,
    ThreadControl,
)
from channels_im.messenger.message_parser import parse_message
from channels_im.messenger.recovered_events import NOT_RECOVERED
from channels_im.messenger.values import (
    as_account_id,
    as_bool,
    as_dict,
    as_duration_s,
    as_id,
    as_int,
    as_list,
    as_text,
    as_timestamp_ms,
    as_visible,
    as_watermark_ms,
    digest,
)
from channels_im.messenger.webhook_items import Item


def _message_edit(item: Item, content: dict[str, Any]) -> Event | None:
    mid = as_id(content.get("mid"))
    if mid is None:
        return None
    count = as_int(content.get("num_edit")) or 0
    # Without a count the text distinguishes one edit from the next.
    edit_id = count or digest([item.raw.get("timestamp"), content.get("text")])
    return MessageEdited(
        **item.base(f"edit:{mid}:{edit_id}"), mid=mid, text=as_text(content.get("text")), num_edit=max(0, count)
    )


def _reaction(item: Item, content: dict[str, Any]) -> Event | None:
    mid = as_id(content.get("mid"))
    if mid is None:
        return None
    action = "unreact" if as_text(content.get("action")) == "unreact" else "react"
    content_digest = digest([item.sender, content, item.raw.get("timestamp")])
    return Reaction(
        **item.base(f"reaction:{mid}:{content_digest}"),
        mid=mid,
        action=action,
        reaction=as_text(content.get("reaction")),
        emoji=as_text(content.get("emoji")),
        by_page=item.from_page,
    )


def _read(item: Item, content: dict[str, Any]) -> Event | None:
    watermark = as_watermark_ms(content.get("watermark"))
    if watermark is None:
        return None
    return Read(**item.base(f"read:{item.sender}:{watermark}"), watermark_ms=watermark)


def _delivery(item: Item, content: dict[str, Any]) -> Event | None:
    watermark = as_watermark_ms(content.get("watermark"))
    raw_mids = content.get("mids")
    mids = tuple(mid for mid in map(as_id, raw_mids) if mid) if isinstance(raw_mids, list) else ()
    if watermark is None and not mids:
        return None
    key = f"delivery:{item.sender}:{watermark}:{digest(mids)}"
    return Delivered(**item.base(key), watermark_ms=watermark, mids=mids)


def _postback(item: Item, content: dict[str, Any]) -> Event:
    mid = as_id(content.get("mid"))
    return Postback(
        **item.base(f"postback:{mid}" if mid else item.content_key("postback")),
        mid=mid,
        title=as_text(content.get("title")),
        payload=as_text(content.get("payload")),
        referral=parse_referral(content.get("referral")),
    )


def _referral(item: Item, content: dict[str, Any]) -> Event | None:
    info = parse_referral(content, item.raw.get("lead"))
    return Referral(**item.base(item.content_key("referral")), referral=info) if info else None


def _optin(item: Item, content: dict[str, Any], kind: str = "optin") -> Event:
    return OptIn(
        **item.base(item.content_key(kind)),
        is_opt_out=kind == "optout",
        type=as_text(content.get("type")),
        title=as_visible(content.get("title")) or as_visible(content.get("topic")),
        payload=as_visible(content.get("payload")),
        ref=as_visible(content.get("ref")),
        status=as_visible(content.get("user_token_status")) or as_visible(content.get("status")),
        notification_status=as_visible(content.get("notification_messages_status")),
        frequency=as_visible(content.get("notification_messages_frequency")) or as_visible(content.get("frequency")),
        expires_ms=as_timestamp_ms(content.get("token_expiry_timestamp")),
    )


def _optout(item: Item, content: dict[str, Any]) -> Event:
    return _optin(item, content, "optout")


def _account_linking(item: Item, content: dict[str, Any]) -> Event:
    return AccountLinking(**item.base(item.content_key("account_linking")), status=as_text(content.get("status")))


def _thread_control(action: str, kind: str) -> Callable[[Item, dict[str, Any]], Event]:
    def parse(item: Item, content: dict[str, Any]) -> Event:
        name = "requested_owner_app_id" if action == "request" else "new_owner_app_id"
        new_owner = content.get(name) or content.get("new_owner_app_id") or content.get("requested_owner_app_id")
        return ThreadControl(
            **item.base(item.content_key(kind)),
            action=action,
            previous_owner_app_id=as_account_id(content.get("previous_owner_app_id")),
            new_owner_app_id=as_account_id(new_owner),
            metadata=as_text(content.get("metadata")),
        )

    return parse


def _app_roles(item: Item, content: dict[str, Any]) -> Event:
    roles = []
    for app_id, names in content.items():
        texts = (as_text(name) for name in names) if isinstance(names, list) else ()
        roles.append((app_id, tuple(text for text in texts if text)))
    return ThreadControl(**item.base(item.content_key("app_roles")), action="app_roles", roles=tuple(roles))


def _policy(item: Item, content: dict[str, Any]) -> Event:
    return PolicyEnforcement(
        **item.base(item.content_key("policy_enforcement")),
        action=as_text(content.get("action")),
        reason=as_text(content.get("reason")),
    )


def _response_feedback(item: Item, content: dict[str, Any]) -> Event:
    return Feedback(
        **item.base(item.content_key("response_feedback")),
        rating=as_text(content.get("feedback")),
        mid=as_id(content.get("mid")),
    )


def _messaging_feedback(item: Item, content: dict[str, Any]) -> Event:
    answers = []
    for screen in as_list(content.get("feedback_screens")):
        for name, question in as_dict(as_dict(screen).get("questions")).items():
            fields = as_dict(question)
            parts = (as_text(fields.get("payload")), as_text(as_dict(fields.get("follow_up")).get("payload")))
            answers.append((name, " – ".join(part for part in parts if part)))
    return Feedback(**item.base(item.content_key("messaging_feedback")), answers=tuple(answers))


def _order(item: Item, content: dict[str, Any]) -> Event:
    return Order(
        **item.base(item.content_key("order")), products=parse_products(content), note=as_text(content.get("note"))
    )


def parse_call(raw: dict[str, Any], page_id: str) -> Event:
    """Return the event of one item of `entry[].calls`; the customer is whoever of the two is not the Page."""
    sender, recipient = (
        next(
            (found for name in names if (found := as_account_id(as_dict(raw.get(name)).get("id") or raw.get(name)))),
            None,
        )
        for names in (("sender", "from"), ("recipient", "to"))
    )
    if sender is None and recipient != page_id:
        sender, recipient = recipient, page_id
    return _call(Item(raw, page_id, sender, recipient, False), raw)


def _call(item: Item, content: dict[str, Any]) -> Event:
    call_id = as_id(content.get("id")) or as_id(content.get("call_id"))
    status = as_visible(content.get("status")) or as_visible(content.get("event"))
    direction = as_visible(content.get("direction"))
    media = as_visible(content.get("media_type")) or as_visible(content.get("type")) or ""
    identity = f"call:{call_id}:{status}" if call_id else f"call:{digest([item.page_id, item.raw])}"
    return Call(
        **item.base(identity),
        call_id=call_id,
        status=status.lower() if status else None,
        direction=direction.lower() if direction else None,
        is_video=as_bool(content.get("is_video")) or "video" in media.lower(),
        duration_s=as_duration_s(content.get("duration")),
    )


def parse_template_status(value: dict[str, Any], page_id: str, sent_at: Any) -> Event | None:
    """Return the event of a change of the field message_template_status_update; None without a status or a name.

    Meta documents the value for WhatsApp only: `event`, `message_template_id`, `message_template_name`,
    `message_template_language`, `reason`. `sent_at` is the time of the entry: the value has none.
    """
    status = as_visible(value.get("event")) or as_visible(value.get("status"))
    template_id = as_id(value.get("message_template_id")) or as_id(value.get("id"))
    name = as_text(value.get("message_template_name")) or as_text(value.get("name"))
    if not status or not (template_id or name):
        return None
    reason = as_text(value.get("reason")) or ""
    return TemplateStatus(
        page_id=page_id,
        psid=None,
        timestamp_ms=as_timestamp_ms(sent_at),
        original_timestamp=sent_at,
        key=f"template:{digest([page_id, sent_at, value])}",
        raw={"value": value},
        template_id=template_id or "",
        name=name or "",
        language=as_text(value.get("message_template_language")) or as_text(value.get("language")) or "",
        status=status.upper(),
        reason="" if reason.upper() == "NONE" else reason,
    )


def _call_permission(item: Item, content: dict[str, Any]) -> Event:
    response = as_visible(content.get("response")) or as_visible(content.get("status"))
    return CallPermission(
        **item.base(item.content_key("call_permission_reply")),
        response=response.lower() if response else None,
        expires_ms=as_timestamp_ms(content.get("expiration_timestamp")),
    )


def _not_recovered(item: Item, content: dict[str, Any]) -> Event | None:
    count, mid = as_int(content.get("count")), as_id(content.get("last_mid"))
    first, last = as_timestamp_ms(content.get("first")), as_timestamp_ms(content.get("last"))
    if not count or count < 1 or mid is None or first is None or last is None:
        return None
    return NotRecovered(
        **item.base(f"not-recovered:{mid}"),
        count=count,
        first_ms=first,
        last_ms=last,
        is_import=content.get("is_import") is True,
    )


PARSERS: dict[str, Callable[[Item, dict[str, Any]], Event | None]] = {
    "message": parse_message,
    "message_edit": _message_edit,
    "reaction": _reaction,
    "read": _read,
    "delivery": _delivery,
    "postback": _postback,
    "referral": _referral,
    "optin": _optin,
    "optout": _optout,
    "account_linking": _account_linking,
    "pass_thread_control": _thread_control("pass", "pass_thread_control"),
    "take_thread_control": _thread_control("take", "take_thread_control"),
    "request_thread_control": _thread_control("request", "request_thread_control"),
    "app_roles": _app_roles,
    "policy_enforcement": _policy,
    "response_feedback": _response_feedback,
    "messaging_feedback": _messaging_feedback,
    "order": _order,
    "call": _call,
    "call_permission_reply": _call_permission,
    NOT_RECOVERED: _not_recovered,
}
