"""Check a file's URL against META_MEDIA_HOSTS, without DNS: desk.safe_http resolves and refuses private addresses.

An entry with a leading dot (`.fbcdn.net`) allows every host below it: https on port 443 at public addresses only. An
entry written out in full (`127.0.0.1:8090`) allows that host and port alone, also by http and at a private address.
"""

import re
from collections.abc import Iterable
from urllib.parse import urljoin

from desk.errors import Refused
from desk.safe_http import AddressError, Problem, Target, parse_url
from desk.sentences import sentence

MAX_URL_CHARS = 8192

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?")
SENTENCES = {
    Problem.MALFORMED: sentence("The file's address is malformed."),
    Problem.USER_NAME: sentence("The file's address contains a user name."),
    Problem.NOT_HTTPS: sentence("The file's address is not an https address."),
    Problem.PRIVATE: sentence("The file's host leads to a private address."),
}


class MediaHostError(Refused):
    """The address of a file that Desk refuses to fetch; the sentence says why."""


def media_target(url: str, allowed: Iterable[str]) -> Target:
    """Return the target of `url`. Raises MediaHostError when it is malformed or not allowed."""
    if len(url) > MAX_URL_CHARS:
        raise MediaHostError(SENTENCES[Problem.MALFORMED])
    allowed = [entry.strip().lower() for entry in allowed]
    try:
        target = parse_url(url, allowed)
    except AddressError as error:
        raise host_error(error) from None
    if target.is_listed:
        return target
    if not _is_below(target.host, allowed):
        raise MediaHostError(sentence("The file is on a host that is not Facebook's."))
    if target.port != 443:
        raise MediaHostError(sentence("The file's address has an unusual port."))
    return target


def host_error(error: AddressError) -> MediaHostError:
    """Return the same error with a sentence about a file."""
    return MediaHostError(SENTENCES[Problem(error.code)])


def redirected(url: str, location: str) -> str:
    """Return the target of a redirect; check it with `media_target`. Raises MediaHostError when it is malformed."""
    try:
        return urljoin(url, location.strip())
    except ValueError:
        raise MediaHostError(sentence("The file's address redirects to a malformed one.")) from None


def _is_below(host: str, allowed: Iterable[str]) -> bool:
    if not _HOST_NAME.fullmatch(host):
        return False
    return any(entry.startswith(".") and len(entry) > 1 and host.endswith(entry) for entry in allowed)
