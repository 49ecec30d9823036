"""What a customer, a bot or Meta can put into a conversation besides text and files, ready to be sent.

Shapes as in Meta's documentation where it has one, else as they were seen in real traffic (see the README).
"""

from dataclasses import dataclass
from typing import Any

from sandbox import chat, events, ids, webhooks
from sandbox.store import Doc
from sandbox.world import INBOX_APP_ID, World

OTHER_APP_ID = "555000000000555"


@dataclass(frozen=True)
class Sample:
    """One thing to send. `side` is customer, page (the inbox), bot (another app), event or call; `content` is its JSON.

    For customer, page and bot `content` replaces fields of the message; for event it is the item, for call the call.
    """

    label: str
    side: str
    content: dict[str, Any]


def _attached(kind: str, payload: Any = None, **beside: Any) -> dict[str, Any]:
    return {"attachments": [{"type": kind, "payload": payload, **beside}]}


def _template(kind: str, **payload: Any) -> dict[str, Any]:
    return _attached("template", {"template_type": kind, **payload})


_AD = {
    "ref": "spring",
    "source": "ADS",
    "type": "OPEN_THREAD",
    "ad_id": "6045246247433",
    "ads_context_data": {"ad_title": "Spring wheels", "post_id": "1010_2020"},
}
_BUTTONS = [
    {"type": "web_url", "title": "Open the shop", "url": "https://shop.example/"},
    {"type": "postback", "title": "Talk to a person", "payload": "HUMAN"},
]
_FLIGHT = {
    "flight_number": "KL123",
    "departure_airport": {"airport_code": "AMS", "city": "Amsterdam", "gate": "G8"},
    "arrival_airport": {"airport_code": "SFO", "city": "San Francisco"},
    "flight_schedule": {"boarding_time": "2026-12-05T19:05", "departure_time": "2026-12-05T19:45"},
}
_OPT_IN = {
    "type": "notification_messages",
    "title": "News",
    "payload": "news",
    "notification_messages_token": "sandbox-notification-token",
    "notification_messages_frequency": "WEEKLY",
    "token_expiry_timestamp": 1_830_000_000_000,
    "user_token_status": "NOT_REFRESHED",
}

SAMPLES: dict[str, Sample] = {
    # --- What the customer sends
    "ad": Sample(
        "Text, link and ad",
        "customer",
        {
            "text": "Is this still available?",
            "referral": _AD,
            **_attached("fallback", {"url": "https://shop.example/w", "title": "Wheel"}),
        },
    ),
    "story_reply": Sample(
        "Reply to a story",
        "customer",
        {
            "text": "Is this still available?",
            "reply_to": {"story": {"id": "180001", "url": "https://lookaside.fbsbx.com/s"}},
        },
    ),
    "story_mention": Sample(
        "Mention in a story", "customer", _attached("story_mention", {"url": "https://lookaside.fbsbx.com/m"})
    ),
    "reel": Sample(
        "Reel by its path",
        "customer",
        _attached("ig_reel", {"url": "/reel/998877665544/", "reel_video_id": 998877665544}),
    ),
    "post": Sample("Post by its id", "customer", _attached("post", {"id": "1010_2020", "title": "New wheels"})),
    "location": Sample(
        "Location",
        "customer",
        _attached("location", {"coordinates": {"lat": 52.5163, "long": 13.3777}}, title="Berlin"),
    ),
    "contact": Sample("Contact", "customer", _attached("contact", {"name": "Ana Lima", "phone_number": "+49 30 555"})),
    "poll": Sample(
        "Poll",
        "customer",
        _attached("poll", {"question": "When?", "options": [{"text": "Monday", "votes": 2}, {"text": "Friday"}]}),
    ),
    "gif": Sample("GIF by link", "customer", _attached("gif", {"url": "https://media.example/cat.gif"})),
    "wave": Sample("Wave", "customer", _attached("wave")),
    "view_once": Sample("View once", "customer", _attached("ephemeral")),
    "unsupported": Sample("Unsupported", "customer", {"is_unsupported": True}),
    "brand_new": Sample("Unknown kind", "customer", _attached("hologram", {"shape": "cat"})),
    # --- What the Page or a bot sends
    "buttons": Sample("Buttons", "bot", _template("button", text="How can we help?", buttons=_BUTTONS)),
    "quick_replies": Sample(
        "Quick replies",
        "bot",
        {
            "text": "Which size?",
            "quick_replies": [
                {"content_type": "text", "title": size, "payload": f"SIZE_{size}"} for size in ("S", "M", "L")
            ],
        },
    ),
    "carousel": Sample(
        "Products",
        "bot",
        _template(
            "generic",
            elements=[
                {"title": "Mug", "subtitle": "12 EUR", "buttons": _BUTTONS},
                {"title": "Bottle", "subtitle": "18 EUR", "default_action": {"url": "https://shop.example/b"}},
            ],
        ),
    ),
    "receipt": Sample(
        "Receipt",
        "page",
        _template(
            "receipt",
            order_number="12345678902",
            recipient_name="Lena Weber",
            currency="EUR",
            payment_method="Visa 2345",
            summary={"subtotal": 75, "shipping_cost": 4.95, "total_cost": 79.95},
            elements=[{"title": "T-shirt", "quantity": 3, "price": 25}],
        ),
    ),
    "coupon": Sample(
        "Coupon", "page", _template("coupon", title="10% off", subtitle="Until May", coupon_code="10PERCENT")
    ),
    "boarding_pass": Sample(
        "Boarding pass",
        "bot",
        _template(
            "airline_boardingpass",
            intro_message="You are checked in.",
            boarding_pass=[
                {"passenger_name": "WEBER/LENA", "pnr_number": "CG4X7U", "seat": "7A", "flight_info": _FLIGHT}
            ],
        ),
    ),
    "itinerary": Sample(
        "Itinerary",
        "bot",
        _template(
            "airline_itinerary",
            intro_message="Here is your itinerary.",
            pnr_number="ABCDEF",
            passenger_info=[{"name": "Lena Weber"}],
            flight_info=[_FLIGHT],
            total_price="1400",
            currency="EUR",
        ),
    ),
    "media": Sample(
        "Video with a button",
        "bot",
        _template(
            "media",
            elements=[{"media_type": "video", "url": "https://www.facebook.com/v/1", "buttons": _BUTTONS[:1]}],
        ),
    ),
    "feedback_request": Sample(
        "Ask for feedback",
        "bot",
        _template(
            "customer_feedback",
            title="Rate your visit",
            button_title="Rate",
            feedback_screens=[{"questions": [{"id": "q1", "type": "csat", "title": "How was it?"}]}],
        ),
    ),
    # --- Events
    "opt_in": Sample("Agree to news", "event", {"optin": _OPT_IN}),
    "opt_out": Sample(
        "Stop news", "event", {"optin": {**_OPT_IN, "notification_messages_status": "STOP_NOTIFICATIONS"}}
    ),
    "taken_old_form": Sample(
        "Another app takes over (old form)",
        "event",
        {"take_thread_control": {"previous_owner_app_id": "{app_id}", "metadata": "from another app"}},
    ),
    "control_requested": Sample(
        "Another app requests control", "event", {"request_thread_control": {"requested_owner_app_id": OTHER_APP_ID}}
    ),
    "missed_call": Sample("Missed call", "call", {"event": "terminate", "status": "MISSED"}),
}


SIDES = {"customer": "The customer sends", "page": "The Page inbox sends", "bot": "A bot sends", "event": "Events"}


def by_side() -> dict[str, dict[str, str]]:
    """Return the labels of the samples by name, under a heading for each side."""
    sides = {"call": "event"}
    return {
        heading: {name: row.label for name, row in SAMPLES.items() if sides.get(row.side, row.side) == side}
        for side, heading in SIDES.items()
    }


def send(world: World, customer: Doc, page_id: str, name: str) -> Doc:
    """Send one of SAMPLES. Raise ValueError with a sentence when there is none of this name, or it cannot be sent."""
    sample = SAMPLES.get(name)
    if sample is None:
        raise ValueError(f"There is no sample called {name}. Choose one of {', '.join(SAMPLES)}.")
    if sample.side == "customer":
        return {"mid": chat.customer_message(world, customer, page_id, **_parts(sample.content))["mid"]}
    if sample.side == "event":
        item = _filled(sample.content, world.config.app_id)
        if name == "taken_old_form":
            return _sent(_take_in_old_form(world, customer, page_id, item))
        thread = world.open_thread(page_id, customer["id"])
        return _sent(webhooks.emit(world, thread, events.from_customer(thread, world.now_ms(), **item)))
    if sample.side == "call":
        thread = world.open_thread(page_id, customer["id"])
        call = {"id": ids.new_mid(), "from": thread["psid"], "to": page_id, "timestamp": world.now_ms()}
        # Sent whether or not the app is subscribed to `calls`.
        return _sent(webhooks.enqueue(world, page_id, "calls", {**call, **sample.content}, "calls", force=True))
    known = world.find_thread(page_id, customer["id"])
    if known is None:
        raise ValueError("A Page cannot write first: send a message as the customer.")
    parts = _parts(sample.content)
    content = {"text": parts["text"], "attachments": parts["attachments"], "extra": parts["extra"]}
    content["quick_replies"] = sample.content.get("quick_replies")
    app_id = INBOX_APP_ID if sample.side == "page" else OTHER_APP_ID
    return {"mid": chat.page_message(world, known, content, app_id=app_id)["mid"]}


def _sent(key: str | None) -> Doc:
    if key is None:
        raise ValueError("No app is subscribed to this event of the Page, so nothing was sent.")
    return {"id": key}


def _take_in_old_form(world: World, customer: Doc, page_id: str, item: Doc) -> str | None:
    """Give the thread to another app with an event that does not name it."""
    thread = world.open_thread(page_id, customer["id"])
    key = webhooks.emit(world, thread, events.from_customer(thread, world.now_ms(), **item))
    chat.change_owner(world, thread, OTHER_APP_ID, emit=False)
    return key


def _parts(content: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `chat.customer_message`: what is no text or attachment goes into the message as it is."""
    attachments = [{"type": item["type"], "raw": item} for item in content.get("attachments", ())]
    extra = {name: value for name, value in content.items() if name not in ("text", "attachments")}
    return {"text": content.get("text"), "attachments": attachments, "extra": extra or None}


def _filled(value: Any, app_id: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(child, app_id) for name, child in value.items()}
    return app_id if value == "{app_id}" else value
