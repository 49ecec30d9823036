"""Fetching files from a real server on loopback that behaves as badly as a server can."""

import socket
import threading
import time
from collections.abc import Callable

import pytest
from pytest_django import Settings

from channels_im.messenger.media import size_of
from tests.channels_im.messenger.local_server import LocalServer
from tests.channels_im.messenger.media_answers import BODY, answer, dripping, fetched, refusal


def test_a_file_is_fetched_whole(media_server: Callable[..., LocalServer]) -> None:
    url = (
        media_server(answer(BODY, "Content-Type: application/pdf")).url + "/v/t59.2708-21/bill%20of%20May.pdf?oh=1&oe=2"
    )
    found = fetched(url)
    assert (found.file.read(), found.size) == (BODY, len(BODY))
    assert (found.content_type_header, found.filename) == ("application/pdf", "bill of May.pdf")
    found.close()


def test_the_request_carries_no_cookie_token_or_compression(media_server: Callable[..., LocalServer]) -> None:
    requests: list[bytes] = []
    started = media_server(answer(requests=requests))
    fetched(started.url + "/a%20b?x=%2F").close()
    assert requests[0] == (
        b"GET /a%20b?x=%2F HTTP/1.1\r\n"
        b"Host: 127.0.0.1:" + str(started.port).encode() + b"\r\n"
        b"User-Agent: Desk/1.0\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="photo one.jpg"', "photo one.jpg"),
        ("attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="Grüße.pdf"', "Grüße.pdf"),
        ("attachment; filename=Счёт №5.pdf", "Счёт №5.pdf"),
        ("attachment; filename=\"facture.pdf\"; filename*=UTF-8''%E8%AB%8B%E6%B1%82.pdf", "請求.pdf"),
        ("attachment; filename*=UTF-8''%E8%AB%8B.pdf; filename=bill.pdf", "請.pdf"),
        ("attachment; filename*=nonsense''a.pdf", "a.pdf"),
        ('attachment; filename="=?UTF-8?B?R3LDvMOfZS5wZGY=?="', "Grüße.pdf"),
        ('attachment; filename="=?UTF-8?B?nonsense?="', "=_UTF-8_B_nonsense_="),
        ('attachment; filename="\u200b\u3164"', "last.bin"),
        ('attachment; filename="photo\u202egpj.exe"', "photogpj.exe"),
        ("attachment", "last.bin"),
        ("nonsense; ; =", "last.bin"),
    ],
)
def test_the_name_comes_from_the_header_or_the_path(
    media_server: Callable[..., LocalServer], header: str, name: str
) -> None:
    found = fetched(media_server(answer(b"x", f"Content-Disposition: {header}")).url + "/some/last.bin")
    assert found.filename == name
    found.close()


def test_an_answer_without_a_length_is_read_to_its_end(media_server: Callable[..., LocalServer]) -> None:
    found = fetched(media_server(answer(length=None)).url + "/a")
    assert found.size == len(BODY)
    found.close()


def test_a_chunked_answer_is_put_together(media_server: Callable[..., LocalServer]) -> None:
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    found = fetched(media_server(answer(chunks, "Transfer-Encoding: chunked", length=None)).url + "/a")
    assert found.file.read() == b"hello world"
    found.close()


# --- Size


def test_a_file_of_exactly_the_limit_is_taken(media_server: Callable[..., LocalServer]) -> None:
    found = fetched(media_server(answer()).url + "/a", max_bytes=len(BODY))
    assert found.size == len(BODY)
    found.close()


def test_a_file_that_says_it_is_too_big_is_not_read(media_server: Callable[..., LocalServer]) -> None:
    found = refusal(media_server(answer(b"", length=60 * 1_048_576)).url + "/film.mp4")
    assert (found.too_big, found.transient) == (True, False)
    assert "“film.mp4” is 60 MB; received files may have at most 50 MB" in found.sentence


def test_a_file_that_does_not_say_its_size_is_cut_off(media_server: Callable[..., LocalServer]) -> None:
    sent = []

    def endless(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent.append(connection.send(b"x" * 65_536))

    found = refusal(media_server(endless).url + "/a", max_bytes=1_000_000)
    assert (found.too_big, found.transient) == (True, False)
    # What lies in the sockets' buffers besides.
    assert sum(sent) < 30_000_000


def test_endless_chunks_are_cut_off(media_server: Callable[..., LocalServer]) -> None:
    def endless(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")

    assert refusal(media_server(endless).url + "/a", max_bytes=1_000_000).too_big


def test_a_length_that_promises_too_much_is_a_broken_file(media_server: Callable[..., LocalServer]) -> None:
    found = refusal(media_server(answer(length=len(BODY) + 1)).url + "/a")
    assert (found.transient, found.too_big) == (True, False)


def test_bytes_beyond_the_promised_length_are_not_taken(media_server: Callable[..., LocalServer]) -> None:
    found = fetched(media_server(answer(length=10)).url + "/a")
    assert found.size == 10
    found.close()


@pytest.mark.parametrize("length", ["-5", "nonsense"])
def test_a_length_of_nonsense_is_ignored(media_server: Callable[..., LocalServer], length: str) -> None:
    found = fetched(media_server(answer(BODY, f"Content-Length: {length}", length=None)).url + "/a")
    assert found.size == len(BODY)
    found.close()


def test_an_answer_in_an_encoding_not_asked_for_is_refused(media_server: Callable[..., LocalServer]) -> None:
    assert not refusal(media_server(answer(b"\x1f\x8b", "Content-Encoding: gzip")).url + "/a").transient


# --- Time


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["silence", "body", "one header", "headers", "chunk size"],
)
def test_a_server_that_drips_is_given_up_in_time(
    media_server: Callable[..., LocalServer], over: threading.Event, head: bytes, drop: bytes
) -> None:
    begin = time.monotonic()
    found = refusal(media_server(dripping(over, head, drop)).url + "/a", timeout_s=0.4)
    assert time.monotonic() - begin < 10  # it would drip for ever
    assert found.transient


def test_a_tls_handshake_that_never_comes_is_given_up_in_time(
    media_server: Callable[..., LocalServer], over: threading.Event
) -> None:
    started = media_server(lambda connection: over.wait(5))
    found = refusal(f"https://127.0.0.1:{started.port}/a", timeout_s=0.4)
    assert found.transient


# --- What the server says


def test_the_size_is_asked_for_without_the_file(media_server: Callable[..., LocalServer]) -> None:
    requests: list[bytes] = []
    server = media_server(answer(b"", length=52_428_801, requests=requests))
    assert size_of(server.url + "/a") == 52_428_801
    assert requests[0].startswith(b"HEAD /a ")


@pytest.mark.parametrize(
    ("status", "header"),
    [
        ("200 OK", "X: y"),
        ("200 OK", "Content-Length: lots"),
        ("200 OK", "Content-Length: -5"),
        ("200 OK", "Content-Length: 99999999999999999999"),
        ("403 URL signature expired", "Content-Length: 20"),
        ("405 Method Not Allowed", "Content-Length: 20"),
        ("302 Found", "Location: https://elsewhere.example/"),
    ],
)
def test_a_size_that_nobody_says_is_not_known(
    media_server: Callable[..., LocalServer], status: str, header: str
) -> None:
    assert size_of(media_server(answer(b"", header, status=status, length=None)).url + "/a") is None


def test_the_size_of_a_file_elsewhere_is_not_asked_for(media_server: Callable[..., LocalServer]) -> None:
    assert size_of("https://elsewhere.example/a") is None
    assert size_of("file:///etc/passwd") is None


@pytest.mark.parametrize("status", ["403 URL signature expired", "404 Not Found", "410 Gone"])
def test_an_expired_link_is_recognised(media_server: Callable[..., LocalServer], status: str) -> None:
    found = refusal(media_server(answer(b"URL signature expired", status=status)).url + "/a")
    assert (found.expired, found.transient) == (True, False)


@pytest.mark.parametrize(
    ("status", "transient"), [("500 X", True), ("503 X", True), ("429 X", True), ("400 X", False), ("204 X", False)]
)
def test_a_failing_server_is_asked_again_and_a_refusing_one_is_not(
    media_server: Callable[..., LocalServer], status: str, transient: bool
) -> None:
    found = refusal(media_server(answer(b"", status=status)).url + "/a")
    assert (found.expired, found.transient) == (False, transient)


@pytest.mark.parametrize(
    "sent", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
)
def test_a_server_that_breaks_off_is_asked_again(media_server: Callable[..., LocalServer], sent: bytes) -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(sent)

    assert refusal(media_server(handle).url + "/a").transient


def test_a_closed_port_is_tried_again_later(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings.META_MEDIA_HOSTS = [address]
    assert refusal(f"http://{address}/a").transient
