"""The link from a contact to a record of the customer in another system: what may be stored."""

from urllib.parse import urlsplit

from desk.errors import Refused
from desk.sentences import sentence

ID_LIMIT = 128  # characters
URL_LIMIT = 2000  # characters


def clean_id(text: str) -> str:
    """Return the id without spaces around it; "" for none. Raises Refused when it cannot be one."""
    cleaned = text.strip()
    if len(cleaned) > ID_LIMIT or not cleaned.isprintable():
        raise Refused(
            sentence("An external id has at most %(most)s characters, all of them printable.", most=ID_LIMIT),
            field="external_id",
        )
    return cleaned


def clean_url(text: str) -> str:
    """Return the address without spaces around it; "" for none. Raises Refused unless it is a plain https address."""
    cleaned = text.strip()
    if cleaned and not _is_https(cleaned):
        raise Refused(
            sentence(
                "Give a whole address that begins with https://, without user name, password and spaces, of at most "
                "%(most)s characters.",
                most=URL_LIMIT,
            ),
            field="external_url",
        )
    return cleaned


def _is_https(address: str) -> bool:
    if len(address) > URL_LIMIT or not address.isprintable() or any(char.isspace() or char == "\\" for char in address):
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False
