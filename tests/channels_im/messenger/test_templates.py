"""What an agent sees of the templates that bots and the Page send: the same as the customer."""

from typing import Any

import pytest

from channels_im.messenger.events import Card, Choice, cards_for, parse_delivery
from tests.channels_im.messenger.deliveries import TEMPLATES, delivery, item

BUTTONS = (
    Choice("Open", "https://shop.example/o"),
    Choice("More", payload="MORE"),
    Choice("Log in", "https://shop.example/login"),
)
FLIGHT = (
    "Flight: KL123, Amsterdam (AMS) terminal T4 gate G8 → San Francisco (SFO), boarding 2026-01-05T19:05, "
    "departure 2026-01-05T19:45"
)


def cards_of(payload: Any) -> tuple[Card, ...]:
    echo = {"mid": "m", "is_echo": True, "attachments": [{"type": "template", "payload": payload}]}
    (event,) = parse_delivery(delivery(item(_from_page=True, message=echo)))
    return cards_for(event)


WANTED: dict[str, tuple[Card, ...]] = {
    "generic": (
        Card("template", "Mug", "blue", "https://shop.example/mug", "https://shop.example/m.png", BUTTONS),
        Card("template", "Cup", choices=(Choice("Buy", payload="BUY"),)),
    ),
    "button": (Card("template", "What next?", choices=BUTTONS),),
    "media": (
        Card("template", "Video", "", "https://www.facebook.com/p/videos/9/", choices=BUTTONS),
        Card("template", "Picture", "Attachment 5"),
    ),
    "receipt": (
        Card(
            "receipt",
            "Receipt 12345678902",
            "For: Stephane Crozatier\nOrdered on 2026-09-21 14:13 UTC\n2 × T-shirt – 100% cotton: 50 USD\n"
            "New customer discount: 20 USD\nSubtotal: 75 USD\nShipping: 4.95 USD\nTax: 6.19 USD\nTotal: 56.14 USD\n"
            "Payment: Visa 2345\nTo: 1 Hacker Way, 94025, Menlo Park, US",
            "https://shop.example/order/1",
        ),
    ),
    "coupon": (
        Card(
            "coupon",
            "10% off",
            "Until May\nCode: 10PERCENT",
            "https://shop.example/c",
            choices=(Choice("Shop now", "https://shop.example/c"),),
        ),
    ),
    "customer_feedback": (
        Card("feedback_request", "Rate us", "It takes a minute\nHow was it?", choices=(Choice("Rate"),)),
    ),
    "open_graph": (Card("link", "Shared link", "", "https://music.example/t", choices=BUTTONS),),
    "airline_boardingpass": (
        Card(
            "boarding_pass",
            "Boarding pass",
            "You are checked in.\nPassenger: SMITH/NICOLAS\nBooking: CG4X7U\nSeat: 74J\n"
            f"{FLIGHT}\nTerminal: T1\nCode: M1SMITH",
        ),
    ),
    "airline_itinerary": (
        Card(
            "itinerary",
            "Itinerary ABCDEF",
            f"Here is your itinerary.\nPassenger: Farbound Smith, ticket 0741234567890\n{FLIGHT}\nSeat: 12A\n"
            "Fuel surcharge: 1597 USD\nBase price: 12206 USD\nTotal: 14003 USD",
        ),
    ),
    "airline_checkin": (
        Card("check_in", "Check-in for booking ABCDEF", f"Check-in is open.\n{FLIGHT}", "https://air.example/in"),
    ),
    "airline_update": (Card("flight_update", "Delay", f"Your flight is late.\nBooking: CF23G2\n{FLIGHT}"),),
    "brand_new": (Card("template", "Message with buttons or products", "Shape: cat"),),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_shows_what_the_customer_saw(name: str) -> None:
    assert cards_of(TEMPLATES[name]) == WANTED[name]


def test_a_product_shows_title_price_and_picture() -> None:
    mug = {"id": "1", "retailer_id": "r1", "title": "Mug", "subtitle": "12 EUR", "image_url": "https://x.fbcdn.net/m"}
    assert cards_of({"product": {"elements": [mug, {"id": "2"}]}}) == (
        Card("template", "Mug", "12 EUR", picture_url="https://x.fbcdn.net/m"),
        Card("template", "Product 2"),
    )


@pytest.mark.parametrize("payload", [None, {}, [], "x", {"elements": "junk"}, {"template_type": "receipt"}])
def test_a_template_without_content_is_still_named(payload: Any) -> None:
    (found,) = cards_of(payload)
    assert found.title in ("Message with buttons or products", "Receipt")
