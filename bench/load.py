"""Generate load at little cost: keep-alive connections, prepared requests, answers only counted."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Any


@dataclass
class Load:
    """The answers with 200 and the others, the time in seconds, and each round trip in seconds."""

    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    round_trips: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds


class Connection:
    """One keep-alive connection to 127.0.0.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, request: bytes) -> bool:
        """Send a request, read the whole answer and return whether it was 200."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        if b"content-length:" in lower:
            await self.reader.readexactly(int(lower.split(b"content-length:")[1].split(b"\r\n")[0]))
        elif b"chunked" in lower:
            await self.reader.readuntil(b"0\r\n\r\n")
        return head.startswith(b"HTTP/1.1 200")

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def run(measure: Coroutine[Any, Any, Load]) -> Load:
    """Run one of the coroutines below."""
    return asyncio.run(measure)


async def flood(port: int, requests: Iterator[bytes], *, seconds: float, connections: int) -> Load:
    """Send as fast as answers arrive, over `connections` connections, for `seconds` seconds."""
    return await _send(port, requests, connections=connections, seconds=seconds)


async def send_all(port: int, requests: list[bytes], *, connections: int) -> Load:
    """Send these requests over `connections` connections, as fast as answers arrive."""
    return await _send(port, iter(requests), connections=connections, seconds=float("inf"))


async def _send(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    open_connections = [await Connection.open(port) for _ in range(connections)]
    load = Load()
    began = time.perf_counter()
    end = began + seconds

    async def work(connection: Connection) -> None:
        while time.perf_counter() < end and (request := next(requests, None)):
            if await connection.send(request):
                load.accepted += 1
            else:
                load.refused += 1

    await asyncio.gather(*map(work, open_connections))
    load.seconds = time.perf_counter() - began
    for connection in open_connections:
        await connection.close()
    return load


async def paced(
    port: int, requests: Iterator[bytes], *, per_second: float, connections: int = 1, ending: Event | None = None
) -> Load:
    """Send these requests at an even pace and record each round trip, until they end or `ending` is set.

    The connections send in turn. A request that has to wait until its connection is free counts from when it was due.
    """
    open_connections = [await Connection.open(port) for _ in range(connections)]
    load, numbers = Load(), count()
    began = time.perf_counter()

    async def work(connection: Connection) -> None:
        while not (ending and ending.is_set()) and (request := next(requests, None)):
            due = began + next(numbers) / per_second
            late = time.perf_counter() > due
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent = due if late else time.perf_counter()
            if await connection.send(request):
                load.accepted += 1
            else:
                load.refused += 1
            load.round_trips.append(time.perf_counter() - sent)

    await asyncio.gather(*map(work, open_connections))
    load.seconds = time.perf_counter() - began
    for connection in open_connections:
        await connection.close()
    return load
