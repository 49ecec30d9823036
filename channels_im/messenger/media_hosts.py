"""From where files may be fetched: META_MEDIA_HOSTS against a URL, and public addresses only. Pure but for the DNS.

An entry with a leading dot (`.fbcdn.net`) allows every host below it: https on port 443 at public addresses only. An
entry written out in full (`127.0.0.1:8090`) allows that host and port alone, also by http and at a private address.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from desk.safe_http import DEFAULT_PORTS, is_listed, is_public, resolve

MAX_URL_CHARS = 8192

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?")
_BLANKS_AND_BACKSLASH = re.compile(r"[\x00-\x20\x7f\\]")


class TargetRefused(Exception):
    """A URL that is not fetched; `reason` is one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Target:
    """Where a request goes. `selector` is the quoted path with its query; `trusted`: the host is listed in full."""

    scheme: str
    host: str
    port: int
    selector: str
    trusted: bool


def target(url: str, allowed: Iterable[str]) -> Target:
    """Return where `url` leads, or raise TargetRefused when it is malformed or not allowed."""
    if not isinstance(url, str) or len(url) > MAX_URL_CHARS or _BLANKS_AND_BACKSLASH.search(url):
        raise TargetRefused("The file's address is malformed.")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise TargetRefused("The file's address is malformed.") from None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise TargetRefused("The file's address is not an https address.")
    if "@" in parts.netloc:
        raise TargetRefused("The file's address holds a user name.")
    port = port or DEFAULT_PORTS[scheme]
    allowed = [entry.strip().lower() for entry in allowed]
    trusted = is_listed(host, port, scheme, allowed)
    if not trusted and not _is_below(host, allowed):
        raise TargetRefused("The file lies on a host that is not Facebook's.")
    if not trusted and scheme != "https":
        raise TargetRefused("The file's address is not an https address.")
    if not trusted and port != 443:
        raise TargetRefused("The file's address has an unusual port.")
    selector = quote(parts.path or "/", safe="/%:=&~+!$,;'()*@-._")
    if parts.query:
        selector += "?" + quote(parts.query, safe="/%:=&?~+!$,;'()*@-._")
    return Target(scheme, host, port, selector, trusted)


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads, still to be asked of `target`. Raises TargetRefused when it is malformed."""
    try:
        return urljoin(url, location.strip())
    except ValueError:
        raise TargetRefused("The file's address leads on to a malformed one.") from None


def addresses(found: Target) -> list[str]:
    """Resolve the host once; what comes out is what is connected to. Raises TargetRefused, or OSError when DNS fails.

    One private address among several refuses them all: an honest content network has none.
    """
    resolved = resolve(found.host, found.port)
    if not found.trusted and not all(map(is_public, resolved)):
        raise TargetRefused("The file's host leads to a private address.")
    return resolved


def _is_below(host: str, allowed: Iterable[str]) -> bool:
    if not _HOST_NAME.fullmatch(host):
        return False
    return any(entry.startswith(".") and len(entry) > 1 and host.endswith(entry) for entry in allowed)
