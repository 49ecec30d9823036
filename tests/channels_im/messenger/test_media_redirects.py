"""Where a fetch may be led: redirects, names and addresses, against a real server on loopback."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from desk import safe_http
from tests.channels_im.messenger.local_server import LocalServer, certificate
from tests.channels_im.messenger.media_answers import answer, dripping, fetched, refusal


def redirect(location: str, status: str = "302 Found") -> Callable[[socket.socket], None]:
    return answer(b"", f"Location: {location}", status=status)


@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
def test_a_redirect_to_an_allowed_host_is_followed(media_server: Callable[..., LocalServer], status: str) -> None:
    goal = media_server(answer(b"found"))
    found = fetched(media_server(redirect(goal.url + "/b.pdf", status)).url + "/a")
    assert (found.file.read(), found.filename) == (b"found", "b.pdf")
    found.close()


def test_a_relative_redirect_is_followed(media_server: Callable[..., LocalServer]) -> None:
    def handle(connection: socket.socket) -> None:
        if connection.recv(65_536).startswith(b"GET /x/b "):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfound")
        else:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: b\r\n\r\n")

    found = fetched(media_server(handle).url + "/x/a")
    assert found.file.read() == b"found"
    found.close()


def test_a_redirect_to_a_private_address_is_refused_and_not_asked(media_server: Callable[..., LocalServer]) -> None:
    inner = media_server(answer(b"secret"), listed=False)
    found = refusal(media_server(redirect(inner.url + "/latest/meta-data")).url + "/a")
    assert (found.transient, inner.connections) == (False, 0)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "https://evil.example/",
        "http://x.fbcdn.net/",
        "https://u@x.fbcdn.net/",
        "http://[",
        "//::1/",
    ],
)
def test_a_redirect_to_what_is_not_allowed_is_refused(media_server: Callable[..., LocalServer], location: str) -> None:
    assert not refusal(media_server(redirect(location)).url + "/a").transient


def test_a_redirect_to_a_content_host_with_a_private_address_is_refused(
    media_server: Callable[..., LocalServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = media_server(redirect("https://scontent.fbcdn.net/b"))
    resolving(monkeypatch, {"scontent.fbcdn.net": ["127.0.0.1"]})
    found = refusal(started.url + "/a")
    assert "private address" in found.sentence


def test_three_redirects_are_followed_and_a_fourth_is_not(media_server: Callable[..., LocalServer]) -> None:
    goal = media_server(answer(b"found"))
    third = media_server(redirect(goal.url))
    second = media_server(redirect(third.url))
    first = media_server(redirect(second.url))
    fetched(first.url + "/a").close()
    assert not refusal(media_server(redirect(first.url)).url + "/a").transient
    assert goal.connections == 1


def test_a_redirect_without_a_place_is_refused(media_server: Callable[..., LocalServer]) -> None:
    assert not refusal(media_server(answer(b"", status="302 Found")).url + "/a").transient


def test_a_host_that_is_not_allowed_is_never_asked(media_server: Callable[..., LocalServer]) -> None:
    started = media_server(answer(), listed=False)
    assert not refusal(started.url + "/a").transient
    assert started.connections == 0


@pytest.mark.slow
def test_redirects_share_one_time_limit(media_server: Callable[..., LocalServer], over: threading.Event) -> None:
    slow = media_server(dripping(over, b"", b""))

    def late(connection: socket.socket) -> None:
        connection.recv(65_536)
        over.wait(1.0)
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {slow.url}/b\r\n\r\n".encode())

    begin = time.monotonic()
    assert refusal(media_server(late).url + "/a", timeout_s=1.5).transient
    assert time.monotonic() - begin < 2.4  # a limit for each would be 2.5 s


# --- The pinned address


def resolving(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> list[str]:
    """Play the DNS for some names; return the list of the questions."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in names:
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)  # the edge: DNS
    return asked


@pytest.mark.machine_clock
def test_the_checked_address_is_the_one_connected_to_with_the_hosts_own_name(
    media_server: Callable[..., LocalServer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    cert_file, context = certificate(tmp_path, "scontent.fbcdn.net")
    names: list[str | None] = []
    context.sni_callback = lambda connection, name, _context: names.append(name)
    requests: list[bytes] = []
    started = media_server(answer(b"found", requests=requests), listed=False, context=context)
    asked = resolving(monkeypatch, {"scontent.fbcdn.net": ["157.240.1.1"]})
    connected = []
    real = socket.create_connection

    def create_connection(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        connected.append(address)
        return real(("127.0.0.1", started.port), *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", create_connection)  # the edge: TCP
    monkeypatch.setenv("SSL_CERT_FILE", str(cert_file))
    safe_http.tls_context.cache_clear()
    try:
        found = fetched("https://scontent.fbcdn.net/a.pdf")
    finally:
        safe_http.tls_context.cache_clear()
    assert found.file.read() == b"found"
    assert (asked, connected, names) == (["scontent.fbcdn.net"], [("157.240.1.1", 443)], ["scontent.fbcdn.net"])
    assert b"\r\nHost: scontent.fbcdn.net\r\n" in requests[0]
    found.close()


def test_a_host_that_cannot_prove_who_it_is_is_refused(
    media_server: Callable[..., LocalServer], settings: Settings, tmp_path: Path
) -> None:
    _, context = certificate(tmp_path, "localhost")
    started = media_server(answer(), context=context)
    settings.META_MEDIA_HOSTS = [f"localhost:{started.port}"]
    found = refusal(f"https://localhost:{started.port}/a")
    assert "certificate" in found.sentence
    assert not found.transient


def test_the_next_address_is_tried_when_the_first_is_closed(
    media_server: Callable[..., LocalServer], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = media_server(answer(b"found"))
    settings.META_MEDIA_HOSTS = [f"media.test:{started.port}"]
    resolving(monkeypatch, {"media.test": ["127.0.0.2", "127.0.0.1"]})
    real = socket.create_connection

    def create_connection(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        if address[0] == "127.0.0.2":
            raise ConnectionRefusedError
        return real(address, *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", create_connection)  # the edge: TCP
    found = fetched(f"http://media.test:{started.port}/a")
    assert found.file.read() == b"found"
    found.close()


def test_a_name_that_does_not_exist_is_tried_again_later(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.META_MEDIA_HOSTS = [".fbcdn.net"]

    def getaddrinfo(*_args: Any, **_kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)  # the edge: DNS
    assert refusal("https://scontent.fbcdn.net/a").transient


def test_no_certificate_is_taken_on_trust() -> None:
    context = safe_http.tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
