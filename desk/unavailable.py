"""Answer 503 with a sentence when what Desk needs is away: the database, the storage of files, Redis.

Answer 409 when something to which the request refers was deleted while it ran. Django calls `server_error`
(`handler500` in desk.urls) for every exception that no view answers.
"""

import errno
import json
import logging
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis.exceptions import RedisError

from desk import error_pages, logs, sentences
from desk.plain_asgi import Receive, Scope, Send

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 30
FOREIGN_KEY_VIOLATIONS = ("23503", sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY)
DATABASE = sentences.sentence(
    "Desk cannot reach its database at the moment, or cannot write to it. Try again in a minute."
)
STORAGE = sentences.sentence(
    "Desk cannot read or store files at the moment: its storage does not answer. Try again in a minute; if it stays "
    "so, tell your administrator."
)
QUEUE = sentences.sentence("Desk cannot reach a service that it needs at the moment. Try again in a minute.")
DELETED_MEANWHILE = sentences.sentence(
    "Something that this needs was deleted at this moment, so nothing was done. Reload the page and try again."
)
FAULT = sentences.sentence(
    "An error occurred in Desk. It is in the log. Try again; if it happens again, tell your administrator."
)
#: Full disk or quota, read-only or broken disk, size limit, no right to write, too many open files.
STORAGE_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
    | {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EMFILE, errno.ENFILE}
)


def sentence_for(error: BaseException | None) -> str:
    """Return what is away, as a sentence for people; "" when the error is a fault of Desk instead."""
    if isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError:
        return DATABASE
    if isinstance(error, RedisError):
        return QUEUE
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        return STORAGE
    return ""


def refers_to_deleted(error: BaseException | None) -> bool:
    """Return whether a row could not be stored because another, to which it refers, was deleted meanwhile."""
    if not isinstance(error, IntegrityError):
        return False
    code = getattr(error.__cause__, "sqlstate", None) or getattr(error.__cause__, "sqlite_errorcode", None)
    return code in FOREIGN_KEY_VIOLATIONS


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a request that failed: 503 when something is away, 409 when something was deleted meanwhile, else 500.

    JSON for the API, else a plain page.
    """
    error = sys.exc_info()[1]
    return _deleted_meanwhile(request) if refers_to_deleted(error) else _answer(request, sentence_for(error))


def no_storage(request: HttpRequest, error: OSError) -> HttpResponse:
    """Answer 503 to a request for a file that the storage does not give now, whatever the error is."""
    logger.error("Files cannot be read: %s", logs.summary(error))
    return _answer(request, STORAGE)


def _deleted_meanwhile(request: HttpRequest) -> HttpResponse:
    title = sentences.sentence("Nothing was done")
    status = 422 if error_pages.wants_part(request) else 409  # to scripts 409 says that a colleague was faster
    response = error_pages.show(
        request, status, title, DELETED_MEANWHILE, code="deleted_meanwhile", more=error_pages.NOT_SAVED
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer(request: HttpRequest, sentence: str) -> HttpResponse:
    status = 503 if sentence else 500
    if request.path.startswith("/api/"):
        code = "unavailable" if sentence else "error"
        response: HttpResponse = JsonResponse({"detail": sentence or FAULT, "code": code}, status=status)
    else:
        title = (
            sentences.sentence("Not available at the moment")
            if sentence
            else sentences.sentence("Something went wrong")
        )
        more = error_pages.NOT_SAVED if request.method == "POST" else ""
        response = error_pages.show(request, status, title, sentence or FAULT, more=more)
    if sentence:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    response.headers["Cache-Control"] = "no-store"
    return response


def answered(
    application: Callable[[Scope, Receive, Send], Awaitable[None]],
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return the ASGI application with a 503 for what fails before Django has the request, as a body on a full disk."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def sending(event: Any) -> None:
            nonlocal has_begun
            has_begun = True
            await send(event)

        try:
            await application(scope, receive, sending)
        except Exception as error:
            sentence = sentence_for(error)
            if has_begun or not sentence or scope["type"] != "http":
                raise
            logger.error("Service Unavailable: %s (%s)", scope["path"], logs.summary(error))
            is_api = scope["path"].startswith("/api/")
            kind = b"application/json" if is_api else b"text/plain; charset=utf-8"
            body = (
                json.dumps({"detail": sentence, "code": "unavailable"})
                if is_api
                else error_pages.in_language_of(scope, sentence)
            )
            if not is_api and error_pages.is_navigation(dict(scope["headers"])):
                kind = b"text/html; charset=utf-8"
                body = error_pages.outside_django(503, scope, sentence).decode()
            headers = [(b"content-type", kind), (b"connection", b"close"), (b"retry-after", b"%d" % RETRY_AFTER_S)]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": body.encode()})

    return wrapped
