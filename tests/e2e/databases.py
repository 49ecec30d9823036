"""A database of its own for each set of real processes: a SQLite file, or a new database on a PostgreSQL server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


@contextmanager
def new_postgresql(server_url: str, *, copy_of: str = "template0") -> Iterator[str]:
    """Make a database on the server of `server_url`, empty or a copy; yield its URL, and drop it in the end."""
    name = f"desk_{secrets.token_hex(6)}"
    maintenance = urlsplit(server_url)._replace(scheme="postgresql", path="/postgres", query="").geturl()
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE {}").format(*map(sql.Identifier, (name, copy_of)))
        )
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
