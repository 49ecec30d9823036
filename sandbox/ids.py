"""Identifiers in the shapes Meta uses."""

import base64
import hashlib
import secrets
import string

_LETTERS = string.ascii_letters + string.digits


def new_token(kind: str) -> str:
    """Return an access token that looks like Meta's; `kind` is USER or PAGE."""
    prefix = {"USER": "EAAU", "PAGE": "EAAP"}[kind]
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(160))


def new_code() -> str:
    """Return an OAuth code."""
    return "AQ" + secrets.token_urlsafe(120)


def new_mid() -> str:
    """Return a message id (``m_…``)."""
    return "m_" + secrets.token_urlsafe(48)


def stable_mid(name: str) -> str:
    """Return the message id for `name`, the same at every start."""
    return "m_" + base64.urlsafe_b64encode(hashlib.sha384(name.encode()).digest()).decode().rstrip("=")


def psid_for(customer_id: str, page_id: str) -> str:
    """Return the page-scoped id of a customer: different for each Page, the same at every start."""
    number = int.from_bytes(hashlib.sha256(f"psid:{customer_id}:{page_id}".encode()).digest()[:8], "big")
    return str(7_000_000_000_000_000 + number % 1_000_000_000_000_000)


def thread_id(page_id: str, psid: str) -> str:
    """Return the conversation id (``t_…``) of a thread."""
    number = int.from_bytes(hashlib.sha256(f"thread:{page_id}:{psid}".encode()).digest()[:8], "big")
    return f"t_{10_000_000_000_000_000 + number % 10_000_000_000_000_000}"


def new_number(prefix: str = "9") -> str:
    """Return a 16-digit id as a string."""
    return prefix + "".join(secrets.choice(string.digits) for _ in range(15))


def trace_id() -> str:
    """Return an fbtrace_id."""
    return "A" + secrets.token_urlsafe(16).replace("-", "x")
