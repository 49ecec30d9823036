"""Webhook items in Meta's shape, and the field each belongs to (DOC/webhooks/webhook-events)."""

from typing import Any

from sandbox import files, pictures
from sandbox.store import Doc
from sandbox.world import World

# Key inside the item -> subscription field. `message` with is_echo is message_echoes.
FIELD_OF_KEY = {
    "message": "messages",
    "message_edit": "message_edits",
    "reaction": "message_reactions",
    "read": "message_reads",
    "delivery": "message_deliveries",
    "postback": "messaging_postbacks",
    "referral": "messaging_referrals",
    "optin": "messaging_optins",
    "optout": "messaging_optouts",
    "account_linking": "messaging_account_linking",
    "pass_thread_control": "messaging_handovers",
    "take_thread_control": "messaging_handovers",
    "request_thread_control": "messaging_handovers",
    "app_roles": "messaging_handovers",
    "policy_enforcement": "messaging_policy_enforcement",
    "policy-enforcement": "messaging_policy_enforcement",
    "response_feedback": "response_feedback",
    "messaging_feedback": "messaging_feedback",
    "messaging_customer_information": "messaging_customer_information",
    "order": "send_cart",
}
# The events that an app receives on standby while it does not hold the thread (DOC/webhooks/webhook-events/standby).
STANDBY_KEYS = {"message", "read", "delivery", "postback", "reaction", "message_edit", "referral"}


def field_of(item: dict[str, Any]) -> str:
    """Return the subscription field of an item; unknown kinds count as `messages`."""
    for key, field in FIELD_OF_KEY.items():
        if key in item:
            message = item[key]
            if key == "message" and isinstance(message, dict) and message.get("is_echo"):
                return "message_echoes"
            return field
    return "messages"


def from_customer(thread: Doc, timestamp: int, **content: Any) -> dict[str, Any]:
    """Return an item sent by the customer; `timestamp` in ms."""
    return {
        "sender": {"id": thread["psid"]},
        "recipient": {"id": thread["page"]},
        "timestamp": timestamp,
        **content,
    }


def message_item(world: World, thread: Doc, message: Doc) -> dict[str, Any]:
    """Return the item for a message of the customer, or the echo of one of the Page."""
    body: dict[str, Any] = {"mid": message["mid"]}
    if message["from"] == "page":
        body["is_echo"] = True
        body["app_id"] = int(message["app_id"])
        if message.get("metadata") is not None:
            body["metadata"] = message["metadata"]
    if message.get("text") is not None:
        body["text"] = message["text"]
    if message.get("quick_reply"):
        body["quick_reply"] = {"payload": message["quick_reply"]}
    if message.get("reply_to"):
        replied = world.store.messages.get(message["reply_to"])
        own = replied is not None and replied["from"] == message["from"]
        body["reply_to"] = {"mid": message["reply_to"], "is_self_reply": own}
    if message.get("attachments"):
        body["attachments"] = [attachment(world, item) for item in message["attachments"]]
    body.update(message.get("extra") or {})
    item = from_customer(thread, message["ts"], message=body)
    if message["from"] == "page":
        item["sender"], item["recipient"] = item["recipient"], item["sender"]
    return item


def attachment(world: World, stored: dict[str, Any]) -> dict[str, Any]:
    """Return one item of `attachments[]` for what is stored: a file, a sticker, or something `raw`."""
    if "raw" in stored:
        return stored["raw"]
    if stored["type"] == "sticker":
        number = stored["sticker_id"]
        url = pictures.signed_url(world, "sticker", number)
        return {"type": "sticker", "payload": {"url": url, "sticker_id": int(number)}}
    return {"type": stored["type"], "payload": {"url": files.cdn_url(world, world.store.files[stored["file"]])}}
