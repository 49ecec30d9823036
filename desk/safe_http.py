"""HTTP to an address somebody else has chosen: public IP addresses only, the checked one pinned, one deadline for all.

http.client is used directly: it is the level at which the address can be pinned and one deadline can hold for the TLS
handshake, the headers and the body alike. No cookies, no redirects, nothing of the environment's proxies.
"""

import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import certifi

from desk.http import USER_AGENT

DEFAULT_PORTS = {"https": 443, "http": 80}
_CONNECT_TIMEOUT_S = 10.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


# --- Which addresses --------------------------------------------------------------------------------------------------
def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of `host`, each once. Raises OSError when DNS fails."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


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


def is_listed(host: str, port: int, scheme: str, allowed: Iterable[str]) -> bool:
    """Say whether an entry of a setting (`host` or `host:port`, in lower case) names this host in full."""
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
    """One request over one connection to the first of `addresses` that answers, all of it before `deadline`
    (monotonic seconds). A context: its end closes the connection, so read the answer inside.
    """

    def __init__(self, scheme: str, host: str, port: int, addresses: Iterable[str], deadline: float) -> None:
        self.scheme, self.host, self.port = scheme, host, port
        self.addresses = addresses
        self.deadline = deadline
        self.socket: socket.socket | None = None

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.socket is not None:
            self.socket.close()

    def request(
        self, method: str, selector: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """Send it and return the answer with its headers read. Raises OSError, TimeoutError and HTTPException."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.socket = self._connect()
        connection = http.client.HTTPConnection(self.host, self.port)
        # The socket is given, so http.client resolves nothing: this is the pinning.
        connection.sock = _DeadlineSocket(self.socket, self.deadline)
        connection.putrequest(method, selector, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}")
        connection.putheader("User-Agent", USER_AGENT)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Connection", "close")
        connection.endheaders(body)
        return connection.getresponse()

    def _connect(self) -> socket.socket:
        failure: OSError | None = None
        for address in self.addresses:
            try:
                raw = socket.create_connection((address, self.port), min(_CONNECT_TIMEOUT_S, _left(self.deadline)))
            except OSError as exc:
                failure = exc
                continue
            if self.scheme == "http":
                return raw
            try:
                raw.settimeout(_left(self.deadline))
                return tls_context().wrap_socket(raw, server_hostname=self.host)
            except BaseException:
                raw.close()
                raise
        raise failure or OSError("The host has no address")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return what every TLS connection is checked with, made once."""
    context = ssl.create_default_context()
    # Slim systems have no certificate store of their own.
    context.load_verify_locations(certifi.where())
    return context


class _DeadlineSocket:
    """What http.client needs of a socket; every wait ends at the deadline, however slowly the bytes drip."""

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._raw.settimeout(_left(self._deadline))
        self._raw.sendall(data)

    def makefile(self, *_args: Any, **_kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._raw, self._deadline))

    def close(self) -> None:
        """Leave the socket open: http.client closes it before the body is read. The exchange closes it."""


class _DeadlineReader(io.RawIOBase):
    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._raw.settimeout(_left(self._deadline))
        return self._raw.recv_into(buffer)
