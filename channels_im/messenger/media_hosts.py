"""From where files may be fetched: META_MEDIA_HOSTS against a URL, and public addresses only. Pure but for the DNS.

An entry with a leading dot (`.fbcdn.net`) allows every host below it: https on port 443 at public addresses only. An
entry written out in full (`127.0.0.1:8090`) allows that host and port alone, also by http and at a private address.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

MAX_URL_CHARS = 8192

_DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?")
_BLANKS_AND_BACKSLASH = re.compile(r"[\x00-\x20\x7f\\]")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


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
    if scheme not in _DEFAULT_PORTS:
        raise TargetRefused("The file's address is not an https address.")
    if "@" in parts.netloc:
        raise TargetRefused("The file's address holds a user name.")
    port = port or _DEFAULT_PORTS[scheme]
    allowed = [entry.strip().lower() for entry in allowed]
    trusted = _is_listed(host, port, scheme, allowed)
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
    infos = socket.getaddrinfo(found.host, found.port, type=socket.SOCK_STREAM)
    resolved = list(dict.fromkeys(str(info[4][0]) for info in infos))
    if not found.trusted and not all(map(is_public, resolved)):
        raise TargetRefused("The file's host leads to a private address.")
    return resolved


def is_public(address: str) -> bool:
    """Say whether an IP address is on the public internet, looking also into IPv6 addresses that wrap an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if ip.version == 6:
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if wrapped is None and ip in _NAT64:
            wrapped = ipaddress.ip_address(int(ip) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _is_listed(host: str, port: int, scheme: str, allowed: Iterable[str]) -> bool:
    for entry in allowed:
        if entry.startswith(".") or not entry:
            continue
        try:
            listed = urlsplit(f"//{entry}")
            listed_host, listed_port = listed.hostname, listed.port
        except ValueError:
            continue
        if listed_host == host and (listed_port or _DEFAULT_PORTS[scheme]) == port:
            return True
    return False


def _is_below(host: str, allowed: Iterable[str]) -> bool:
    if not _HOST_NAME.fullmatch(host):
        return False
    return any(entry.startswith(".") and len(entry) > 1 and host.endswith(entry) for entry in allowed)
