"""Make the cards of message templates, so that agents see what the customer saw. Pure.

Source: Meta, "Message templates" (generic, button, media, receipt, coupon, product, customer feedback, open graph,
airline). Echoes contain the template as it was sent. Unknown templates are described field by field.
"""

from collections.abc import Callable, Iterable
from typing import Any

from channels_im.messenger.card_types import Card, Choice, lines
from channels_im.messenger.descriptions import describe, label
from channels_im.messenger.links import as_link
from channels_im.messenger.values import as_dict, as_id, as_int, as_list, as_moment, as_visible
from desk.sentences import sentence

UNTITLED = sentence("Message with buttons or products")
#: Titles of buttons that have none of their own, by type.
BUTTON_TITLES = {
    "account_link": sentence("Log in"),
    "account_unlink": sentence("Log out"),
    "game_play": sentence("Play"),
    "element_share": sentence("Share"),
    "phone_number": sentence("Call this number"),
    "user_phone_number": sentence("Phone number"),
    "user_email": sentence("Email"),
    "location": sentence("Location"),
}


def template_cards(payload: dict[str, Any]) -> tuple[Card, ...]:
    """Return the cards of a template, one for each element of a carousel; at least one."""
    kind = as_visible(payload.get("template_type")) or ""
    make = _MAKERS.get(kind.lower(), _generic)
    cards = tuple(card for card in make(payload) if card.text or card.title != UNTITLED or card.url or card.choices)
    return cards or (Card("template", UNTITLED, describe(payload), as_link(payload.get("url"))),)


def choices_in(values: Any) -> tuple[Choice, ...]:
    """Return buttons or quick replies that have a title, or a type that says what they do."""
    found = []
    for button in map(as_dict, as_list(values)):
        kind = as_visible(button.get("type")) or as_visible(button.get("content_type")) or ""
        title = as_visible(button.get("title")) or BUTTON_TITLES.get(kind.lower())
        if title:
            found.append(Choice(title, as_link(button.get("url")), as_visible(button.get("payload"))))
    return tuple(found)


# --- Generic, button, product, media, open graph ----------------------------------------------------------------------
def _generic(payload: dict[str, Any]) -> Iterable[Card]:
    intro, buttons = as_visible(payload.get("text")), choices_in(payload.get("buttons"))
    if intro or buttons:
        yield Card("template", intro or UNTITLED, "", as_link(payload.get("url")), choices=buttons)
    product = as_dict(payload.get("product"))
    elements = [*as_list(product.get("elements")), *as_list(payload.get("elements"))]
    for element in map(as_dict, elements):
        yield _element(element)


def _element(element: dict[str, Any]) -> Card:
    title, subtitle = as_visible(element.get("title")), as_visible(element.get("subtitle"))
    number = as_id(element.get("retailer_id")) or as_id(element.get("id"))
    url = as_link(as_dict(element.get("default_action")).get("url")) or as_link(element.get("item_url"))
    known = {"title", "subtitle", "buttons", "default_action", "item_url", "url", "image_url", "id", "retailer_id"}
    return Card(
        "template",
        title or (sentence("Product %(value)s", value=number) if number else UNTITLED),
        lines(subtitle, describe(element, known)),
        url or as_link(element.get("url")),
        as_link(element.get("image_url")),
        choices_in(element.get("buttons")),
    )


def _media(payload: dict[str, Any]) -> Iterable[Card]:
    for element in map(as_dict, as_list(payload.get("elements"))):
        name = as_visible(element.get("media_type")) or "media"
        title = {"image": sentence("Picture"), "video": sentence("Video")}.get(name.lower(), label(name))
        number = as_id(element.get("attachment_id"))
        text = sentence("Attachment %(number)s", number=number) if number else ""
        yield Card("template", title, text, as_link(element.get("url")), choices=choices_in(element.get("buttons")))


def _open_graph(payload: dict[str, Any]) -> Iterable[Card]:
    for element in map(as_dict, as_list(payload.get("elements"))):
        title = as_visible(element.get("title")) or sentence("Shared link")
        subtitle = as_visible(element.get("subtitle")) or ""
        yield Card("link", title, subtitle, as_link(element.get("url")), choices=choices_in(element.get("buttons")))


# --- Receipt, coupon, feedback ----------------------------------------------------------------------------------------
def _receipt(payload: dict[str, Any]) -> Iterable[Card]:
    number = as_id(payload.get("order_number"))
    currency = as_visible(payload.get("currency"))
    ordered_at = as_moment(payload.get("timestamp"))
    summary = as_dict(payload.get("summary"))
    money = [
        ("subtotal", sentence("Subtotal: %(value)s")),
        ("shipping_cost", sentence("Shipping: %(value)s")),
        ("total_tax", sentence("Tax: %(value)s")),
        ("total_cost", sentence("Total: %(value)s")),
    ]
    text = lines(
        as_visible(payload.get("merchant_name")),
        _labelled(sentence("For: %(value)s"), payload.get("recipient_name")),
        sentence("Ordered on %(time)s UTC", time=f"{ordered_at:%Y-%m-%d %H:%M}") if ordered_at else None,
        *(_receipt_line(as_dict(element), currency) for element in as_list(payload.get("elements"))),
        *(
            _named(row.get("name"), _price(row.get("amount"), currency), sentence("Adjustment: %(value)s"))
            for row in map(as_dict, as_list(payload.get("adjustments")))
        ),
        *(_labelled(line, _price(summary.get(name), currency)) for name, line in money),
        _labelled(sentence("Payment: %(value)s"), payload.get("payment_method")),
        _labelled(sentence("To: %(value)s"), _address(as_dict(payload.get("address")))),
    )
    title = sentence("Receipt %(number)s", number=number) if number else sentence("Receipt")
    yield Card("receipt", title, text, as_link(payload.get("order_url")), choices=choices_in(payload.get("buttons")))


def _receipt_line(element: dict[str, Any], currency: str | None) -> str:
    name = as_visible(element.get("title")) or sentence("Item")
    quantity = as_int(element.get("quantity"))
    price = _price(element.get("price"), as_visible(element.get("currency")) or currency)
    subtitle = as_visible(element.get("subtitle"))
    line = f"{quantity} × {name}" if quantity else name
    return line + (f" – {subtitle}" if subtitle else "") + (f": {price}" if price else "")


def _address(address: dict[str, Any]) -> str:
    names = ("street_1", "street_2", "postal_code", "city", "state", "country")
    return ", ".join(part for part in (as_visible(address.get(name)) for name in names) if part)


def _coupon(payload: dict[str, Any]) -> Iterable[Card]:
    title = as_visible(payload.get("title")) or sentence("Coupon")
    url = as_link(payload.get("coupon_url"))
    button = as_visible(payload.get("coupon_url_button_title"))
    text = lines(
        as_visible(payload.get("coupon_pre_message")),
        as_visible(payload.get("subtitle")),
        _labelled(sentence("Code: %(value)s"), payload.get("coupon_code")),
    )
    choices = (Choice(button, url),) if button else ()
    yield Card("coupon", title, text, url, as_link(payload.get("image_url")), choices)


def _feedback(payload: dict[str, Any]) -> Iterable[Card]:
    screens = map(as_dict, as_list(payload.get("feedback_screens")))
    questions = [as_dict(question) for screen in screens for question in as_list(screen.get("questions"))]
    button = as_visible(payload.get("button_title"))
    text = lines(as_visible(payload.get("subtitle")), *(as_visible(question.get("title")) for question in questions))
    choices = (Choice(button),) if button else ()
    yield Card(
        "feedback_request", as_visible(payload.get("title")) or sentence("Request for feedback"), text, choices=choices
    )


# --- Airline ----------------------------------------------------------------------------------------------------------
def _boarding_pass(payload: dict[str, Any]) -> Iterable[Card]:
    intro = as_visible(payload.get("intro_message"))
    for boarding_pass in map(as_dict, as_list(payload.get("boarding_pass"))):
        fields = [
            *as_list(boarding_pass.get("auxiliary_fields")),
            *as_list(boarding_pass.get("secondary_fields")),
        ]
        text = lines(
            intro,
            _labelled(_PASSENGER, boarding_pass.get("passenger_name")),
            _labelled(sentence("Booking: %(value)s"), boarding_pass.get("pnr_number")),
            _labelled(sentence("Class: %(value)s"), boarding_pass.get("travel_class")),
            _labelled(sentence("Seat: %(value)s"), boarding_pass.get("seat")),
            _flight(as_dict(boarding_pass.get("flight_info"))),
            *(_named(row.get("label"), row.get("value")) for row in map(as_dict, fields)),
            _labelled(sentence("Code: %(value)s"), boarding_pass.get("qr_code")),
        )
        yield Card("boarding_pass", sentence("Boarding pass"), text, as_link(boarding_pass.get("barcode_image_url")))


def _itinerary(payload: dict[str, Any]) -> Iterable[Card]:
    currency = as_visible(payload.get("currency"))
    rows = {name: [as_dict(row) for row in as_list(payload.get(name))] for name in _ITINERARY_LISTS}
    number = as_id(payload.get("pnr_number"))
    text = lines(
        as_visible(payload.get("intro_message")),
        *(_passenger(row) for row in rows["passenger_info"]),
        *(_flight(row) for row in rows["flight_info"]),
        *(_labelled(sentence("Seat: %(value)s"), row.get("seat")) for row in rows["passenger_segment_info"]),
        *(
            _named(row.get("title"), _price(row.get("amount"), as_visible(row.get("currency")) or currency))
            for row in rows["price_info"]
        ),
        _labelled(sentence("Base price: %(value)s"), _price(payload.get("base_price"), currency)),
        _labelled(sentence("Tax: %(value)s"), _price(payload.get("tax"), currency)),
        _labelled(sentence("Total: %(value)s"), _price(payload.get("total_price"), currency)),
    )
    yield Card("itinerary", sentence("Itinerary %(number)s", number=number) if number else sentence("Itinerary"), text)


def _check_in(payload: dict[str, Any]) -> Iterable[Card]:
    number = as_id(payload.get("pnr_number"))
    flights = (_flight(as_dict(row)) for row in as_list(payload.get("flight_info")))
    text = lines(as_visible(payload.get("intro_message")), *flights)
    yield Card(
        "check_in",
        sentence("Check-in for booking %(number)s", number=number) if number else sentence("Check-in"),
        text,
        as_link(payload.get("checkin_url")),
    )


def _flight_update(payload: dict[str, Any]) -> Iterable[Card]:
    kind = as_visible(payload.get("update_type"))
    text = lines(
        as_visible(payload.get("intro_message")),
        _labelled(sentence("Booking: %(value)s"), payload.get("pnr_number")),
        _flight(as_dict(payload.get("update_flight_info"))),
    )
    yield Card("flight_update", label(kind) if kind else sentence("Flight update"), text)


def _passenger(row: dict[str, Any]) -> str | None:
    name, ticket = as_visible(row.get("name")), as_id(row.get("ticket_number"))
    if name and ticket:
        return sentence("Passenger: %(name)s, ticket %(ticket)s", name=name, ticket=ticket)
    return _labelled(_PASSENGER, name) or _labelled(sentence("Passenger: ticket %(value)s"), ticket)


def _flight(info: dict[str, Any]) -> str | None:
    """Return a flight in one line: number, from and to with gates, and its times."""
    ends = [_airport(as_dict(info.get(name))) for name in ("departure_airport", "arrival_airport")]
    schedule = as_dict(info.get("flight_schedule"))
    times = (_labelled(line, schedule.get(name)) for name, line in _FLIGHT_TIMES.items())
    parts = [
        as_visible(info.get("flight_number")),
        " → ".join(end for end in ends if end),
        *times,
        as_visible(info.get("travel_class")),
        as_visible(info.get("aircraft_type")),
    ]
    # Its parts are translated one by one.
    text = ", ".join(part for part in parts if part)
    return sentence("Flight: %(parts_text)s", parts_text=text) if as_visible(text) else None


def _airport(airport: dict[str, Any]) -> str:
    code = as_visible(airport.get("airport_code"))
    place = " ".join(filter(None, (as_visible(airport.get("city")), f"({code})" if code else None)))
    details = (
        _labelled(sentence("terminal %(value)s"), airport.get("terminal")),
        _labelled(sentence("gate %(value)s"), airport.get("gate")),
    )
    return " ".join(filter(None, (place, *details)))


def _labelled(line: str, value: Any) -> str | None:
    """Return a line of the catalogues with its value, or None without one."""
    text = as_visible(value)
    return sentence(line, value=text) if text else None


def _named(name: Any, value: Any, without_name: str = "%(value)s") -> str | None:
    """Return a value with the name that Meta's JSON gives it; `without_name` is a line of the catalogues."""
    name, text = as_visible(name), as_visible(value)
    return f"{name}: {text}" if name and text else _labelled(without_name, text)


def _price(value: Any, currency: str | None) -> str | None:
    amount = as_visible(value)
    return " ".join(filter(None, (amount, currency))) if amount else None


_PASSENGER = sentence("Passenger: %(value)s")
_FLIGHT_TIMES = {
    "boarding_time": sentence("boarding %(value)s"),
    "departure_time": sentence("departure %(value)s"),
    "arrival_time": sentence("arrival %(value)s"),
}
_ITINERARY_LISTS = ("passenger_info", "flight_info", "passenger_segment_info", "price_info")
_MAKERS: dict[str, Callable[[dict[str, Any]], Iterable[Card]]] = {
    "receipt": _receipt,
    "coupon": _coupon,
    "customer_feedback": _feedback,
    "media": _media,
    "open_graph": _open_graph,
    "airline_boardingpass": _boarding_pass,
    "airline_itinerary": _itinerary,
    "airline_checkin": _check_in,
    "airline_update": _flight_update,
}
