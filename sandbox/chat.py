"""Events of a conversation: what the customer does and the Page's messages, each with its webhooks.

Times are milliseconds. A function that is called with invalid values raises ValueError with a sentence.
"""

from typing import Any

from sandbox import events, ids, webhooks
from sandbox.store import Doc
from sandbox.world import INBOX_APP_ID, World

# Values of `reaction` in webhooks (DOC/webhooks/webhook-events/message-reactions) and an emoji for each.
REACTIONS = {
    "love": "❤",
    "smile": "😆",
    "wow": "😮",
    "sad": "😢",
    "angry": "😠",
    "like": "👍",
    "dislike": "👎",
}
MAX_EDITS = 5


def reaction(name_or_emoji: str) -> dict[str, str]:
    """Return {reaction, emoji} for a name of REACTIONS or any emoji (then `other`)."""
    if name_or_emoji in REACTIONS:
        return {"reaction": name_or_emoji, "emoji": REACTIONS[name_or_emoji]}
    for name, emoji in REACTIONS.items():
        if emoji == name_or_emoji:
            return {"reaction": name, "emoji": emoji}
    return {"reaction": "other", "emoji": name_or_emoji}


# Threads -------------------------------------------------------------------------------------------------------


def owner(world: World, thread: Doc) -> str | None:
    """Return the app that holds the thread, or None. Control ends 24 h after the customer's last action.

    Source: DOC/conversation-routing.
    """
    if thread["owner"] is not None and thread["owner_until"] <= world.now():
        thread["owner"] = None
        world.save_thread(thread)
    return thread["owner"]


def change_owner(world: World, thread: Doc, app_id: str | None, *, metadata: str = "", emit: bool = True) -> None:
    """Give the thread to an app (None: to nobody) and, with `emit`, send the pass or take event."""
    previous = owner(world, thread)
    thread["owner"] = app_id
    thread["owner_until"] = int(world.now()) + 24 * 3600
    world.save_thread(thread)
    if not emit:
        return
    key = "take_thread_control" if app_id not in (None, world.config.app_id) else "pass_thread_control"
    body: dict[str, Any] = {"previous_owner_app_id": previous, "new_owner_app_id": app_id}
    if metadata:
        body["metadata"] = metadata
    webhooks.emit(world, thread, events.from_customer(thread, world.now_ms(), **{key: body}))


def _writable_thread(world: World, customer: Doc, page_id: str) -> Doc:
    page = world.store.pages.get(page_id)
    if page is None:
        raise ValueError(f"There is no Page {page_id}.")
    if not page["published"]:
        raise ValueError(f"{page['name']} is not published, so nobody can write to it.")
    thread = world.open_thread(page_id, customer["id"])
    if thread["blocked"]:
        raise ValueError(f"{page['name']} has blocked {customer['name']}: the message does not reach it.")
    return thread


def _record_act(world: World, thread: Doc, at: int, *, opens_window: bool = True) -> None:
    if opens_window:
        thread["last_action_at"] = max(thread["last_action_at"], at)
        if thread["owner"] is not None:
            thread["owner_until"] = max(thread["owner_until"], at / 1000 + 24 * 3600)
    world.save_thread(thread)


def _record_ad(thread: Doc, body: Any, at: int) -> None:
    """Keep when an ad brought the customer: the window is longer then."""
    if isinstance(body, dict) and body.get("source") == "ADS" and body.get("ad_id"):
        thread["ad_at"] = max(thread.get("ad_at", 0), at)


def _message_and_thread(world: World, customer: Doc, mid: str) -> tuple[Doc, Doc]:
    message = world.store.messages.get(mid)
    thread = world.store.threads.get(message["thread"]) if message else None
    if message is None or thread is None or thread["customer"] != customer["id"]:
        raise ValueError(f"{customer['name']} has no conversation with the message {mid}.")
    return message, thread


def _new_message(thread: Doc, side: str, ts: int, mid: str | None, **content: Any) -> Doc:
    return {
        "mid": mid or ids.new_mid(),
        "thread": thread["key"],
        "from": side,
        "ts": ts,
        "text": None,
        "attachments": [],
        "reply_to": None,
        "reactions": {},
        "edits": 0,
        "deleted": False,
        "app_id": None,
        "metadata": None,
        "author": None,
        **content,
    }


# The customer --------------------------------------------------------------------------------------------------


def customer_message(
    world: World,
    customer: Doc,
    page_id: str,
    *,
    text: str | None = None,
    attachments: list[Doc] | None = None,
    reply_to: str | None = None,
    quick_reply: str | None = None,
    timestamp: int | None = None,
    mid: str | None = None,
    extra: dict[str, Any] | None = None,
    silent: bool = False,
    force: bool = False,
) -> Doc:
    """Store a message of the customer and send its webhook.

    `timestamp` (ms) is its time, by default now; `extra` replaces keys of the webhook's message object. `silent` sends
    no webhook; `force` sends it even when no app is subscribed.
    """
    if not text and not attachments and not extra:
        raise ValueError("A message needs text, a file or a sticker.")
    thread = _writable_thread(world, customer, page_id)
    if reply_to is not None and world.store.messages.get(reply_to, {}).get("thread") != thread["key"]:
        raise ValueError(f"reply_to is not a message of this conversation: {reply_to}")
    if mid in world.store.messages:
        raise ValueError(f"There is a message {mid} already.")
    ts = world.now_ms() if timestamp is None else int(timestamp)
    message = world.add_message(
        _new_message(
            thread,
            "customer",
            ts,
            mid,
            text=text or None,
            attachments=attachments or [],
            reply_to=reply_to,
            quick_reply=quick_reply,
            extra=extra,
        )
    )
    thread["read_watermark"] = max(thread["read_watermark"], ts)
    _record_ad(thread, (extra or {}).get("referral"), ts)
    _record_act(world, thread, ts)
    if not silent:
        webhooks.emit(world, thread, events.message_item(world, thread, message), mid=message["mid"], force=force)
    return message


def edit(world: World, customer: Doc, mid: str, text: str) -> Doc:
    """Edit a text message of the customer, at most MAX_EDITS times."""
    message, thread = _message_and_thread(world, customer, mid)
    if message["from"] != "customer" or message["deleted"] or message["text"] is None:
        raise ValueError("A customer can edit only a text message of their own that is not unsent.")
    if not text:
        raise ValueError("The edited text is empty.")
    if message["edits"] >= MAX_EDITS:
        raise ValueError(f"A message can be edited {MAX_EDITS} times at most.")
    message["text"] = text
    message["edits"] += 1
    world.save_message(message)
    body = {"mid": mid, "text": text, "num_edit": message["edits"]}
    webhooks.emit(world, thread, events.from_customer(thread, world.now_ms(), message_edit=body))
    return message


def unsend(world: World, customer: Doc, mid: str) -> Doc:
    """Unsend a message of the customer. Meta documents is_deleted for Instagram alone (see the README)."""
    message, thread = _message_and_thread(world, customer, mid)
    if message["from"] != "customer":
        raise ValueError("A customer can unsend only a message of their own.")
    message["deleted"] = True
    world.save_message(message)
    webhooks.emit(world, thread, events.from_customer(thread, world.now_ms(), message={"mid": mid, "is_deleted": True}))
    return message


def react(world: World, customer: Doc, mid: str, name_or_emoji: str | None) -> Doc:
    """Set the customer's reaction to any message of the conversation; None removes it. A reaction opens the window."""
    message, thread = _message_and_thread(world, customer, mid)
    former = message["reactions"].get("customer")
    now = world.now_ms()
    if name_or_emoji:
        message["reactions"]["customer"] = given = reaction(name_or_emoji)
        action = "react"
    elif former:
        del message["reactions"]["customer"]
        given, action = former, "unreact"
    else:
        raise ValueError("There is no reaction to remove.")
    world.save_message(message)
    _record_act(world, thread, now, opens_window=action == "react")
    body = {"mid": mid, "action": action}
    if action == "react":
        body |= given
    webhooks.emit(world, thread, events.from_customer(thread, now, reaction=body))
    return message


def postback(
    world: World, customer: Doc, page_id: str, title: str, payload: str, referral: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Send the postback of Get Started, a menu item or a button that the customer taps."""
    thread = _writable_thread(world, customer, page_id)
    now = world.now_ms()
    body: dict[str, Any] = {"mid": ids.new_mid(), "title": title, "payload": payload}
    if referral:
        body["referral"] = referral
    world.add_message(_new_message(thread, "customer", now, body["mid"], text=title, postback=payload))
    _record_ad(thread, referral, now)
    _record_act(world, thread, now)
    webhooks.emit(world, thread, events.from_customer(thread, now, postback=body), mid=body["mid"])
    return body


def referral(world: World, customer: Doc, page_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send the referral of a customer who comes back through an m.me link or an ad (source SHORTLINK or ADS)."""
    thread = _writable_thread(world, customer, page_id)
    body = {"source": "SHORTLINK", "type": "OPEN_THREAD", **body}
    _record_ad(thread, body, world.now_ms())
    _record_act(world, thread, world.now_ms())
    webhooks.emit(world, thread, events.from_customer(thread, world.now_ms(), referral=body))
    return body


def read(world: World, thread: Doc, at: int | None = None, *, force: bool = False) -> bool:
    """Send a read event when the customer has unread messages, or with `force`; return whether one was sent.

    `at` is the watermark in ms, by default now.
    """
    at = world.now_ms() if at is None else at
    unread = [
        message
        for message in world.thread_messages(thread["key"])
        if message["from"] == "page" and thread["read_watermark"] < message["ts"] <= at
    ]
    if not unread and not force:
        return False
    thread["read_watermark"] = max(thread["read_watermark"], at)
    world.save_thread(thread)
    webhooks.emit(world, thread, events.from_customer(thread, world.now_ms(), read={"watermark": at}))
    return True


# The Page ------------------------------------------------------------------------------------------------------


def page_message(
    world: World,
    thread: Doc,
    content: dict[str, Any],
    *,
    app_id: str,
    metadata: str | None = None,
    reply_to: str | None = None,
    timestamp: int | None = None,
    author: str | None = None,
    mid: str | None = None,
    silent: bool = False,
) -> Doc:
    """Store a message of the Page and send its echo, its delivery receipt and, with `auto_read`, its read receipt.

    `silent` sends no webhook.
    """
    ts = world.now_ms() if timestamp is None else int(timestamp)
    message = world.add_message(
        _new_message(
            thread, "page", ts, mid, app_id=app_id, metadata=metadata, reply_to=reply_to, author=author, **content
        )
    )
    thread["typing"] = False
    thread["page_seen_at"] = max(thread["page_seen_at"], ts)
    world.save_thread(thread)
    if silent:
        return message
    config = world.config
    webhooks.emit(world, thread, events.message_item(world, thread, message), mid=message["mid"])
    if config.auto_deliver:
        message["delivered_at"] = thread["delivered_watermark"] = world.now_ms()
        world.save_message(message)
        body = {"mids": [message["mid"]], "watermark": world.now_ms()}
        item = events.from_customer(thread, world.now_ms(), delivery=body)
        webhooks.emit(world, thread, item, delay_ms=int(config.delivery_delay_ms))
    if config.auto_read:
        thread["read_watermark"] = world.now_ms()
        world.save_thread(thread)
        item = events.from_customer(thread, world.now_ms(), read={"watermark": world.now_ms()})
        webhooks.emit(world, thread, item, delay_ms=int(config.read_delay_ms))
    return message


def inbox_message(
    world: World,
    thread: Doc,
    content: dict[str, Any],
    *,
    author: str | None = None,
    timestamp: int | None = None,
    silent: bool = False,
) -> Doc:
    """Store a reply from the Page's own inbox (Business Suite); it takes the thread when the Page has a default app.

    `silent` sends no webhook.
    """
    if world.store.pages[thread["page"]]["default_app"]:
        change_owner(world, thread, INBOX_APP_ID)
    return page_message(world, thread, content, app_id=INBOX_APP_ID, author=author, timestamp=timestamp, silent=silent)
