"""Make the `requests` sessions for all calls to Meta.

No redirects, no cookies, no proxies or netrc from the environment, no automatic retries, a timeout on every call, and
no query strings in urllib3's log (Meta's OAuth puts secrets there).
"""

import logging
import os
import threading
import time
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter

USER_AGENT = "Desk/1.0"  # English only: a name
DEFAULT_TIMEOUT_S = 10.0
CHUNK_BYTES = 65_536
# A connection that was idle for longer is not used again: the other side may be about to close it, and a call whose
# connection is closed may have had its effect or not.
MAX_IDLE_S = 15.0

_per_thread = threading.local()


class AnswerTooLargeError(Exception):
    """The answer has more bytes than allowed."""


class AnswerTooSlowError(Exception):
    """The answer did not end in time."""


class _Session(requests.Session):
    """A session that follows no redirect, whatever the caller says."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: there is no redirect target."""
        return None


class _Adapter(HTTPAdapter):
    """Give every call a timeout."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send with the default timeout when the caller names none."""
        timeout = DEFAULT_TIMEOUT_S if timeout is None else timeout
        return super().send(request, stream, timeout, verify, cert, proxies)


class _NoQueryStrings(logging.Filter):
    """Remove query strings from log records: debug_token and the code exchange carry tokens there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record's arguments; return True, so that it is logged."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] + "?…" if isinstance(arg, str) and "?" in arg else arg for arg in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_NoQueryStrings())


def session() -> requests.Session:
    """Return a new session. It is not thread-safe: see `thread_session`."""
    new = _Session()
    # The environment could name a proxy, or a netrc whose password replaces the token.
    new.trust_env = False
    new.headers["User-Agent"] = USER_AGENT
    new.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        new.mount(scheme, _Adapter(max_retries=0))
    return new


def thread_session() -> requests.Session:
    """Return the session of this thread. A forked process makes its own, and so does a thread after MAX_IDLE_S."""
    now = time.monotonic()
    if getattr(_per_thread, "pid", None) != os.getpid():
        _per_thread.pid, _per_thread.session = os.getpid(), session()
    elif now - _per_thread.used_at > MAX_IDLE_S:
        _per_thread.session.close()
        _per_thread.session = session()
    _per_thread.used_at = now
    return _per_thread.session


def read_body(response: requests.Response, *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the body of a response made with `stream=True`, whatever its Content-Length says.

    Raises AnswerTooLargeError above `max_bytes`, AnswerTooSlowError when reading takes longer than `timeout_s` in all,
    and urllib3's errors.
    """
    deadline = time.monotonic() + timeout_s
    parts, size = [], 0
    # read1 returns what has arrived; read would wait for a whole chunk, however slowly it arrives.
    while part := response.raw.read1(CHUNK_BYTES, decode_content=True):
        size += len(part)
        if size > max_bytes:
            raise AnswerTooLargeError
        if time.monotonic() > deadline:
            raise AnswerTooSlowError
        parts.append(part)
    return b"".join(parts)
