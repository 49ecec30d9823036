"""DESK_PUBLIC_URL: the address at which people and Meta reach Desk. Pure; make serve and the settings ask here."""

import ipaddress
import re
from urllib.parse import urlsplit

import idna

EXAMPLE = "such as https://desk.example.com"  # English only: for the console
DEFAULT_PORTS = {"https": 443, "http": 80}
LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
HOST = re.compile(rf"{LABEL}(\.{LABEL})*")


def normalise(url: str) -> str:
    """Return the address as browsers send it: host in lower case and in ASCII, no slash at the end.

    Raises ValueError with a sentence for an address that cannot work: Desk needs a host of its own, because all its
    links begin at the root.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        if port == 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"DESK_PUBLIC_URL is {url!r}, which is not a valid address. Write one {EXAMPLE}") from None
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise ValueError(f"DESK_PUBLIC_URL is {url!r}; it must be a full address {EXAMPLE}")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"DESK_PUBLIC_URL is {url!r}. Desk needs a host of its own and cannot run below a path: use a subdomain "
            f"{EXAMPLE}, without path, query or user name"
        )
    name = f"[{host}]" if ":" in host else _ascii(host.rstrip("."), url)
    return f"{parts.scheme}://{name}" + ("" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}")


def _ascii(host: str, url: str) -> str:
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        name = ""
    if not HOST.fullmatch(name):
        raise ValueError(f"DESK_PUBLIC_URL is {url!r}, and its host name is not valid. Write one {EXAMPLE}")
    return name


def host_of(url: str) -> str:
    """Return the host of a normalised address, as ALLOWED_HOSTS wants it: an IPv6 address in brackets."""
    return re.sub(r":\d+$", "", urlsplit(url).netloc)


def is_local(url: str) -> bool:
    """Return whether a normalised address leads to the machine itself: localhost or a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
