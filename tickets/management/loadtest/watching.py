"""Watch a load test: when each message is in the database, and when the live stream brings it to an open page."""

import http.client
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db import connection

from desk.accounts import sessions
from desk.errors import Refused
from desk.models import User
from tickets.management.loadtest.sending import connect
from tickets.models import Conversation, Message
from tickets.services.inbox import viewers

LOOK_EVERY_S = 0.01
MOST_AT_A_TIME = 500  # messages in one query
STREAM_TIMEOUT_S = 60  # the server sends a line every 15 seconds
START_SECONDS = 20


class Database:
    """Look for messages in the database. `seen` has the time (time.perf_counter) at which each number was found."""

    def __init__(self, page: int, mids: dict[str, int]) -> None:
        self.seen: dict[int, float] = {}
        self._page, self._mids = page, mids
        self._expected: set[str] = set()
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def expect(self, mid: str) -> None:
        """Look for this message from now on."""
        with self._lock:
            self._expected.add(mid)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(LOOK_EVERY_S):
                with self._lock:
                    wanted = sorted(self._expected, key=self._mids.__getitem__)[:MOST_AT_A_TIME]
                if not wanted:
                    continue
                found = list(Message.objects.filter(page=self._page, mid__in=wanted).values_list("mid", flat=True))
                now = time.perf_counter()
                self.seen.update({self._mids[mid]: now for mid in found if mid})
                with self._lock:
                    self._expected.difference_update(found)
        finally:
            connection.close()


class Stream:
    """A browser of `user` that has `conversations` open. `seen` has the time at which each number was shown."""

    def __init__(self, url: str, user: User, conversations: Sequence[Conversation], mark: str) -> None:
        self.seen: dict[int, float] = {}
        self._user = user
        self._open = [(conversation, secrets.token_hex(16)) for conversation in conversations]
        self._text = re.compile(rf"Load test {mark} (\d+)")
        self._socket: socket.socket | None = None
        self._synced, self._stop = threading.Event(), threading.Event()
        self._connection = connect(url, STREAM_TIMEOUT_S)
        self._session = _new_session(user)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._renew)]

    def open(self, url: str) -> None:
        """Open the pages, and return once the stream has begun. Raises Refused."""
        cookie = f"{settings.SESSION_COOKIE_NAME}={self._session.session_key}"
        self._stay()
        try:
            self._connection.request("GET", "/live/", headers={"Host": urlsplit(url).netloc, "Cookie": cookie})
            self._socket = self._connection.sock
            self._answer = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"Desk does not answer at {url} ({error}). Give its address: --url.") from error
        if self._answer.status != 200:
            status = self._answer.status
            raise Refused(f"The live stream answers {status} to {self._user}. Choose another user: --user.")
        for thread in self._threads:
            thread.start()
        if not self._synced.wait(START_SECONDS):
            raise Refused("The live stream did not begin.")

    def close(self) -> None:
        """Close the stream, the pages and the session."""
        self._stop.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # ends the read that waits for the next line
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._connection.close()
        for conversation, key in self._open:
            viewers.close_page(self._user, conversation, key)
        self._session.flush()

    def _stay(self) -> None:
        for conversation, key in self._open:
            viewers.open_page(self._user, conversation, key, typing=False)

    def _renew(self) -> None:
        while not self._stop.wait(viewers.HEARTBEAT_S):
            self._stay()
        connection.close()

    def _listen(self) -> None:
        kind = b""
        with suppress(OSError, http.client.HTTPException, ValueError):
            while line := self._answer.readline():
                if line.startswith(b"event: "):
                    kind = line.removeprefix(b"event: ").strip()
                elif kind == b"sync":
                    self._synced.set()
                elif kind == b"thread" and line.startswith(b"data: "):
                    now = time.perf_counter()
                    for number in self._text.findall(line.decode()):
                        self.seen.setdefault(int(number), now)


@contextmanager
def open_pages(url: str, user: User, conversations: Sequence[Conversation], mark: str) -> Iterator[Stream]:
    """Yield an open stream, and close it at the end. Raises Refused."""
    stream = Stream(url, user, conversations, mark)
    try:
        stream.open(url)
        yield stream
    finally:
        stream.close()


def _new_session(user: User) -> SessionBase:
    """Log the user in for the time of the test."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    sessions.start(session)
    session.create()
    return session
