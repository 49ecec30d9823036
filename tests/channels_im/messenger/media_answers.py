"""What a content server may answer, and how the tests fetch from it."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from channels_im.messenger.media import FetchedFile, MediaError, fetch

BODY = b"%PDF-1.7 " + b"x" * 200_000


def answer(
    body: bytes = BODY,
    *headers: str,
    status: str = "200 OK",
    length: int | None = -1,
    requests: list[bytes] | None = None,
) -> Callable[[socket.socket], None]:
    """Return a handler that sends one answer; `length` -1 is the true one, None sends none."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    head = "\r\n".join([*lines, "", ""]).encode()

    def handle(connection: socket.socket) -> None:
        request = connection.recv(65_536)
        if requests is not None:
            requests.append(request)
        connection.sendall(head + body)

    return handle


def fetched(url: str, **options: Any) -> FetchedFile:
    return fetch(url, **{"timeout_s": 5, **options})


def refusal(url: str, **options: Any) -> MediaError:
    with pytest.raises(MediaError) as caught:
        fetched(url, **options)
    assert caught.value.sentence.endswith(".")
    return caught.value


def dripping(over: threading.Event, head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(head)
        while not over.wait(0.02):
            connection.sendall(drop)

    return handle
