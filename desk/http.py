"""Outgoing HTTP: the one place where sessions are made.

No redirects, no cookies, no proxies or netrc from the environment, no silent retries, a time-out on every call, and
query strings (where Meta's OAuth puts secrets) kept out of urllib3's log.
"""

import logging
import os
import threading
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

USER_AGENT = "Desk/1.0"
DEFAULT_TIMEOUT_S = 10.0
CHUNK_BYTES = 65_536

_per_thread = threading.local()


class AnswerTooLargeError(Exception):
    """The answer has more bytes than its reader allows."""


class AnswerTooSlowError(Exception):
    """The answer did not end in time."""


class _Session(requests.Session):
    """A session that follows no redirect, whatever the caller says."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is nowhere to go."""
        return None


class _Adapter(HTTPAdapter):
    """Gives every call a time-out."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send with the default time-out when the caller names none."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = DEFAULT_TIMEOUT_S
        return super().send(request, **kwargs)


class _NoQueryStrings(logging.Filter):
    """Cuts query strings out of log records: debug_token and the code exchange carry tokens there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record's arguments and let it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] + "?…" if isinstance(arg, str) and "?" in arg else arg for arg in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_NoQueryStrings())


def session() -> requests.Session:
    """Return a new session. Not for use by two threads at once: see `thread_session`."""
    made = _Session()
    # The environment could bring a proxy, or a netrc whose password replaces the token.
    made.trust_env = False
    made.headers["User-Agent"] = USER_AGENT
    made.cookies.set_policy(_NoCookies())
    for scheme in ("https://", "http://"):
        made.mount(scheme, _Adapter(max_retries=0))
    return made


def thread_session() -> requests.Session:
    """Return the session of this thread, made when first asked for; a forked process makes its own."""
    if getattr(_per_thread, "pid", None) != os.getpid():
        _per_thread.pid = os.getpid()
        _per_thread.session = session()
    return _per_thread.session


def read_body(response: requests.Response, *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the body of a response made with `stream=True`, whatever its Content-Length claims.

    Raises AnswerTooLarge, AnswerTooSlow when it takes longer than `timeout_s` altogether, and urllib3's errors.
    """
    deadline = time.monotonic() + timeout_s
    parts, size = [], 0
    # read1 hands over what has come; read would wait for a whole chunk, however slowly it drips.
    while part := response.raw.read1(CHUNK_BYTES, decode_content=True):
        size += len(part)
        if size > max_bytes:
            raise AnswerTooLargeError
        if time.monotonic() > deadline:
            raise AnswerTooSlowError
        parts.append(part)
    return b"".join(parts)


class _NoCookies:
    """A cookie policy that takes and gives none."""

    netscape = True
    rfc2965 = hide_cookie2 = False

    def set_ok(self, cookie: Any, request: Any) -> bool:
        return False

    def return_ok(self, cookie: Any, request: Any) -> bool:
        return False

    def domain_return_ok(self, domain: str, request: Any) -> bool:
        return False

    def path_return_ok(self, path: str, request: Any) -> bool:
        return False
