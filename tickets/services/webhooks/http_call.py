"""One call to a program that is told of an event: where it may go, how it is signed, what came of it.

Touches no database: it runs in threads.
"""

import hashlib
import hmac
import http.client
import re
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from django.conf import settings

from desk.safe_http import DEFAULT_PORTS, Exchange, is_listed, is_public, resolve

TIMEOUT_S = 10.0
_HOST = re.compile(r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?|[0-9a-f:.]+")
_BLANKS_AND_BACKSLASH = re.compile(r"[\x00-\x20\x7f\\]")
_SAFE = "/%:=&?~+!$,;'()*@-._"


class AddressRefused(Exception):
    """An address to which nothing is sent; the text says why, for people."""


@dataclass(frozen=True)
class Target:
    """Where a call goes. `selector` is the quoted path with its query; `listed`: DESK_EVENT_HOSTS names the host."""

    scheme: str
    host: str
    port: int
    selector: str
    listed: bool


@dataclass(frozen=True)
class CallResult:
    """What came of a call: the status that was answered, or None; `reason` is empty when it was taken (2xx)."""

    status: int | None
    reason: str

    @property
    def taken(self) -> bool:
        return not self.reason

    @property
    def is_gone(self) -> bool:
        """Does the receiver say that it is not there any more, and never will be again?"""
        return self.status == http.client.GONE


def parse_url(url: str) -> Target:
    """Return where `url` leads; asks no DNS. Raises AddressRefused.

    https, to any host; http, and private addresses, only to hosts that DESK_EVENT_HOSTS names.
    """
    if _BLANKS_AND_BACKSLASH.search(url) or not url.isascii():
        raise AddressRefused("The address holds a blank or a sign that addresses do not have. Check it.")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise AddressRefused("The address is malformed. Write it as https://example.com/path.") from None
    if parts.scheme not in DEFAULT_PORTS or not _HOST.fullmatch(host):
        raise AddressRefused("The address is malformed. Write it as https://example.com/path.")
    if "@" in parts.netloc:
        raise AddressRefused("The address holds a user name. Leave it out: the signature proves that it is Desk.")
    port = port or DEFAULT_PORTS[parts.scheme]
    listed = is_listed(host, port, parts.scheme, [entry.strip().lower() for entry in settings.DESK_EVENT_HOSTS])
    if not listed and parts.scheme != "https":
        raise AddressRefused("Only https addresses are allowed. DESK_EVENT_HOSTS can allow this host by http.")
    if not listed and (host == "localhost" or host.endswith(".localhost") or (_is_ip(host) and not is_public(host))):
        raise AddressRefused(PRIVATE)
    selector = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    return Target(parts.scheme, host, port, selector, listed)


PRIVATE = "The address leads to a private network, which is not allowed. DESK_EVENT_HOSTS can allow this host."


def _is_ip(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()


def signature(secrets: Iterable[str], body: bytes, at: int) -> str:
    """Return the value of Desk-Signature for `body` sent at `at` (Unix seconds): one v1 for each secret."""
    signed = str(at).encode() + b"." + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])


@dataclass(frozen=True)
class WebhookCall:
    """Everything a thread needs to tell a program of one event."""

    url: str
    event_id: str
    event_type: str
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def make(self) -> CallResult:
        """Send it; never raises what a network or a receiver can do."""
        try:
            return self._send(time.monotonic() + TIMEOUT_S)
        except AddressRefused as refused:
            return CallResult(None, str(refused))
        except ssl.SSLCertVerificationError:
            return CallResult(None, "The host could not prove who it is: its certificate is not valid.")
        except TimeoutError:
            return CallResult(None, f"No answer within {TIMEOUT_S:.0f} seconds.")
        except (OSError, http.client.HTTPException, ValueError):
            return CallResult(None, "The address could not be reached, or broke off.")

    def _send(self, deadline: float) -> CallResult:
        where = parse_url(self.url)
        addresses = resolve(where.host, where.port)
        if not where.listed and not all(map(is_public, addresses)):
            raise AddressRefused(PRIVATE)
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Desk-Event-Id": self.event_id,
            "Desk-Event-Type": self.event_type,
            "Desk-Signature": signature(self.secrets, self.body, int(time.time())),
        }
        with Exchange(where.scheme, where.host, where.port, addresses, deadline) as exchange:
            answer = exchange.request("POST", where.selector, headers, self.body)
            if not 200 <= answer.status < 300:
                moved = "; Desk follows no redirects" if 300 <= answer.status < 400 else ""
                return CallResult(answer.status, f"The address answered {answer.status}{moved}.")
            return CallResult(answer.status, "")
