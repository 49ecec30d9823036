"""Slow, endless and too many connections, at the sockets of a server in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from desk import http_protocol
from desk.http_protocol import LimitedProtocol
from desk.plain_asgi import Receive, Scope, Send, answer

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, then answer."""
    while (await receive()).get("more_body"):
        pass
    await answer(send, 200, b"hello")


@asynccontextmanager
async def server() -> AsyncIterator[Callable[[], Coroutine[Any, Any, Streams]]]:
    """Serve `hello`; yield a function that connects."""
    config = Config(hello, http=LimitedProtocol, log_level="critical")
    config.load()
    state, opened = ServerState(), []
    loop = asyncio.get_running_loop()
    served = await loop.create_server(
        lambda: LimitedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    port = served.sockets[0].getsockname()[1]

    async def connect() -> Streams:
        opened.append(await asyncio.open_connection("127.0.0.1", port))
        return opened[-1]

    try:
        yield connect
    finally:
        for _reader, writer in opened:
            writer.close()
        served.close()
        await asyncio.sleep(0.05)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["nothing", "half a header"])
def test_a_head_that_does_not_end_is_given_up(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long beside the pauses: a byte that comes after the answer resets the connection, and the answer is lost.
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 1)

    async def go() -> None:
        async with server() as connect:
            reader, writer = await connect()
            writer.write(begun)
            for _ in range(3):  # a byte from time to time does not help
                await asyncio.sleep(0.05)
                writer.write(b"x" if begun else b"")
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")

    run(go())


@pytest.mark.slow
def test_the_time_begins_anew_with_each_request_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 1)

    async def go() -> None:
        async with server() as connect:
            reader, writer = await connect()
            for _ in range(3):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
                await asyncio.sleep(0.4)
                writer.write(b"\r\n")
                assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
            writer.write(b"GET / HTTP/1.1\r\nHost: ")
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")

    run(go())


def test_a_slow_body_is_not_the_protocols_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.1)

    async def go() -> None:
        async with server() as connect:
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
            await asyncio.sleep(0.3)
            writer.write(b"b")
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")

    run(go())


def test_endless_headers_are_refused() -> None:
    async def go() -> None:
        async with server() as connect:
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
            for number in range(40):
                writer.write(b"X-%d: %s\r\n" % (number, b"y" * 4000))
            assert (await reader.read(200)).startswith(b"HTTP/1.1 431 ")

    run(go())


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [(10, 60_000, 200), (10, 70_000, 431), (70_000, 10, 431), (40_000, 40_000, 431)],
)
def test_a_complete_head_is_measured_however_it_arrives(path: int, header: int, status: int) -> None:
    async def go() -> None:
        async with server() as connect:
            reader, writer = await connect()
            head = b"GET /%s HTTP/1.1\r\nHost: x\r\n" % (b"p" * path)
            for number in range(header // 1000):
                head += b"X-%d: %s\r\n" % (number, b"y" * 990)
            writer.write(head + b"\r\n")
            assert (await reader.read(200)).startswith(b"HTTP/1.1 %d " % status)

    run(go())


def test_connections_over_the_limit_are_refused_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedProtocol, "connection_limit", 2)

    async def go() -> None:
        async with server() as connect:
            first, _second = await connect(), await connect()
            refused, _writer = await connect()
            assert (await refused.read()).startswith(b"HTTP/1.1 503 ")
            first[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await first[0].readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
            first[1].close()
            await asyncio.sleep(0.05)
            later = await connect()
            later[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await later[0].readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")

    run(go())


@pytest.mark.parametrize(("files", "connections"), [(1024, 824), (1_000_000, 10_000), (100, 50), (-1, 10_000)])
def test_the_limit_leaves_open_files_for_everything_else(
    files: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol.resource, "getrlimit", lambda _which: (files, files))
    assert http_protocol.max_connections() == connections
