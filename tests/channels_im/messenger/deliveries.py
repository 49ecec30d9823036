"""Deliveries as Meta sends them, for the tests of the event parser."""

import json
from typing import Any

PAGE = "1010101010"
PSID = "7001"
AT = 1_790_000_000_001


def item(*, _from_page: bool = False, **content: Any) -> dict[str, Any]:
    """Return one item of `messaging`; keyword arguments replace or add keys, None takes one away."""
    sender, recipient = (PAGE, PSID) if _from_page else (PSID, PAGE)
    whole = {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": AT, **content}
    return {key: value for key, value in whole.items() if value is not None}


def delivery(*items: Any, channel: str = "messaging", page: Any = PAGE) -> bytes:
    """Return a delivery with one entry per item."""
    entries = [{"id": page, "time": AT + 500, channel: [each]} for each in items]
    return json.dumps({"object": "page", "entry": entries}).encode()


def text_message(mid: str = "m_1", text: str = "hello") -> dict[str, Any]:
    """Return a customer's plain message."""
    return item(message={"mid": mid, "text": text})


# One of each kind, with everything the contract documents.
EVERY_KIND: list[dict[str, Any]] = [
    text_message(),
    item(
        message={
            "mid": "m_2",
            "text": "with all",
            "reply_to": {"mid": "m_1", "is_self_reply": False},
            "quick_reply": {"payload": "YES"},
            "commands": [{"name": "flights"}],
            "attachments": [
                {"type": "image", "payload": {"url": "https://scontent.xx.fbcdn.net/a.jpg"}},
                {"type": "sticker", "payload": {"url": "https://scontent.xx.fbcdn.net/s.png", "sticker_id": 1}},
                {"type": "fallback", "payload": {"url": "https://l.facebook.com/l.php?u=x", "title": "A link"}},
                {"type": "location", "payload": {"coordinates": {"lat": 52.5, "long": 13.4}}},
                {
                    "type": "template",
                    "payload": {"product": {"elements": [{"id": "1", "title": "Mug", "subtitle": "12 EUR"}]}},
                },
                {
                    "type": "appointment_booking",
                    "payload": {
                        "booking_id": 5,
                        "status": "confirmed",
                        "start_time": 1_790_000_000,
                        "end_time": 1_790_003_600,
                        "timezone": "Europe/Berlin",
                    },
                },
            ],
            "referral": {
                "ref": "r",
                "ad_id": 9,
                "source": "ADS",
                "type": "OPEN_THREAD",
                "ads_context_data": {"ad_title": "Sale", "photo_url": "https://x/p.jpg", "post_id": "8"},
            },
        }
    ),
    item(_from_page=True, message={"mid": "m_3", "text": "ours", "is_echo": True, "app_id": 1, "metadata": "desk:5"}),
    item(message_edit={"mid": "m_1", "text": "edited", "num_edit": 2}),
    item(reaction={"mid": "m_3", "reaction": "love", "emoji": "❤", "action": "react"}),
    item(read={"watermark": AT}),
    item(delivery={"mids": ["m_3"], "watermark": AT}),
    item(postback={"mid": "m_4", "title": "Start", "payload": "START", "referral": {"ref": "x"}}),
    item(referral={"ref": "shop", "source": "SHORTLINK", "type": "OPEN_THREAD"}),
    item(optin={"type": "notification_messages", "title": "News", "payload": "P"}),
    item(account_linking={"status": "linked", "authorization_code": "c"}),
    item(pass_thread_control={"previous_owner_app_id": "1", "new_owner_app_id": 263902037430900, "metadata": "x"}),
    item(take_thread_control={"previous_owner_app_id": None, "new_owner_app_id": "2"}),
    item(request_thread_control={"requested_owner_app_id": "3"}),
    item(sender=None, app_roles={"123": ["primary_receiver"]}),
    item(sender=None, policy_enforcement={"action": "block", "reason": "spam"}),
    item(response_feedback={"feedback": "Good response", "mid": "m_3"}),
    item(
        messaging_feedback={
            "feedback_screens": [
                {"screen_id": 0, "questions": {"q1": {"type": "csat", "payload": "4", "follow_up": {"payload": "ok"}}}}
            ]
        }
    ),
    item(order={"products": [{"name": "Mug", "quantity": 2, "unit_price": 12.5, "currency": "EUR"}], "note": "n"}),
]
