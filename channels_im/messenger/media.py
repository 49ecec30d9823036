"""Fetch files and pictures from Meta's content network; no URL is trusted.

Only hosts of META_MEDIA_HOSTS, the resolved address pinned for the connection (desk.safe_http), at most three
redirects, each checked like the first URL, a limit of bytes and of the whole time, no cookies, no token.
"""

import http.client
import re
import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import IO, TypeVar
from urllib.parse import unquote, urlsplit

from django.conf import settings

from channels_im.messenger.files import INCOMING_LIMIT, incoming_too_big, safe_name
from channels_im.messenger.media_hosts import MediaHostError, host_error, media_target, redirected
from desk.errors import Refused
from desk.safe_http import AddressError, Exchange
from desk.sentences import sentence
from desk.text import is_blank

T = TypeVar("T")
MAX_REDIRECTS = 3
TIMEOUT_S = 60.0
SIZE_TIMEOUT_S = 5.0
_CHUNK_BYTES = 65_536
_IN_MEMORY_BYTES = 1_048_576
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}  # English only: a header
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class MediaError(Refused):
    """A file that was not fetched. `transient`: a later retry may succeed.

    `expired`: Meta's link has expired (403, 404 or 410); the Conversations API may give a fresh one. `too_big`: the
    file is over the limit; `size` is its announced size in bytes, if any.
    """

    def __init__(
        self,
        sentence: str,
        transient: bool = False,
        *,
        expired: bool = False,
        too_big: bool = False,
        size: int | None = None,
    ) -> None:
        super().__init__(sentence)
        self.transient = transient
        self.expired = expired
        self.too_big = too_big
        self.size = size


@dataclass(frozen=True)
class FetchedFile:
    """A fetched file. `file` is a temporary file at its beginning, deleted on close; `size` is in bytes.

    `content_type_header` is the claim of the server: do not trust it. `filename` is safe to show.
    """

    file: IO[bytes]
    size: int
    content_type_header: str
    filename: str

    def close(self) -> None:
        """Delete the temporary file."""
        self.file.close()


def fetch(url: str, *, max_bytes: int = INCOMING_LIMIT, timeout_s: float = TIMEOUT_S) -> FetchedFile:
    """Fetch a file of at most `max_bytes` within `timeout_s` in total. Raises MediaError."""
    return _request(
        url, "GET", timeout_s, lambda response, final_url, until: _receive(response, final_url, max_bytes, until)
    )


def size_of(url: str, *, timeout_s: float = SIZE_TIMEOUT_S) -> int | None:
    """Return the size in bytes that the host announces, without fetching the file; None when it is unknown."""
    try:
        return _request(url, "HEAD", timeout_s, lambda response, _url, _deadline: _announced_size(response))
    except MediaError:
        return None


def _request(url: str, method: str, timeout_s: float, handle: Callable[[http.client.HTTPResponse, str, float], T]) -> T:
    """Return `handle(response, final URL, deadline)`. Raises MediaError."""
    deadline = time.monotonic() + timeout_s
    try:
        for _ in range(MAX_REDIRECTS + 1):
            with Exchange(media_target(url, settings.META_MEDIA_HOSTS), deadline) as exchange:
                response = exchange.request(method, _HEADERS)
                if response.status in _REDIRECTS and response.headers.get("Location"):  # English only: a header
                    url = redirected(url, response.headers["Location"])  # English only: a header
                    continue
                return handle(response, url, deadline)
        raise MediaError(sentence("The file's address redirects too often."))
    except MediaHostError as error:
        raise MediaError(error.sentence) from None
    except AddressError as error:
        raise MediaError(host_error(error).sentence) from None
    except ssl.SSLCertVerificationError:
        raise MediaError(sentence("The file's host has no valid certificate.")) from None
    except TimeoutError:
        raise MediaError(sentence("Fetching the file took too long."), transient=True) from None
    except (OSError, http.client.HTTPException, ValueError):
        raise MediaError(
            sentence("The file's host could not be reached or closed the connection."), transient=True
        ) from None


def _announced_size(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    is_number = length.isascii() and length.isdecimal() and len(length) < 16
    return int(length) if response.status == 200 and is_number else None


def _receive(response: http.client.HTTPResponse, url: str, max_bytes: int, deadline: float) -> FetchedFile:
    _check_status(response.status)
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise MediaError(sentence("The file arrived in an encoding that was not requested."))
    name = _filename(response.headers, url)
    announced = response.length
    if announced is not None and announced > max_bytes:
        raise MediaError(incoming_too_big(name, announced, max_bytes), too_big=True, size=announced)
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
    size = 0
    try:
        while part := response.read1(_CHUNK_BYTES):
            size += len(part)
            if size > max_bytes:
                raise MediaError(incoming_too_big(name, None, max_bytes), too_big=True)
            if time.monotonic() > deadline:
                raise TimeoutError
            file.write(part)
        if announced is not None and size < announced:
            raise MediaError(sentence("The file ended too early."), transient=True)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return FetchedFile(file, size, response.headers.get("Content-Type", ""), name)


def _check_status(status: int) -> None:
    if status == 200:
        return
    if status in (403, 404, 410):
        raise MediaError(sentence("Facebook's link to the file has expired."), expired=True)
    if status in (408, 425, 429) or status >= 500:
        raise MediaError(
            sentence("The file's host cannot answer now (HTTP %(status)s).", status=status), transient=True
        )
    raise MediaError(sentence("The file's host refused it (HTTP %(status)s).", status=status))


def _filename(headers: Message, url: str) -> str:
    """Return the name from Content-Disposition, else the last part of the path, where Meta puts the name."""
    disposition = Message()
    disposition["Content-Disposition"] = re.sub(r"[\r\n\0]", "", headers.get("Content-Disposition", ""))
    parameters = disposition.get_params([], "Content-Disposition")
    values = [value for key, value in parameters if key.lower() == "filename"]
    # filename* (a tuple) before filename: a server sends both for clients that know only the second.
    names = [_decoded(value) for value in sorted(values, key=lambda value: not isinstance(value, tuple))]
    names.append(unquote(urlsplit(url).path.rsplit("/", 1)[-1]))
    return safe_name(next((name for name in names if not is_blank(name)), ""))


def _decoded(value: str | tuple[str | None, str | None, str]) -> str:
    """Return the text of a parameter: filename* in its charset; plain UTF-8, although headers are read as Latin-1."""
    name = collapse_rfc2231_value(value)
    with suppress(UnicodeError):
        name = name.encode("latin-1").decode() if isinstance(value, str) else name
    with suppress(UnicodeError, LookupError, HeaderParseError):
        name = str(make_header(decode_header(name))) if "=?" in name else name
    return name
