"""`/live/`: send what `desk.live.publish` announces to open pages as server-sent events. Plain ASGI beside Django.

One Broadcaster per process listens to the database for all streams; a stream is a coroutine and a small set of pending
events, without a thread or a database connection of its own. An announcement carries ids only; what changed is read
once for all streams (desk.live.fanout) and sent after it.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Generic

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.http import HttpRequest, parse_cookie
from django.utils import translation

from desk import languages, metrics
from desk.accounts import gate
from desk.live import access_changes, arrivals
from desk.live.broadcaster import READER_KINDS, Broadcaster, Subscriber
from desk.live.fanout import Read, Reader
from desk.live.publish import SYNC, Payload
from desk.live.session_checks import Facts, Login, SessionChecks
from desk.models import User
from desk.plain_asgi import Receive, Scope, Send, answer

PING_EVERY_S = 15
SEND_TIMEOUT_S = 60  # a client that reads nothing for so long is gone
CHECK_AGAIN_AFTER_S = 2  # while the database is away
MIN_PACE_MS = 400  # pages request no more often anyway (static/desk/js/live.js)
PING: Payload = {"kind": "ping"}  # an event, because pages do not see comments and could not detect a broken stream
LOGGED_OUT: Payload = {"kind": "closed", "reason": "logged_out"}  # the page asks whether it must log in
REPLACED: Payload = {"kind": "closed", "reason": "replaced"}  # the page connects again when somebody returns to it


class _Stream(Generic[Facts, Reader]):
    """One open stream: its subscriber, its cookies, its browser's language, and when its session was last checked."""

    def __init__(
        self, cookies: Mapping[str, str], language: str, subscriber: Subscriber[Reader], checked_at: float
    ) -> None:
        self.cookies = cookies
        self.language = language
        self.session_key = _session_key(cookies)
        self.subscriber = subscriber
        self.checked_at = checked_at

    @property
    def must_check(self) -> bool:
        """Return whether rights may have changed since the last check, or were not checked for long."""
        return self.checked_at < self.subscriber.unchecked_since or time.monotonic() - self.checked_at >= PING_EVERY_S


class LiveStream(Generic[Facts, Reader]):
    """The ASGI application behind `/live/`.

    `facts_of(user)` reads from the database what a user may see, `reader_of(facts, cookies, language)` makes of it who
    reads this stream, `visible(reader, payload)` decides on each event without the database, `read` and
    `read_at_once` return what changed (see Broadcaster). They come from tickets.views; desk.asgi passes them in.
    """

    def __init__(
        self,
        facts_of: Callable[[User], Facts],
        reader_of: Callable[[Facts, Mapping[str, str], str], Reader],
        visible: Callable[[Reader, Payload], bool],
        read: Read[Reader],
        read_at_once: Read[Reader] | None = None,
    ) -> None:
        self._facts_of = facts_of
        self._reader_of = reader_of
        self._visible = visible
        self._read, self._read_at_once = read, read_at_once
        self._open = 0
        self._checks = SessionChecks(self._load_login)
        self._broadcasters: dict[asyncio.AbstractEventLoop, Broadcaster[Reader]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream to a logged-in user. Answer 403 to others, 405 to methods other than GET, 503 without a database."""
        if scope["method"] != "GET":
            return await answer(send, 405, b"Only GET is allowed.")
        cookies = _cookies(scope)
        session_key = _session_key(cookies)
        with self._checks.used(session_key):
            broadcaster = self._broadcaster()
            changes = broadcaster.access_changes
            try:
                checked_at, login = await self._checks.check(session_key, time.monotonic())
            except DatabaseError:
                return await answer(send, 503, b"The database does not answer.")
            if login is None:
                return await answer(send, 403, b"Log in first.")
            language = _browsers_language(scope, cookies)
            reader = self._reader_of(login.facts, cookies, login.language or language)
            subscriber = Subscriber(reader, login.user_id, access_changes.fingerprint(session_key))
            if broadcaster.access_changes != changes:
                subscriber.require_check()
            stream = _Stream[Facts, Reader](cookies, language, subscriber, checked_at)
            streaming = asyncio.create_task(self._run(stream, broadcaster, send))
            disconnect = asyncio.create_task(_disconnected(receive))
            try:
                await asyncio.wait({streaming, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (streaming, disconnect):
                    task.cancel()
                await asyncio.gather(streaming, disconnect, return_exceptions=True)
        return None

    async def _run(self, stream: _Stream[Facts, Reader], broadcaster: Broadcaster[Reader], send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send_text(send, "retry: 2000\n\n")
        subscriber, sent_pace_ms = stream.subscriber, MIN_PACE_MS
        async with broadcaster.subscribed(subscriber), self._counted():
            while True:
                payloads = await subscriber.take(PING_EVERY_S)
                self._record_open_streams()
                while stream.must_check and not subscriber.replaced:
                    try:
                        if not await self._check(stream):
                            return await _close(send, LOGGED_OUT)
                    except DatabaseError:  # nothing is sent to somebody who may have been logged out
                        await _send_text(send, _format(PING))
                        await asyncio.sleep(CHECK_AGAIN_AFTER_S)
                    if SYNC in (pending := subscriber.take_now()):
                        payloads = [SYNC]  # sees something else than before, for whom `payloads` were made
                    else:
                        payloads += pending
                if subscriber.replaced:
                    return await _close(send, REPLACED)
                events = [payload for payload in payloads if self._may_see(subscriber.reader, payload)]
                pace_ms = max(MIN_PACE_MS, broadcaster.pace_ms)
                if not 0.8 < pace_ms / sent_pace_ms < 1.25:
                    sent_pace_ms = pace_ms
                    events.insert(0, {"kind": "pace", "ms": pace_ms})
                await _send_text(send, "".join(map(_format, events)) or _format(PING))
                arrivals.record_shown(events)

    async def _check(self, stream: _Stream[Facts, Reader]) -> bool:
        """Check session and rights; return False when nobody is logged in. Raises DatabaseError."""
        not_before = max(stream.subscriber.unchecked_since, time.monotonic() - PING_EVERY_S / 2)
        stream.checked_at, login = await self._checks.check(stream.session_key, not_before)
        if login is None:
            return False
        reader = self._reader_of(login.facts, stream.cookies, login.language or stream.language)
        if reader != stream.subscriber.reader:
            stream.subscriber.become(reader)
        return True

    @contextlib.asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self._open += 1
        self._record_open_streams()
        try:
            yield
        finally:
            self._open -= 1
            self._record_open_streams()

    def _record_open_streams(self) -> None:
        metrics.record_open_streams(self._open)

    def _may_see(self, reader: Reader, payload: Payload) -> bool:
        return payload["kind"] == "sync" or payload["kind"] in READER_KINDS or self._visible(reader, payload)

    def _broadcaster(self) -> Broadcaster[Reader]:
        loop = asyncio.get_running_loop()
        for closed_loop in [known for known in self._broadcasters if known.is_closed()]:
            del self._broadcasters[closed_loop]
        return self._broadcasters.setdefault(loop, Broadcaster(self._read, read_at_once=self._read_at_once))

    def _load_login(self, session_key: str) -> Login[Facts] | None:
        """Return who is logged in with this session and what they may see, None when nobody is."""
        close_old_connections()
        try:
            user = gate.user_of(session_key)
            return Login(user.pk, self._facts_of(user), languages.chosen_by(user)) if user else None
        finally:
            close_old_connections()


def _session_key(cookies: Mapping[str, str]) -> str:
    return cookies.get(settings.SESSION_COOKIE_NAME, "")


def _cookies(scope: Scope) -> dict[str, str]:
    header = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return parse_cookie(header.decode("latin-1"))


def _browsers_language(scope: Scope, cookies: Mapping[str, str]) -> str:
    """Return the language in which Desk answers this browser (desk.languages.BrowsersLanguage)."""
    request = HttpRequest()
    request.COOKIES = dict(cookies)
    accepted = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-language"]
    request.META["HTTP_ACCEPT_LANGUAGE"] = ",".join(accepted)
    return translation.get_language_from_request(request)


def _format(payload: Payload) -> str:
    data = {name: value for name, value in payload.items() if name not in ("kind", arrivals.SHOWS)}
    return f"event: {payload['kind']}\ndata: {json.dumps(data)}\n\n"


async def _send_text(send: Send, text: str) -> None:
    """Send a part of the stream. Raises TimeoutError when the client does not read."""
    body = {"type": "http.response.body", "body": text.encode(), "more_body": True}
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send(body)


async def _close(send: Send, reason: Payload) -> None:
    await _send_text(send, _format(reason))
    await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
