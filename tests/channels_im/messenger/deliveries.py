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


BUTTONS = [
    {"type": "web_url", "title": "Open", "url": "https://shop.example/o"},
    {"type": "postback", "title": "More", "payload": "MORE"},
    {"type": "account_link", "url": "https://shop.example/login"},
]
_FLIGHT = {
    "flight_number": "KL123",
    "departure_airport": {"airport_code": "AMS", "city": "Amsterdam", "terminal": "T4", "gate": "G8"},
    "arrival_airport": {"airport_code": "SFO", "city": "San Francisco"},
    "flight_schedule": {"boarding_time": "2026-01-05T19:05", "departure_time": "2026-01-05T19:45"},
}
# The payload of each template in Meta's documentation, shortened.
TEMPLATES: dict[str, dict[str, Any]] = {
    "generic": {
        "template_type": "generic",
        "elements": [
            {
                "title": "Mug",
                "subtitle": "blue",
                "image_url": "https://shop.example/m.png",
                "default_action": {"type": "web_url", "url": "https://shop.example/mug"},
                "buttons": BUTTONS,
            },
            {"title": "Cup", "buttons": [{"type": "postback", "title": "Buy", "payload": "BUY"}]},
        ],
    },
    "button": {"template_type": "button", "text": "What next?", "buttons": BUTTONS},
    "media": {
        "template_type": "media",
        "elements": [
            {"media_type": "video", "url": "https://www.facebook.com/p/videos/9/", "buttons": BUTTONS},
            {"media_type": "image", "attachment_id": 5},
        ],
    },
    "receipt": {
        "template_type": "receipt",
        "recipient_name": "Stephane Crozatier",
        "order_number": "12345678902",
        "currency": "USD",
        "payment_method": "Visa 2345",
        "order_url": "https://shop.example/order/1",
        "timestamp": "1790000000",
        "address": {"street_1": "1 Hacker Way", "city": "Menlo Park", "postal_code": "94025", "country": "US"},
        "summary": {"subtotal": 75.00, "shipping_cost": 4.95, "total_tax": 6.19, "total_cost": 56.14},
        "adjustments": [{"name": "New customer discount", "amount": 20}],
        "elements": [{"title": "T-shirt", "subtitle": "100% cotton", "quantity": 2, "price": 50, "currency": "USD"}],
    },
    "coupon": {
        "template_type": "coupon",
        "title": "10% off",
        "subtitle": "Until May",
        "coupon_code": "10PERCENT",
        "coupon_url": "https://shop.example/c",
        "coupon_url_button_title": "Shop now",
    },
    "customer_feedback": {
        "template_type": "customer_feedback",
        "title": "Rate us",
        "subtitle": "It takes a minute",
        "button_title": "Rate",
        "feedback_screens": [{"questions": [{"id": "q1", "type": "csat", "title": "How was it?"}]}],
    },
    "open_graph": {"template_type": "open_graph", "elements": [{"url": "https://music.example/t", "buttons": BUTTONS}]},
    "airline_boardingpass": {
        "template_type": "airline_boardingpass",
        "intro_message": "You are checked in.",
        "boarding_pass": [
            {
                "passenger_name": "SMITH/NICOLAS",
                "pnr_number": "CG4X7U",
                "seat": "74J",
                "auxiliary_fields": [{"label": "Terminal", "value": "T1"}],
                "flight_info": _FLIGHT,
                "qr_code": "M1SMITH",
            }
        ],
    },
    "airline_itinerary": {
        "template_type": "airline_itinerary",
        "intro_message": "Here is your itinerary.",
        "pnr_number": "ABCDEF",
        "passenger_info": [{"name": "Farbound Smith", "ticket_number": "0741234567890"}],
        "flight_info": [_FLIGHT],
        "passenger_segment_info": [{"seat": "12A"}],
        "price_info": [{"title": "Fuel surcharge", "amount": "1597", "currency": "USD"}],
        "base_price": "12206",
        "total_price": "14003",
        "currency": "USD",
    },
    "airline_checkin": {
        "template_type": "airline_checkin",
        "intro_message": "Check-in is open.",
        "pnr_number": "ABCDEF",
        "checkin_url": "https://air.example/in",
        "flight_info": [_FLIGHT],
    },
    "airline_update": {
        "template_type": "airline_update",
        "intro_message": "Your flight is late.",
        "update_type": "delay",
        "pnr_number": "CF23G2",
        "update_flight_info": _FLIGHT,
    },
    "brand_new": {"template_type": "hologram", "shape": "cat"},
}

# One of each kind, with everything the contract documents.
EVERY_KIND: list[dict[str, Any]] = [
    text_message(),
    item(
        message={
            "mid": "m_2",
            "text": "with all",
            "reply_to": {"mid": "m_1", "is_self_reply": False, "story": {"id": "18", "url": "https://x.fbcdn.net/s"}},
            "quick_replies": [{"content_type": "text", "title": "Yes", "payload": "YES"}],
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
                {"type": "reel", "payload": {"reel_video_id": 5}},
                {"type": "poll", "payload": {"question": "When?", "options": [{"text": "Monday", "votes": 1}]}},
                {"type": "contact", "payload": {"name": "Ana"}},
                {"type": "image_grid", "payload": {"images": [{"url": "https://a.example/1"}]}},
                *({"type": "template", "payload": payload} for payload in TEMPLATES.values()),
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
    item(optout={"type": "notification_messages", "title": "News"}),
    item(call_permission_reply={"response": "accept", "expiration_timestamp": AT}),
    item(call={"id": "c1", "status": "missed", "direction": "USER_INITIATED", "duration": 5}),
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
