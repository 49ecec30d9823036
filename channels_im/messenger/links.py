"""Make links from what Meta sends in place of a whole address: a path, `//host/path`, or only an id. Pure.

Every link that a card shows comes from here. A link is http(s) and is never fetched.
"""

import re
from typing import Any
from urllib.parse import quote

from channels_im.messenger.values import MAX_URL_CHARS, as_dict, as_id, as_web_url

FACEBOOK = "https://www.facebook.com"
INSTAGRAM = "https://www.instagram.com"

# A host with a name, perhaps a port, and then nothing or a path, a query or a fragment.
_HOST = re.compile(r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?\.[a-z]{2,}(:\d{1,5})?([/?#].*)?", re.IGNORECASE)
_BARE = re.compile(
    r"(www\.|(m\.)?(facebook|instagram|messenger)\.com(/|$)|(m|fb)\.me(/|$)|fb\.watch(/|$))", re.IGNORECASE
)
_ID = re.compile(r"[A-Za-z0-9_\-]{1,64}")
# Characters with which an address would end where it stands in a text.
_QUOTED = {ord(char): quote(char) for char in "<>\"'“”"}


def as_link(value: Any, site: str = FACEBOOK) -> str | None:
    """Return an address as a link, else None. A path is one of `site`, an address without a scheme is https."""
    if not isinstance(value, str) or len(value) > MAX_URL_CHARS:
        return None
    address = value.strip()
    if address.startswith("//"):
        address = f"https:{address}" if _HOST.fullmatch(address[2:]) else ""
    elif address.startswith("/"):
        address = site + address
    elif _BARE.match(address) and _HOST.fullmatch(address):
        address = f"https://{address}"
    link = as_web_url(address)
    return link.translate(_QUOTED) if link else None


def link_of_id(value: Any, folder: str = "") -> str | None:
    """Return the link to an object of Facebook by its id, in `folder` if it has one (`reel`); None for no id."""
    number = as_id(value)
    if number is None or not _ID.fullmatch(number):
        return None
    return f"{FACEBOOK}/{folder}/{number}" if folder else f"{FACEBOOK}/{number}"


def instagram_link(value: Any, folder: str) -> str | None:
    """Return the link to a reel or post of Instagram by its short code. A number is no short code: then None."""
    code = as_id(value)
    if code is None or code.isdecimal() or not _ID.fullmatch(code):
        return None
    return f"{INSTAGRAM}/{folder}/{code}/"


def coordinates_in(payload: dict[str, Any]) -> tuple[str, str] | None:
    """Return latitude and longitude in decimal degrees as text, None when one is missing or impossible."""
    holder = as_dict(payload.get("coordinates")) or payload
    latitude = _degrees(holder, ("lat", "latitude"), 90)
    longitude = _degrees(holder, ("long", "lng", "lon", "longitude"), 180)
    return (latitude, longitude) if latitude and longitude else None


def map_link(latitude: str, longitude: str) -> str:
    """Return the link that shows a place on a map."""
    return f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=16/{latitude}/{longitude}"


def _degrees(holder: dict[str, Any], names: tuple[str, ...], limit: int) -> str:
    value: Any = next((holder[name] for name in names if holder.get(name) is not None), None)
    if isinstance(value, str):
        value = value.strip()
        if not re.fullmatch(r"-?\d{1,3}(\.\d{1,20})?", value, re.ASCII):
            return ""
        return value if abs(float(value)) <= limit else ""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > limit:
        return ""
    return f"{value:.8f}".rstrip("0").rstrip(".")
