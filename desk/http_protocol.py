"""uvicorn's HTTP protocol with limits that uvicorn does not have: slow or endless headers, and too many connections.

`uvicorn --http desk.http_protocol:LimitedProtocol`. The option `--limit-concurrency` is no substitute: it counts the
open live streams and then refuses everybody's requests, those of the load balancer included.
"""

import asyncio
import logging
import resource

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from desk.body_limits import MAX_HEAD_BYTES

logger = logging.getLogger(__name__)

HEAD_TIMEOUT_S = 20  # from the connection, or the first byte of a later request, to the end of the headers
SPARE_FILES = 200  # descriptors for the database, files, pipes
MOST_CONNECTIONS = 10_000


def max_connections() -> int:
    """Return how many connections this process accepts: what its limit of open files leaves, at most 10,000."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(50, min(MOST_CONNECTIONS, soft - SPARE_FILES))


class HeadTooLarge(Exception):
    """The request line and the headers that are complete are larger than allowed."""


class LimitedProtocol(HttpToolsProtocol):
    """Close connections whose request line and headers are too slow or too large, and those that are too many."""

    head_bytes = 0  # received while the head was not complete
    parsed_head_bytes = 0  # of the request line and the complete headers
    head_is_complete = False
    head_timer: asyncio.TimerHandle | None = None
    connection_limit = max_connections()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        if len(self.connections) > self.connection_limit:
            logger.warning("A connection was refused: %s are open.", self.connection_limit)
            self._refuse(b"503 Service Unavailable", b"Too many connections are open. Try again in a minute.")
            return
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self.head_is_complete:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse_large_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_bytes, self.parsed_head_bytes, self.head_is_complete = 0, 0, False
        if self.head_timer is None:
            self._start_head_timer()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + len(b": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.head_is_complete = True
        self._stop_head_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if self.parsed_head_bytes > MAX_HEAD_BYTES:
            self._refuse_large_head()
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        """Add to the size of the head. Raise HeadTooLarge before the application sees a head that is too large."""
        self.parsed_head_bytes += size
        if self.parsed_head_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge

    def _refuse_large_head(self) -> None:
        self._refuse(b"431 Request Header Fields Too Large", b"The headers of this request are too large.")

    def _start_head_timer(self) -> None:
        self.head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _head_is_late(self) -> None:
        self.head_timer = None
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout", b"The request arrived too slowly.")

    def _refuse(self, status: bytes, sentence: bytes) -> None:
        self._stop_head_timer()
        head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d" % len(sentence)
        self.transport.write(b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (status, head, sentence))
        self.transport.close()
