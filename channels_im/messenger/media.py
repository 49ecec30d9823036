"""Fetching files and pictures from Meta's content network, as if every address were hostile.

Only hosts of META_MEDIA_HOSTS, the resolved address pinned for the connection, at most three redirects each checked
anew, a cap on bytes and on the whole time, no cookies, no token. http.client is used directly: it is the level at which
the address can be pinned and one deadline can hold for the TLS handshake, the headers and the body alike.
"""

import http.client
import io
import re
import socket
import ssl
import tempfile
import time
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import certifi
from django.conf import settings

from channels_im.messenger.files import INCOMING_LIMIT, incoming_too_big, safe_name
from channels_im.messenger.media_hosts import Target, TargetRefused, addresses, redirected, target
from desk.http import USER_AGENT

MAX_REDIRECTS = 3
TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 10.0
_CHUNK_BYTES = 65_536
_IN_MEMORY_BYTES = 1_048_576
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class MediaRefused(Exception):
    """A file that was not fetched. `reason` is a sentence; `transient`: trying again later may help.

    `expired`: Meta's link is over (403, 404 or 410); the Conversations API may give a fresh one. `too_big`: it is over
    the limit.
    """

    def __init__(self, reason: str, transient: bool = False, *, expired: bool = False, too_big: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.transient = transient
        self.expired = expired
        self.too_big = too_big


@dataclass(frozen=True)
class FetchedFile:
    """A fetched file. `file` is a temporary one at its beginning, gone when closed; `size` in bytes.

    `content_type_header` is what the server claims: never to be trusted. `filename` is safe to show.
    """

    file: IO[bytes]
    size: int
    content_type_header: str
    filename: str

    def close(self) -> None:
        """Give the temporary file back."""
        self.file.close()


def fetch(url: str, *, max_bytes: int = INCOMING_LIMIT, timeout_s: float = TIMEOUT_S) -> FetchedFile:
    """Fetch a file of at most `max_bytes` within `timeout_s` altogether. Raises MediaRefused."""
    deadline = time.monotonic() + timeout_s
    try:
        for _ in range(MAX_REDIRECTS + 1):
            found = target(url, settings.META_MEDIA_HOSTS)
            with _Exchange(found, deadline) as exchange:
                response = exchange.response()
                if response.status in _REDIRECTS and response.headers.get("Location"):
                    url = redirected(url, response.headers["Location"])
                    continue
                return _receive(response, url, max_bytes, deadline)
        raise MediaRefused("The file's address leads from one place to the next without end.")
    except TargetRefused as exc:
        raise MediaRefused(exc.reason) from None
    except ssl.SSLCertVerificationError:
        raise MediaRefused("The file's host could not prove who it is.") from None
    except TimeoutError:
        raise MediaRefused("Fetching the file took too long.", transient=True) from None
    except (OSError, http.client.HTTPException, ValueError):
        raise MediaRefused("The file's host could not be reached or broke off.", transient=True) from None


def _receive(response: http.client.HTTPResponse, url: str, max_bytes: int, deadline: float) -> FetchedFile:
    _check_status(response.status)
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise MediaRefused("The file came in an encoding that was not asked for.")
    name = _filename(response.headers, url)
    announced = response.length
    if announced is not None and announced > max_bytes:
        raise MediaRefused(incoming_too_big(name, announced, max_bytes), too_big=True)
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - handed to the caller
    size = 0
    try:
        while part := response.read1(_CHUNK_BYTES):
            size += len(part)
            if size > max_bytes:
                raise MediaRefused(incoming_too_big(name, None, max_bytes), too_big=True)
            if time.monotonic() > deadline:
                raise TimeoutError
            file.write(part)
        if announced is not None and size < announced:
            raise MediaRefused("The file broke off before its end.", transient=True)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return FetchedFile(file, size, response.headers.get("Content-Type", ""), name)


def _check_status(status: int) -> None:
    if status == 200:
        return
    if status in (403, 404, 410):
        raise MediaRefused("Facebook's link to the file has expired.", expired=True)
    if status in (408, 425, 429) or status >= 500:
        raise MediaRefused(f"The file's host is not able to answer now (HTTP {status}).", transient=True)
    raise MediaRefused(f"The file's host refused it (HTTP {status}).")


def _filename(headers: Message, url: str) -> str:
    """Return the name from Content-Disposition, else the last part of the path: Meta's addresses end with it."""
    disposition = Message()
    disposition["Content-Disposition"] = re.sub(r"[\r\n\0]", "", headers.get("Content-Disposition", ""))
    name = disposition.get_filename() or unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    return safe_name(name)


class _Exchange:
    """One GET over one pinned connection, all of it before the deadline."""

    def __init__(self, found: Target, deadline: float) -> None:
        self.found = found
        self.deadline = deadline
        self.socket: socket.socket | None = None

    def __enter__(self) -> "_Exchange":
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.socket is not None:
            self.socket.close()

    def response(self) -> http.client.HTTPResponse:
        found = self.found
        is_default = found.port == (443 if found.scheme == "https" else 80)
        host = f"[{found.host}]" if ":" in found.host else found.host
        self.socket = self._connect()
        connection = http.client.HTTPConnection(found.host, found.port)
        # The socket is given, so http.client resolves nothing: this is the pinning.
        connection.sock = _DeadlineSocket(self.socket, self.deadline)
        connection.putrequest("GET", found.selector, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host if is_default else f"{host}:{found.port}")
        connection.putheader("User-Agent", USER_AGENT)
        connection.putheader("Accept", "*/*")
        connection.putheader("Accept-Encoding", "identity")
        connection.putheader("Connection", "close")
        connection.endheaders()
        return connection.getresponse()

    def _connect(self) -> socket.socket:
        failure: OSError | None = None
        for address in addresses(self.found):
            try:
                raw = socket.create_connection((address, self.found.port), min(_CONNECT_TIMEOUT_S, self._left()))
            except OSError as exc:
                failure = exc
                continue
            if self.found.scheme == "http":
                return raw
            try:
                raw.settimeout(self._left())
                return _tls_context().wrap_socket(raw, server_hostname=self.found.host)
            except BaseException:
                raw.close()
                raise
        raise failure or OSError("The host has no address")

    def _left(self) -> float:
        return _left(self.deadline)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
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
