"""Serve the yardstick: a bare ASGI handler that checks the signature, commits one row and does nothing else.

It runs under the same server and with the same database settings as Desk. SQLite: one connection and one commit for
each request, because more writers would only wait for each other. PostgreSQL: a few connections, whose commits overlap.
"""

import asyncio
import hashlib
import hmac
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

DATABASE = os.environ["YARDSTICK_DATABASE"]
SECRET = os.environ["META_APP_SECRET"].encode()
POSTGRESQL_CONNECTIONS = 8


class SqliteRows:
    async def open(self) -> None:
        self.connection = sqlite3.connect(DATABASE, isolation_level=None, timeout=20)
        self.connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;")
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS yardstick (id INTEGER PRIMARY KEY, body BLOB, received_at REAL)"
        )

    async def add(self, body: bytes) -> None:
        self.connection.execute("INSERT INTO yardstick (body, received_at) VALUES (?, ?)", (body, time.time()))

    async def close(self) -> None:
        self.connection.close()


class PostgresqlRows:
    async def open(self) -> None:
        self.free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()
        url = DATABASE.replace("postgres://", "postgresql://", 1)
        for _ in range(POSTGRESQL_CONNECTIONS):
            self.free.put_nowait(await psycopg.AsyncConnection.connect(url, autocommit=True))
        await self._run(
            "CREATE TABLE IF NOT EXISTS yardstick (id bigserial PRIMARY KEY, body bytea, received_at timestamptz)"
        )

    async def add(self, body: bytes) -> None:
        await self._run("INSERT INTO yardstick (body, received_at) VALUES (%s, now())", (body,))

    async def _run(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        connection = await self.free.get()
        try:
            await connection.execute(statement, values)
        finally:
            self.free.put_nowait(connection)

    async def close(self) -> None:
        while not self.free.empty():
            await self.free.get_nowait().close()


ROWS = PostgresqlRows() if DATABASE.startswith("postgres") else SqliteRows()


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer every POST: 200 when it is signed and stored, 403 when it is not signed."""
    if scope["type"] == "lifespan":
        await receive()
        await ROWS.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await ROWS.close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    given = dict(scope["headers"]).get(b"x-hub-signature-256", b"")
    expected = b"sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest().encode()
    signed = hmac.compare_digest(given, expected)
    if signed:
        await ROWS.add(body)
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200 if signed else 403, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
