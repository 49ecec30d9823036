"""Limit the bodies of requests by path, before and while they are read. Pure, plain ASGI.

Django reads a whole body, onto the disk when it is large, before it looks at the path. Here a body that is announced
too large is refused unread, one without Content-Length is counted while it arrives, and one that arrives too slowly is
given up, so that nobody fills the disk or holds connections without being allowed to send anything.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from desk.plain_asgi import Receive, Scope, Send
from desk.sentences import sentence

KIB, MIB = 1024, 1_048_576
WEBHOOK_BYTES = MIB
CALLBACK_BYTES = 32 * KIB  # Meta's deauthorize and data-deletion callbacks
API_JSON_BYTES = 2_621_440  # also DATA_UPLOAD_MAX_MEMORY_SIZE
UPLOAD_BYTES = 100 * MIB  # several files of one reply; the proxy has the same limit (docs/operations.md)
DEFAULT_BYTES = MIB

#: The first pattern that matches the beginning of a path decides: bytes.
LIMITS: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern), limit)
    for pattern, limit in (
        (r"/webhooks/messenger/", WEBHOOK_BYTES),
        (r"/api/v1/(messages|notes)/$", UPLOAD_BYTES),  # with files
        (r"/api/", API_JSON_BYTES),
        (r"/inbox/\d+/reply/$", UPLOAD_BYTES),
        (r"/(admin|accounts)/canned-replies/(add|\d+)/$", UPLOAD_BYTES),  # their files
        (r"/admin/instant-messaging/messenger/", 20 * MIB),  # icons; the form explains that they must be smaller
        (r"/admin/", API_JSON_BYTES),
        (r"/meta/", CALLBACK_BYTES),
        (r"/(healthz|readyz|live/|static/)", 4 * KIB),
    )
)
MAX_HEAD_BYTES = 64 * KIB  # request line and headers together

# A body may take BODY_GRACE_S, and longer as long as this many bytes per second arrive on average.
BODY_GRACE_S = 30
MIN_BYTES_PER_S = 4 * KIB
# After a refusal the sender gets this much time to notice: a connection that is closed at once loses the answer.
DRAIN_S, DRAIN_BYTES = 2, 16 * MIB

CLOSE = (b"connection", b"close")
IsKnown = Callable[[Scope], Awaitable[bool]]
PageFor = Callable[[Scope, int, str], bytes | None]
TextFor = Callable[[Scope, str], str]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyError(Exception):
    """A body that is refused: answer `status` with `sentence`; `code` is for programs.

    `drain` says whether more of the body is to come that is worth reading before the connection is closed.
    """

    status, code, sentence, drain = 400, "", "", False


class BodyTooLargeError(BodyError):
    """More bytes than the path allows."""

    status, code = 413, "too_big"

    def __init__(self, limit: int, *, drain: bool = True) -> None:
        self.sentence = sentence(
            "This request is too large: at most %(size)s are allowed here. Send less at once.", size=in_words(limit)
        )
        self.drain = drain
        super().__init__(self.sentence)


class StrangerError(BodyError):
    """A large body of somebody who has not logged in."""

    status, code, drain = 401, "not_authenticated", True
    sentence = sentence(
        "Log in before you send more than %(size)s MB. An API client needs a valid token.", size=DEFAULT_BYTES // MIB
    )


class BodyTooSlowError(BodyError):
    """A body that did not arrive in its time."""

    status, code = 408, "too_slow"
    sentence = sentence("The request arrived too slowly and was given up. Try again, or send less at once.")


def limit_of(path: str) -> int:
    """Return how many bytes a body for this path may have."""
    return next((limit for pattern, limit in LIMITS if pattern.match(path)), DEFAULT_BYTES)


def in_words(size: int) -> str:
    """Return a size for people, for example "100 MB"."""
    return f"{size / MIB:.3g} MB" if size >= MIB else f"{size // KIB} KB"


def announced_bytes(scope: Scope) -> int:
    """Return the largest Content-Length, and 0 when there is none; one that is no number counts as 0.

    A length of more than 18 digits counts as more than any limit.
    """
    lengths = [value for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
    return max((int(value) if len(value) < 19 else 10**18 for value in lengths), default=0)


def limited(scope: Scope, receive: Receive, limit: int) -> Receive:
    """Return `receive` with a limit on the bytes of the body and on its time.

    Raises BodyTooLargeError at once when more is announced; what is returned raises it when more than `limit` bytes
    have arrived, and BodyTooSlowError when they arrive too slowly. Waiting for a disconnect later has no limit.
    """
    if announced_bytes(scope) > limit:
        raise BodyTooLargeError(limit)
    size, is_complete = 0, False
    deadline: float | None = None

    async def receive_limited() -> MutableMapping[str, Any]:
        nonlocal size, is_complete, deadline
        if is_complete:
            return await receive()
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + BODY_GRACE_S
        try:
            async with asyncio.timeout_at(deadline + size / MIN_BYTES_PER_S):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlowError from None
        size += len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if size > limit:
            raise BodyTooLargeError(limit, drain=not is_complete)
        return message

    return receive_limited


async def call(
    application: Application,
    scope: Scope,
    receive: Receive,
    send: Send,
    is_known: IsKnown,
    page_for: PageFor | None = None,
    text_for: TextFor = lambda _scope, text: text,
) -> None:
    """Call an ASGI application with the limits of the path; refuse a body over them with 413 or 408.

    Where large bodies are allowed, `is_known` says whether somebody is logged in; those of others are refused with 401.
    `page_for` makes the page that a person sees for a refusal, and returns None for programs; `text_for` translates the
    sentence that a script of a page shows.
    """
    is_answered = False

    async def send_and_note(message: MutableMapping[str, Any]) -> None:
        nonlocal is_answered
        is_answered = True
        await send(message)

    try:
        limit = limit_of(scope["path"])
        if limit > DEFAULT_BYTES and _may_be_large(scope) and not await is_known(scope):
            raise StrangerError
        await application(scope, limited(scope, receive, limit), send_and_note)
    except BodyError as error:
        if is_answered:
            raise
        page = page_for(scope, error.status, error.sentence) if page_for else None
        await refuse(scope, receive, send, error, page, text_for(scope, error.sentence))


def _may_be_large(scope: Scope) -> bool:
    has_length = any(name == b"content-length" for name, _value in scope["headers"])
    return scope["method"] not in ("GET", "HEAD") and (not has_length or announced_bytes(scope) > DEFAULT_BYTES)


async def refuse(scope: Scope, receive: Receive, send: Send, error: BodyError, page: bytes | None, text: str) -> None:
    """Answer a refused body with a page or plain text, or in JSON below /api/, and close the connection."""
    if scope["path"].startswith("/api/"):
        content_type, body = b"application/json", json.dumps({"detail": error.sentence, "code": error.code}).encode()
    elif page is not None:
        content_type, body = b"text/html; charset=utf-8", page
    else:
        content_type, body = b"text/plain; charset=utf-8", text.encode()
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), CLOSE]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if error.drain and all(name != b"expect" for name, _value in scope["headers"]):
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await _drain(receive)
    await send({"type": "http.response.body", "body": b""})


async def _drain(receive: Receive) -> None:
    """Read and forget the rest of a body, so that a sender who reads the answer only at the end gets it."""
    size = 0
    while size < DRAIN_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return
