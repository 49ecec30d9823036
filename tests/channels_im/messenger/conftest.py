"""The Graph API at its HTTP edge."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from pytest_django import Settings

from tests.channels_im.messenger.local_server import LocalServer, certificate, serve


@pytest.fixture
def graph() -> Iterator[responses.RequestsMock]:
    """A Graph API that answers what the test tells it; an answer nobody asks for fails the test."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[LocalServer]:
    """A server whose certificate for `localhost` nobody vouches for."""
    _, context = certificate(tmp_path, "localhost")
    server = serve(lambda connection: None, context)
    yield server
    server.stop()


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test is over, so that slow servers stop."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def media_server(settings: Settings, over: threading.Event) -> Iterator[Callable[..., LocalServer]]:
    """Start a server for each connection handler given, and list it in full in META_MEDIA_HOSTS."""
    started: list[LocalServer] = []
    settings.META_MEDIA_HOSTS = [".fbcdn.net"]

    def start(handle: Callable[[socket.socket], None], *, listed: bool = True, **options: Any) -> LocalServer:
        started.append(serve(handle, **options))
        if listed:
            settings.META_MEDIA_HOSTS = [*settings.META_MEDIA_HOSTS, f"127.0.0.1:{started[-1].port}"]
        return started[-1]

    yield start
    over.set()
    for each in started:
        each.stop()
