"""Call the Graph API over HTTP. No other module does.

The token is sent in the `Authorization` header and `appsecret_proof` with every call, answers have limits of size and
time, and failures raise the errors of `errors.py`. Source: Meta, "Graph API overview" and "Secure Graph API calls".
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests
import urllib3.exceptions
from django.conf import settings
from django.views.decorators.debug import sensitive_variables
from requests.auth import AuthBase

from channels_im.messenger.errors import (
    GraphError,
    GraphOutcomeUnknown,
    GraphUnreachable,
    classify,
    redact,
    retry_after_seconds,
)
from channels_im.messenger.values import as_code, as_dict, as_text, load_json
from desk import metrics
from desk.http import AnswerTooLargeError, AnswerTooSlowError, read_body, thread_session

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 8 * 1_048_576
MAX_PAGES = 100

_SECRET_PARAMS = ("input_token", "client_secret", "fb_exchange_token", "code", "access_token")


class _Bearer(AuthBase):
    """Put the token into the header, and hide it in every repr."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"  # English only: a header
        return request

    def __repr__(self) -> str:
        return "<token>"


class GraphClient:
    """Call the Graph API with one token. Cheap to create and thread-safe: each thread has its own session.

    Every method raises GraphError (an error answer), GraphUnreachable (nothing was sent) or GraphOutcomeUnknown (the
    call may have had its effect). The timeout is `timeout_s`, or META_TIMEOUT_SECONDS.
    """

    def __init__(self, token: str | None, *, timeout_s: float | None = None) -> None:
        if token and not (token.isascii() and token.isprintable()):
            raise ValueError("The token contains characters that no token has.")
        self._token = token
        self._timeout_s = timeout_s

    @classmethod
    def for_app(cls) -> "GraphClient":
        """Return a client with the app's own token ("app id|app secret")."""
        return cls(f"{settings.META_APP_ID}|{settings.META_APP_SECRET}")

    def __repr__(self) -> str:
        return "<GraphClient>"

    @sensitive_variables()
    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Read an object, or one result page of an edge. `path` has no leading slash and no version."""
        return self._call("GET", path, params)

    @sensitive_variables()
    def post(
        self,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        files: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a POST: `params` in the query; as body `json`, or a form of `data` and `files` (multipart)."""
        return self._call("POST", path, params or {}, json=json, data=_plain(data) if data else None, files=files)

    @sensitive_variables()
    def delete(self, path: str, **params: Any) -> dict[str, Any]:
        """Send a DELETE."""
        return self._call("DELETE", path, params)

    def paged(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the objects of an edge from all its result pages, at most MAX_PAGES pages.

        Only the cursor of `paging.next` is used: its host is never called.
        """
        after: str | None = None
        for _ in range(MAX_PAGES):
            answer = self.get(path, **{**params, "after": after} if after else params)
            rows = answer.get("data")
            yield from (row for row in (rows if isinstance(rows, list) else []) if isinstance(row, dict))
            previous, after = after, next_cursor(as_dict(answer.get("paging")))
            if after is None or after == previous:
                return
        logger.warning("Stopped after %s result pages of %s", MAX_PAGES, redact(path))

    def _call(self, method: str, path: str, params: dict[str, Any], **body: Any) -> dict[str, Any]:
        try:
            return self._request(method, path, params, **body)
        except GraphError as error:
            is_unreachable = isinstance(error, GraphUnreachable)
            metrics.META_ERRORS.add("unreachable" if is_unreachable else str(error.verdict.kind))
            raise

    def _request(self, method: str, path: str, params: dict[str, Any], **body: Any) -> dict[str, Any]:
        query = _plain(params)
        if self._token and settings.META_APP_SECRET:
            query["appsecret_proof"] = appsecret_proof(self._token)
        timeout_s = self._timeout_s or settings.META_TIMEOUT_SECONDS
        failure = None
        try:
            response = thread_session().request(
                method,
                f"{settings.META_GRAPH_URL}/{settings.META_GRAPH_VERSION}/{path}",
                params=query,
                auth=_Bearer(self._token),
                timeout=(timeout_s, timeout_s),
                stream=True,
                **body,
            )
            with response:
                content = read_body(response, max_bytes=MAX_ANSWER_BYTES, timeout_s=timeout_s)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            AnswerTooLargeError,
            AnswerTooSlowError,
        ) as exc:
            failure = _connection_error(exc)
        if failure is not None:
            # Raised here, so that no traceback shows the library's frames and error texts, which contain the URL.
            raise failure
        secrets = [self._token, settings.META_APP_SECRET, settings.META_APP_SECRET_PREVIOUS]
        secrets += [query[name] for name in _SECRET_PARAMS if name in query]
        return _parse_answer(response, content, secrets)


def node(identifier: str) -> str:
    """Return an id from outside quoted as one path segment, so that it can change neither the path nor the query.

    Raises ValueError when it is empty or consists of dots.
    """
    segment = quote(str(identifier), safe="")
    if not segment or set(segment) == {"."}:
        raise ValueError("An id that is empty or consists of dots is not an object of the Graph API.")
    return segment


def appsecret_proof(token: str) -> str:
    """Return the `appsecret_proof`: hex HMAC-SHA256 of the token (Meta, "Secure Graph API calls")."""
    return hmac.new(settings.META_APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()


def is_success(answer: dict[str, Any]) -> bool:
    """Return whether `success` is true; in some of Meta's samples it is a string."""
    return answer.get("success") in (True, "true")


def require_success(answer: dict[str, Any], action: str) -> None:
    """Raise GraphError when Meta answered 200 but not `success: true`."""
    if not is_success(answer):
        raise GraphError(f"Meta did not confirm: {action}", http_status=200)  # English only: for the log


def _plain(params: dict[str, Any]) -> dict[str, str]:
    """Return parameters as the Graph API reads them: JSON for objects, commas for lists, no parameter for None."""
    plain = {}
    for name, value in params.items():
        if isinstance(value, bool | dict):
            plain[name] = json.dumps(value)
        elif isinstance(value, list | tuple | set | frozenset):
            plain[name] = ",".join(map(str, value))
        elif value is not None:
            plain[name] = str(value)
    return plain


def next_cursor(paging: dict[str, Any]) -> str | None:
    """Return the cursor of the next result page, or None: the last page has cursors too, but no `next`."""
    url = as_text(paging.get("next"))
    if url is None:
        return None
    after = as_text(as_dict(paging.get("cursors")).get("after"))
    if after is None:
        try:
            after = parse_qs(urlsplit(url).query).get("after", [None])[0]
        except ValueError:
            return None
    return after


def _connection_error(exc: Exception) -> GraphError:
    """Return our error for one of the HTTP library. It names only the class, because the text contains the URL."""
    name = type(exc).__name__
    if _never_connected(exc):
        return GraphUnreachable(f"No connection to the Graph API ({name})")  # English only: for the log
    return GraphOutcomeUnknown(f"No complete answer from the Graph API ({name})")  # English only: for the log


def _never_connected(exc: Exception) -> bool:
    if isinstance(exc, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    if isinstance(exc, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return True
    if isinstance(exc, requests.exceptions.MissingSchema | requests.exceptions.InvalidHeader):
        return True
    reason = exc.args[0] if exc.args else None
    reason = getattr(reason, "reason", reason)
    refused = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return isinstance(reason, refused) or "CERTIFICATE_VERIFY_FAILED" in str(reason)


def _parse_answer(response: requests.Response, content: bytes, secrets: list[str | None]) -> dict[str, Any]:
    """Return the parsed answer with all strings cleaned, or raise the error it describes."""
    status = response.status_code
    try:
        data = load_json(content)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and data.get("error"):
        raise _graph_error(data["error"], response, secrets)
    if 200 <= status < 300 and isinstance(data, dict):
        return data
    retry_after_s = retry_after_seconds(response.headers)
    if 400 <= status < 500:
        raise GraphError(  # English only: for the log
            "Error without a code", http_status=status, retry_after_s=retry_after_s
        )
    raise GraphOutcomeUnknown(  # English only: for the log
        "Unreadable answer", http_status=status, retry_after_s=retry_after_s
    )


def _graph_error(error: Any, response: requests.Response, secrets: list[str | None]) -> GraphError:
    fields = as_dict(error)
    code, subcode = as_code(fields.get("code")), as_code(fields.get("error_subcode"))
    text = as_text(fields.get("message")) or as_text(fields.get("error_user_msg")) or as_text(error) or ""
    unknown = classify(code, subcode, response.status_code).outcome_unknown
    return (GraphOutcomeUnknown if unknown else GraphError)(
        redact(text, *secrets)[:1000],
        code=code,
        subcode=subcode,
        fbtrace_id=(as_text(fields.get("fbtrace_id")) or "")[:64] or None,
        http_status=response.status_code,
        retry_after_s=retry_after_seconds(response.headers),
    )
