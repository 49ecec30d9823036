"""Who may read how much waits in Desk: `/metrics`, and the details of `/readyz`."""

import hmac

from django.conf import settings
from django.http import HttpRequest

from desk import proxies


def has_metrics_access(request: HttpRequest) -> bool:
    """Return whether the request has the token of DESK_METRICS_TOKEN or an address of DESK_METRICS_ALLOW."""
    return _has_token(request) or _has_address(request)


def may_see_details(request: HttpRequest) -> bool:
    """Return whether the request may read `/metrics`, or comes from this machine itself and not through a proxy."""
    address = None if proxies.is_forwarded(request) else proxies.connection(request)
    return (address is not None and address.is_loopback) or has_metrics_access(request)


def _has_token(request: HttpRequest) -> bool:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")  # English only: a header
    expected = settings.DESK_METRICS_TOKEN
    is_bearer = bool(expected) and scheme.lower() == "bearer"
    return is_bearer and hmac.compare_digest(token.strip().encode(), expected.encode())


def _has_address(request: HttpRequest) -> bool:
    """Return whether the caller connects directly, without a proxy, from an address of DESK_METRICS_ALLOW."""
    address = None if proxies.is_forwarded(request) else proxies.connection(request)
    return address is not None and any(address in network for network in settings.DESK_METRICS_ALLOW)
