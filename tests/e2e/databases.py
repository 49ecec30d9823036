"""Databases for a running Desk: a new one on a PostgreSQL server, and an empty one in Redis."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql

MOST_WORKERS = 5  # of pytest-xdist, with three of the 16 databases of a Redis server for each


@contextmanager
def new_postgresql(server_url: str, *, copy_of: str = "") -> Iterator[str]:
    """Make a database on the server of `server_url`, empty or a copy; yield its URL, and drop it at the end.

    `copy_of` is the URL of a database that has no connections.
    """
    template = urlsplit(copy_of).path.strip("/") or "template0"
    name = f"desk_{secrets.token_hex(6)}"
    maintenance = urlsplit(server_url)._replace(scheme="postgresql", path="/postgres", query="").geturl()
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE {}").format(*map(sql.Identifier, (name, template)))
        )
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def redis_for_desk(server_url: str, *, shared: bool) -> str:
    """Empty a Redis database for a Desk of this pytest worker and return its URL.

    A worker has three: one for its own tests (tests.settings), one for the Desk that tests share, one for another Desk.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    if worker >= MOST_WORKERS:
        raise RuntimeError(f"Redis has databases for {MOST_WORKERS} pytest workers only.")
    number = 1 + worker + MOST_WORKERS * (1 if shared else 2)
    url = urlsplit(server_url)._replace(path=f"/{number}").geturl()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
