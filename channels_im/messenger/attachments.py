"""Parse attachments, referrals and orders of a webhook item into the dataclasses of `event_types.py`. Pure.

Nothing here raises, whatever the JSON contains.
"""

from typing import Any

from channels_im.messenger.descriptions import describe
from channels_im.messenger.event_types import FILE_TYPES, AttachmentRef, ReferralInfo
from channels_im.messenger.links import FACEBOOK, INSTAGRAM, as_link
from channels_im.messenger.values import as_dict, as_id, as_int, as_list, as_text, as_visible, as_web_url

#: Types of attachments that hold several pictures (since June 2026; Meta documents no form).
PICTURE_GRIDS = frozenset({"image_grid", "images", "album"})


def parse_attachments(message: dict[str, Any]) -> tuple[AttachmentRef, ...]:
    """Return the attachments of a `message` object in order, without the duplicate of a sticker.

    Between June and August 2026 Meta sent a sticker as an `image` and a `sticker` item; before, only as an image with a
    `sticker_id`. Each of these becomes one attachment of type "sticker".
    """
    raw = message.get("attachments")
    items = raw if isinstance(raw, list) else as_list(as_dict(raw).get("data") or raw)
    refs = [_attachment(each, message) for item in items for each in (_pictures_of_grid(item) or [item])]
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
    addresses = (payload.get("url"), raw.get("url"), raw.get("URL"))
    if kind in FILE_TYPES:
        url = next((found for found in map(as_web_url, addresses) if found), None)
    else:
        site = INSTAGRAM if kind.startswith("ig_") else FACEBOOK
        url = next((found for address in addresses if (found := as_link(address, site))), None)
    return AttachmentRef(
        type=kind,
        url=url,
        title=as_visible(payload.get("title")) or as_visible(raw.get("title")),
        sticker_id=sticker_id,
        raw=raw,
    )


def _pictures_of_grid(item: Any) -> list[dict[str, Any]]:
    """Return the pictures of a grid as items of their own; [] of anything else, and when no picture has an address."""
    fields = as_dict(item)
    payload = as_dict(fields.get("payload"))
    if str(fields.get("type")).lower() not in PICTURE_GRIDS:
        return []
    listed: Any = next((payload[name] for name in ("images", "elements", "media", "data") if payload.get(name)), [])
    urls = map(_picture_address, listed if isinstance(listed, list) else as_list(listed))
    return [{"type": "image", "payload": {"url": url}} for url in urls if url]


def _picture_address(value: Any) -> str | None:
    fields = as_dict(value)
    inner = as_dict(fields.get("payload"))
    addresses = [value, *(holder.get(name) for holder in (fields, inner) for name in ("image_url", "url"))]
    found = (as_web_url(f"https:{each}" if str(each).startswith("//") else each) for each in addresses)
    return next((url for url in found if url), None)


def _was_image(ref: AttachmentRef) -> bool:
    return ref.raw.get("type") == "image"


def _is_copy(ref: AttachmentRef, urls: set[str], sticker_ids: set[str]) -> bool:
    same = (ref.url is not None and ref.url in urls) or (ref.sticker_id is not None and ref.sticker_id in sticker_ids)
    return _was_image(ref) and same


# Fields of a referral that Desk reads, and `type`, which is always OPEN_THREAD.
_REFERRAL_FIELDS = frozenset({"ref", "source", "type", "ad_id", "referer_uri", "product", "ads_context_data"})
_AD_FIELDS = frozenset({"ad_title", "photo_url", "video_url", "post_id", "product_id"})


def parse_referral(raw: Any, lead: Any = None) -> ReferralInfo | None:
    """Return where the customer came from, or None when `raw` says nothing. A text alone is the reference."""
    if not isinstance(raw, dict):
        ref = as_visible(raw)
        return ReferralInfo(ref=ref) if ref else None
    ads = as_dict(raw.get("ads_context_data"))
    product = as_dict(raw.get("product"))
    others = [describe(raw, _REFERRAL_FIELDS), describe(ads, _AD_FIELDS), describe(product, ("id",))]
    info = ReferralInfo(
        ref=as_visible(raw.get("ref")),
        source=as_visible(raw.get("source")),
        type=as_visible(raw.get("type")),
        ad_id=as_id(raw.get("ad_id")),
        referer_uri=as_link(raw.get("referer_uri")),
        ad_title=as_visible(ads.get("ad_title")),
        photo_url=as_link(ads.get("photo_url")),
        video_url=as_link(ads.get("video_url")),
        post_id=as_id(ads.get("post_id")),
        product_id=as_id(product.get("id")) or as_id(ads.get("product_id")),
        lead=_lead(lead),
        details="\n".join(text for text in others if text),
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
