"""Parse attachments, referrals and orders of a webhook item into the dataclasses of `event_types.py`. Pure.

Nothing here raises, whatever the JSON contains.
"""

from typing import Any
from zoneinfo import ZoneInfo

from channels_im.messenger.event_types import AttachmentRef, ReferralInfo
from channels_im.messenger.values import as_dict, as_id, as_int, as_list, as_moment, as_text, as_web_url


def parse_attachments(message: dict[str, Any]) -> tuple[AttachmentRef, ...]:
    """Return the attachments of a `message` object in order, without the duplicate of a sticker.

    Between June and August 2026 Meta sent a sticker as an `image` and a `sticker` item; before, only as an image with a
    `sticker_id`. Each of these becomes one attachment of type "sticker".
    """
    raw = message.get("attachments")
    items = raw if isinstance(raw, list) else as_list(as_dict(raw).get("data") or raw)
    refs = [_attachment(item, message) for item in items]
    stickers = [ref for ref in refs if ref.type == "sticker" and not _was_image(ref)]
    seen_urls = {ref.url for ref in stickers if ref.url}
    seen_ids = {ref.sticker_id for ref in stickers if ref.sticker_id}
    return tuple(ref for ref in refs if not _is_copy(ref, seen_urls, seen_ids))


def _attachment(item: Any, message: dict[str, Any]) -> AttachmentRef:
    raw = item if isinstance(item, dict) else {"value": item}
    payload = as_dict(raw.get("payload"))
    kind = as_text(raw.get("type")) if isinstance(raw.get("type"), str) else None
    kind = (kind or "unknown")[:64]
    sticker_id = as_id(payload.get("sticker_id"))
    if kind == "image" and sticker_id is None:
        sticker_id = as_id(message.get("sticker_id"))
    if kind == "image" and sticker_id is not None:
        kind = "sticker"
    return AttachmentRef(
        type=kind,
        url=as_web_url(payload.get("url")) or as_web_url(raw.get("url")) or as_web_url(raw.get("URL")),
        title=as_text(payload.get("title")) or as_text(raw.get("title")),
        sticker_id=sticker_id,
        text=_describe(kind, payload, raw),
        raw=raw,
    )


def _was_image(ref: AttachmentRef) -> bool:
    return ref.raw.get("type") == "image"


def _is_copy(ref: AttachmentRef, urls: set[str], sticker_ids: set[str]) -> bool:
    same = (ref.url is not None and ref.url in urls) or (ref.sticker_id is not None and ref.sticker_id in sticker_ids)
    return _was_image(ref) and same


def _describe(kind: str, payload: dict[str, Any], raw: dict[str, Any]) -> str | None:
    if kind == "template":
        return _template_text(payload)
    if kind == "appointment_booking":
        return _booking_text(payload)
    if kind == "location":
        return _location_text(payload)
    return as_text(payload.get("text")) or as_text(raw.get("text"))


def _template_text(payload: dict[str, Any]) -> str | None:
    lines = [as_text(payload.get("text"))]
    product = as_dict(payload.get("product"))
    for element in [*as_list(product.get("elements")), *as_list(payload.get("elements"))]:
        fields = as_dict(element)
        parts = [as_text(fields.get("title")), as_text(fields.get("subtitle")), _button_titles(fields)]
        lines.append(" – ".join(part for part in parts if part))
    lines.append(_button_titles(payload))
    return "\n".join(line for line in lines if line) or None


def _button_titles(holder: dict[str, Any]) -> str:
    titles = (as_text(as_dict(button).get("title")) for button in as_list(holder.get("buttons")))
    return " ".join(f"[{title}]" for title in titles if title)


def _booking_text(payload: dict[str, Any]) -> str | None:
    zone = as_text(payload.get("timezone"))
    begin, end = (_local_time(payload.get(name), zone) for name in ("start_time", "end_time"))
    when = " to ".join(moment for moment in (begin, end) if moment)
    number = as_id(payload.get("booking_id"))
    parts = [as_text(payload.get("status")), when, f"booking {number}" if number else None]
    return ", ".join(part for part in parts if part) or None


def _local_time(value: Any, zone: str | None) -> str | None:
    moment = as_moment(value)
    if moment is None:
        return None
    try:
        moment = moment.astimezone(ZoneInfo(zone)) if zone else moment
    except (KeyError, ValueError, OSError):
        # ZoneInfoNotFoundError is a KeyError; a name that is a folder or has invalid characters raises the others.
        return f"{moment:%Y-%m-%d %H:%M %Z}"
    return f"{moment:%Y-%m-%d %H:%M %Z}"


def _location_text(payload: dict[str, Any]) -> str | None:
    coordinates = as_dict(payload.get("coordinates"))
    pair = [_coordinate(coordinates.get("lat")), _coordinate(coordinates.get("long"))]
    return ", ".join(pair) if all(pair) else None


def _coordinate(value: Any) -> str:
    if isinstance(value, str):
        value = value.strip()
        return value if value.lstrip("-").replace(".", "", 1).isdecimal() and len(value) < 30 else ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and abs(value) <= 180 else ""


def parse_referral(raw: Any, lead: Any = None) -> ReferralInfo | None:
    """Return where the customer came from, or None when `raw` is not an object or has no known field."""
    if not isinstance(raw, dict):
        return None
    ads = as_dict(raw.get("ads_context_data"))
    product = as_dict(raw.get("product"))
    info = ReferralInfo(
        ref=as_text(raw.get("ref")),
        source=as_text(raw.get("source")),
        type=as_text(raw.get("type")),
        ad_id=as_id(raw.get("ad_id")),
        referer_uri=as_web_url(raw.get("referer_uri")),
        ad_title=as_text(ads.get("ad_title")),
        photo_url=as_web_url(ads.get("photo_url")),
        video_url=as_web_url(ads.get("video_url")),
        post_id=as_id(ads.get("post_id")),
        product_id=as_id(product.get("id")) or as_id(ads.get("product_id")),
        lead=_lead(lead),
    )
    return info if info != ReferralInfo() else None


def _lead(lead: Any) -> tuple[tuple[str, str], ...]:
    rows = (as_dict(row) for row in as_list(as_dict(lead).get("data")))
    pairs = ((as_text(row.get("question")), _answer(row.get("answer"))) for row in rows)
    return tuple((question, answer) for question, answer in pairs if question and answer)


def _answer(value: Any) -> str | None:
    if isinstance(value, list):
        return ", ".join(text for text in map(as_text, value) if text) or None
    return as_text(value)


def parse_products(order: dict[str, Any]) -> tuple[str, ...]:
    """Return an order's products as lines of text, such as "2 × Mug (12.50 EUR)"."""
    lines = []
    for product in map(as_dict, as_list(order.get("products"))):
        name = as_text(product.get("name")) or as_text(product.get("title")) or as_id(product.get("retailer_id"))
        name = name or as_id(product.get("id"))
        if not name:
            continue
        quantity = as_int(product.get("quantity")) or 1
        price = as_text(product.get("unit_price"))
        cost = " ".join(part for part in (price, as_text(product.get("currency"))) if part)
        lines.append(f"{quantity} × {name}" + (f" ({cost})" if price else ""))
    return tuple(lines)
