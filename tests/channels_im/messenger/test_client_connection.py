"""The client on a real connection: what breaks off, drips or floods, and where secrets could show."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import responses
from django.views.debug import ExceptionReporter
from pytest_django import Settings

from channels_im.messenger.client import GraphClient
from channels_im.messenger.errors import GraphError, GraphOutcomeUnknown, GraphUnreachable
from tests.channels_im.messenger.local_server import LocalServer, serve

BASE = "https://graph.facebook.com/v27.0"
TOKEN = "page-token-0123456789"
SECRET = "sandbox-app-secret"


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> None:
    settings.META_GRAPH_URL = "https://graph.facebook.com"
    settings.META_APP_SECRET = SECRET
    settings.META_TIMEOUT_SECONDS = 5


@pytest.fixture
def server(settings: Settings) -> Iterator[Callable[..., LocalServer]]:
    """Start a server that runs the given function for each connection; the client is pointed at it."""
    started = []

    def start(handle: Callable[[socket.socket], None]) -> LocalServer:
        started.append(serve(handle))
        settings.META_GRAPH_URL = started[-1].url
        settings.META_TIMEOUT_SECONDS = 0.5
        return started[-1]

    yield start
    for each in started:
        each.stop()


def test_a_refused_connection_is_unreachable(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.META_GRAPH_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(GraphUnreachable):
        GraphClient(TOKEN).post("x")


@pytest.mark.parametrize("url", ["http://graph.invalid", "nonsense", "http://"])
def test_a_wrong_address_of_the_graph_api_is_unreachable(settings: Settings, url: str) -> None:
    settings.META_GRAPH_URL = url
    with pytest.raises(GraphUnreachable):
        GraphClient(TOKEN).post("x")


def test_a_certificate_nobody_vouches_for_is_unreachable(settings: Settings, tls_server: LocalServer) -> None:
    settings.META_GRAPH_URL = tls_server.url.replace("http://127.0.0.1", "https://localhost")
    with pytest.raises(GraphUnreachable):
        GraphClient(TOKEN).post("x")


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"nonsense\r\n\r\n"])
def test_a_connection_that_breaks_off_is_of_unknown_outcome(server: Callable[..., LocalServer], sent: bytes) -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(sent)

    server(handle)
    with pytest.raises(GraphOutcomeUnknown):
        GraphClient(TOKEN).post("x")


def test_no_answer_in_time_is_of_unknown_outcome(server: Callable[..., LocalServer]) -> None:
    over = threading.Event()
    server(lambda connection: over.wait(5))
    with pytest.raises(GraphOutcomeUnknown):
        GraphClient(TOKEN).post("x")
    over.set()


def test_an_answer_that_drips_is_given_up(server: Callable[..., LocalServer]) -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.wait(0.05):
            connection.sendall(b" ")

    server(drip)
    with pytest.raises(GraphOutcomeUnknown):
        GraphClient(TOKEN).post("x")
    over.set()


def test_an_answer_without_end_is_given_up(server: Callable[..., LocalServer]) -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b" " * 65_536)

    server(flood)
    with pytest.raises(GraphOutcomeUnknown, match="AnswerTooLarge"):
        GraphClient(TOKEN, timeout_s=5).post("x")


def test_a_connection_is_used_again_within_a_thread_and_not_across(server: Callable[..., LocalServer]) -> None:
    def keep_alive(connection: socket.socket) -> None:
        while connection.recv(65_536):
            connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\n{}")

    started = server(keep_alive)
    for _ in range(3):
        GraphClient(TOKEN).get("x")
    assert started.connections == 1
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda _: GraphClient(TOKEN).get("x"), range(6)))
    assert 2 <= started.connections <= 3


def test_no_cookie_is_sent_back(server: Callable[..., LocalServer]) -> None:
    seen = []

    def handle(connection: socket.socket) -> None:
        while request := connection.recv(65_536):
            seen.append(request)
            connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\n{}")

    server(handle)
    GraphClient(TOKEN).get("x")
    GraphClient(TOKEN).get("x")
    assert b"cookie" not in b"".join(seen).lower()


# --- Secrets


def report(caught: pytest.ExceptionInfo[BaseException]) -> str:
    """Return everything Django would show or mail of an exception in production, but for the test's own frame."""
    return ExceptionReporter(None, caught.type, caught.value, caught.tb.tb_next).get_traceback_html()


@pytest.mark.parametrize(
    "message", [f"Malformed access token {TOKEN}", f"secret {SECRET} of x", f"?input_token={TOKEN}"]
)
def test_a_secret_that_meta_quotes_is_nowhere_in_the_error(
    graph: responses.RequestsMock, settings: Settings, message: str
) -> None:
    settings.DEBUG = False
    graph.get(f"{BASE}/debug_token", json={"error": {"code": 190, "message": message}}, status=400)
    with pytest.raises(GraphError) as caught:
        GraphClient("other-token").get("debug_token", input_token=TOKEN)
    shown = str(caught.value) + repr(caught.value) + repr(caught.value.args) + repr(caught.value.__dict__)
    assert TOKEN not in shown + report(caught)
    assert SECRET not in shown


def test_a_lost_connection_shows_no_token_and_no_address(
    server: Callable[..., LocalServer], settings: Settings
) -> None:
    settings.DEBUG = False
    server(lambda connection: None)
    with pytest.raises(GraphOutcomeUnknown) as caught:
        GraphClient("other-token").get("debug_token", input_token=TOKEN)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert TOKEN not in report(caught)


def test_the_log_shows_no_query(server: Callable[..., LocalServer], caplog: pytest.LogCaptureFixture) -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server(handle)
    with caplog.at_level(logging.DEBUG, "urllib3.connectionpool"):
        GraphClient("other-token").get("debug_token", input_token=TOKEN)
    assert "debug_token?…" in caplog.text
    assert TOKEN not in caplog.text


def test_the_client_shows_no_token() -> None:
    assert TOKEN not in repr(GraphClient(TOKEN)) + str(GraphClient(TOKEN))
