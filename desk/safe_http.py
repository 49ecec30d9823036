"""HTTP to an address that somebody else chose: public IP addresses only, pinned for the connection, one deadline.

`parse_url` checks the URL. `Exchange` resolves the host, refuses addresses that are neither public nor listed, and
connects to the address it has checked, so that no caller can forget the check. It uses http.client directly, because
there the address can be pinned and one deadline can cover the TLS handshake, the headers and the body. No cookies, no
redirects, no proxies from the environment.
"""

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import certifi

from desk.errors import Refused
from desk.http import USER_AGENT
from desk.sentences import sentence

DEFAULT_PORTS = {"https": 443, "http": 80}
_CONNECT_TIMEOUT_S = 10.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.\-]*[a-z0-9_])?|[0-9a-f:.]+")  # "_" for hosts of a private network
_BLANKS_AND_BACKSLASH = re.compile(r"[\x00-\x20\x7f\\]")
_SAFE_IN_PATH = "/%:=&~+!$,;'()*@-._"
_SAFE_IN_QUERY = _SAFE_IN_PATH + "?"


class Problem(StrEnum):
    """Why an address is refused."""

    MALFORMED = "malformed"
    USER_NAME = "user_name"
    NOT_HTTPS = "not_https"
    PRIVATE = "private"


SENTENCES = {
    Problem.MALFORMED: sentence("The address is malformed. Write it as https://example.com/path."),
    Problem.USER_NAME: sentence("The address contains a user name. Remove it."),
    Problem.NOT_HTTPS: sentence("Only https addresses are allowed."),
    Problem.PRIVATE: sentence("The address leads to a private network, which is not allowed."),
}


class AddressError(Refused):
    """An address that is refused. `code` is a Problem; the sentence is for people."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(SENTENCES[problem], problem)


# --- Which URLs -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Target:
    """The target of a request. `selector` is the quoted path with its query; `is_listed`: a setting names the host."""

    scheme: str
    host: str
    port: int
    selector: str
    is_listed: bool = False


def parse_url(url: str, listed_hosts: Iterable[str] = ()) -> Target:
    """Return the target of `url`, without a DNS query. Raises AddressError.

    https is allowed to any host, http only to the hosts of `listed_hosts` (`host` or `host:port`, see `is_listed`).
    """
    if _BLANKS_AND_BACKSLASH.search(url):
        raise AddressError(Problem.MALFORMED)
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise AddressError(Problem.MALFORMED) from None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise AddressError(Problem.NOT_HTTPS if scheme else Problem.MALFORMED)
    if "@" in parts.netloc:
        raise AddressError(Problem.USER_NAME)
    if not _HOST.fullmatch(host):
        raise AddressError(Problem.MALFORMED)
    port = port or DEFAULT_PORTS[scheme]
    listed = is_listed(host, port, scheme, [entry.strip().lower() for entry in listed_hosts])
    if not listed and scheme != "https":
        raise AddressError(Problem.NOT_HTTPS)
    if not listed and (host == "localhost" or host.endswith(".localhost") or (_is_ip(host) and not is_public(host))):
        raise AddressError(Problem.PRIVATE)
    selector = quote(parts.path or "/", safe=_SAFE_IN_PATH)
    if parts.query:
        selector += "?" + quote(parts.query, safe=_SAFE_IN_QUERY)
    return Target(scheme, host, port, selector, listed)


def _is_ip(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()


# --- Which addresses --------------------------------------------------------------------------------------------------
def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of `host`, without duplicates. Raises OSError when DNS fails."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def is_public(address: str) -> bool:
    """Return whether an IP address is public. An IPv6 address that wraps an IPv4 address is as public as that one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if ip.version == 6:
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if wrapped is None and ip in _NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def is_listed(host: str, port: int, scheme: str, allowed: Iterable[str]) -> bool:
    """Return whether an entry of a setting (`host` or `host:port`, in lower case) names exactly this host and port."""
    for entry in allowed:
        if entry.startswith(".") or not entry:
            continue
        try:
            listed = urlsplit(f"//{entry}")
            listed_host, listed_port = listed.hostname, listed.port
        except ValueError:
            continue
        if listed_host == host and (listed_port or DEFAULT_PORTS[scheme]) == port:
            return True
    return False


# --- One exchange -----------------------------------------------------------------------------------------------------
class Exchange:
    """One request over one connection, completed before `deadline` (monotonic seconds).

    The host is resolved once, and the connection goes to the first of its addresses that answers. If one of several
    addresses is private, all are refused, unless the host is listed: an honest host has none. A context manager that
    closes the connection on exit, so read the answer inside.
    """

    def __init__(self, target: Target, deadline: float) -> None:
        self.scheme, self.host, self.port = target.scheme, target.host, target.port
        self.selector = target.selector
        self.is_listed = target.is_listed
        self.deadline = deadline
        self.socket: socket.socket | None = None

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.socket is not None:
            self.socket.close()

    def request(self, method: str, headers: Mapping[str, str], body: bytes | None = None) -> http.client.HTTPResponse:
        """Send the request and return the answer once its headers are read.

        Raises AddressError for a private address, TimeoutError after the deadline, OSError and HTTPException.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.socket = self._connect()
        connection = http.client.HTTPConnection(self.host, self.port)
        # http.client gets a connected socket and resolves nothing, so the address stays pinned.
        connection.sock = _DeadlineSocket(self.socket, self.deadline)
        connection.putrequest(method, self.selector, skip_host=True, skip_accept_encoding=True)
        named = host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"
        connection.putheader("Host", named)  # English only: a header
        connection.putheader("User-Agent", USER_AGENT)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Connection", "close")  # English only: a header
        connection.endheaders(body)
        return connection.getresponse()

    def _connect(self) -> socket.socket:
        addresses = resolve(self.host, self.port)
        if not self.is_listed and not all(map(is_public, addresses)):
            raise AddressError(Problem.PRIVATE)
        failure: OSError | None = None
        for address in addresses:
            try:
                timeout_s = min(_CONNECT_TIMEOUT_S, _remaining_s(self.deadline))
                raw = socket.create_connection((address, self.port), timeout_s)
            except OSError as exc:
                failure = exc
                continue
            if self.scheme == "http":
                return raw
            try:
                raw.settimeout(_remaining_s(self.deadline))
                return tls_context().wrap_socket(raw, server_hostname=self.host)
            except BaseException:
                raw.close()
                raise
        raise failure or OSError("The host has no address")  # English only: for the log


def _remaining_s(deadline: float) -> float:
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0:
        raise TimeoutError
    return remaining_s


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return the TLS context of all connections, made once."""
    context = ssl.create_default_context()
    # Slim systems have no certificate store of their own.
    context.load_verify_locations(certifi.where())
    return context


class _DeadlineSocket:
    """The socket methods that http.client needs. Every wait ends at the deadline, however slowly the bytes arrive."""

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._raw.settimeout(_remaining_s(self._deadline))
        self._raw.sendall(data)

    def makefile(self, *_args: Any, **_kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._raw, self._deadline))

    def close(self) -> None:
        """Leave the socket open: http.client calls this before the body is read. The exchange closes it."""


class _DeadlineReader(io.RawIOBase):
    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._raw.settimeout(_remaining_s(self._deadline))
        return self._raw.recv_into(buffer)
