"""What a proxy in front of Desk says about a request: believed only from the addresses of DESK_TRUSTED_PROXIES.

A proxy adds the address that connected to it at the end of X-Forwarded-For, and sets X-Forwarded-Proto. Whoever
reaches the port of `web` past the proxy could write these headers too, and choose the address by which failed logins
are counted.
"""

import ipaddress
import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
HEADERS = ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded")  # English only: a header
MOST_NAMED = 20  # addresses that are named in the log as not trusted, in each process
_named: set[str] = set()


def parse(text: str) -> Address | None:
    """Return an address, or None when the text is none. One of IPv4 that is written as IPv6 is returned as IPv4."""
    try:
        address = ipaddress.ip_address(text.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_forwarded(request: HttpRequest) -> bool:
    """Return whether anybody wrote a header of a proxy into the request."""
    return any(name in request.headers for name in HEADERS)


def connection(request: HttpRequest) -> Address | None:
    """Return the address that connects to this process; None for a Unix socket."""
    return parse(request.META.get("REMOTE_ADDR") or "")


def is_from_proxy(request: HttpRequest) -> bool:
    """Return whether a trusted proxy passes the request on. Only our own processes reach a Unix socket."""
    if not settings.DESK_BEHIND_PROXY:
        return False
    address = connection(request)
    return address is None or any(address in network for network in settings.DESK_TRUSTED_PROXIES)


def client_address(request: HttpRequest) -> Address | None:
    """Return the address of the client: the last that the proxy wrote, else that of the connection."""
    forwarded = request.headers.get("X-Forwarded-For", "") if is_from_proxy(request) else ""
    return parse(forwarded.rpartition(",")[2]) or connection(request)


class TrustedProxies:
    """Middleware: remove X-Forwarded-Proto from a request that did not come through a trusted proxy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.DESK_BEHIND_PROXY and is_forwarded(request) and not is_from_proxy(request):
            request.META["HTTP_X_FORWARDED_PROTO"] = ""  # it stays visible that a proxy's header was sent
            _name(str(connection(request)))
        return self.get_response(request)


def _name(address: str) -> None:
    if address not in _named and len(_named) < MOST_NAMED:
        _named.add(address)
        logger.warning(
            "X-Forwarded headers from %s are ignored. When this is your proxy, add it to DESK_TRUSTED_PROXIES.", address
        )
