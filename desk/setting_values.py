"""Read settings from the environment, and say in one sentence what is wrong with a value, its limits and what to write.

Every function raises ImproperlyConfigured with that sentence; `manage.py` prints it instead of a traceback, and
`make serve` calls `manage.py` first. No sentence repeats a value that may hold a password.
"""

import math
import os
import re
from collections.abc import Collection
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_DATABASES = ("sqlite", "postgres", "postgresql")


def text(name: str, *, default: str = "") -> str:
    """Return the value as it is: a secret may contain any character. Empty counts as not set."""
    return os.environ.get(name) or default


def listing(name: str, *, default: Collection[str] = ()) -> list[str]:
    """Return values that are separated by commas, without the empty ones."""
    return [value for value in text(name).split(",") if value] or list(default)


def folder(name: str, *, default: Path) -> Path:
    """Return a folder, created when missing."""
    path = Path(text(name, default=str(default))).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}: the folder {path} cannot be created ({error.strerror}). Choose another one."
        ) from None
    return path


def _text(name: str) -> str | None:
    """Return the value without blanks around it; None when it is not set. Empty counts as not set."""
    return text(name).strip() or None


def flag(name: str, *, default: bool) -> bool:
    """Return a switch: true, yes, on or 1; false, no, off or 0; in any case of letters."""
    value = _text(name)
    if value is None:
        return default
    if value.lower() in _YES | _NO:
        return value.lower() in _YES
    raise ImproperlyConfigured(f"{name} is {value!r}. It must be true or false.")


def whole_number(name: str, *, default: int, least: int, most: int) -> int:
    """Return a whole number between `least` and `most`."""
    value = _text(name)
    if value is None:
        return default
    if re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) and least <= int(value) <= most:
        return int(value)
    raise ImproperlyConfigured(f"{name} is {value!r}. It must be a whole number from {least} to {most}.")


def seconds(name: str, *, default: float, least: float, most: float) -> float:
    """Return a number of seconds between `least` and `most`, fractions allowed."""
    value = _text(name)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if least <= number <= most:  # not true for "nan"
        return number
    raise ImproperlyConfigured(f"{name} is {value!r}. It must be a number of seconds from {least:g} to {most:g}.")


def choice(name: str, *, default: str, choices: Collection[str]) -> str:
    """Return one of `choices`."""
    value = _text(name) or default
    if value in choices:
        return value
    *others, last = choices
    raise ImproperlyConfigured(f"{name} is {value!r}. It must be {', '.join(others)} or {last}.")


def log_level(name: str, *, default: str) -> str:
    """Return the name of a level of `logging`, in capitals."""
    value = (_text(name) or default).upper()
    if value in _LOG_LEVELS:
        return value
    raise ImproperlyConfigured(
        f"{name} is {_text(name)!r}. It must be {', '.join(_LOG_LEVELS[:-1])} or {_LOG_LEVELS[-1]}."
    )


def time_zone(name: str, *, default: str) -> str:
    """Return the name of a time zone that this machine knows."""
    value = _text(name) or default
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # an unknown name; a path out of the folder of zones; a folder
        raise ImproperlyConfigured(
            f"{name} is {value!r}. This machine knows no such time zone. Write a name such as Europe/Berlin or UTC."
        ) from None
    return value


def networks(name: str, *, default: str = "") -> list[IPv4Network | IPv6Network]:
    """Return addresses and networks, separated by commas."""
    values = [value.strip() for value in (os.environ.get(name) or default).split(",") if value.strip()]
    try:
        return [ip_network(value) for value in values]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name}: {error}. It lists addresses or networks, separated by commas, such as 10.0.0.5,10.1.0.0/16."
        ) from None


def web_address(name: str, *, default: str) -> str:
    """Return an http or https address without a slash at its end."""
    value = (_text(name) or default).rstrip("/")
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        known = False
    if known:
        return value
    raise ImproperlyConfigured(f"{name} is {value!r}. It must be an address that begins with https:// or http://.")


def sender(name: str, *, default: str) -> str:
    """Return the sender of e-mails: an address, or a name with an address in angle brackets."""
    value = _text(name) or default
    if re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(value)[1]):
        return value
    raise ImproperlyConfigured(
        f"{name} is {value!r}. It must be an e-mail address, such as desk@example.com or Desk <desk@example.com>."
    )


def graph_version(name: str, *, default: str) -> str:
    """Return a version of Meta's Graph API, such as v27.0."""
    value = _text(name) or default
    if re.fullmatch(r"v[1-9][0-9]{0,2}\.[0-9]{1,2}", value, re.ASCII):
        return value
    raise ImproperlyConfigured(f"{name} is {value!r}. Write a version of the Graph API, such as v27.0.")


def redis_url(name: str) -> str:
    """Return the address of a Redis server; "" when it is not set."""
    value = _text(name) or ""
    try:
        parts = urlsplit(value)
        known = not value or parts.scheme == "unix" or (parts.scheme in {"redis", "rediss"} and bool(parts.hostname))
        _ = parts.port
    except ValueError:
        known = False
    if known:
        return value
    raise ImproperlyConfigured(
        f"{name} is not an address of a Redis server. Write for example redis://redis.example.com:6379/0."
    )


def database(name: str, *, default: str) -> dict[str, Any]:
    """Return Django's settings of the database: SQLite or PostgreSQL."""
    value = _text(name) or default
    try:
        if urlsplit(value).scheme not in _DATABASES:
            raise ValueError
        settings = environ.Env.db_url_config(value)
        if not settings.get("NAME"):
            raise ValueError
    except (ValueError, KeyError, ImproperlyConfigured):  # their texts may repeat the password
        raise ImproperlyConfigured(
            f"{name} is not an address of a database. Write for example postgres://desk:password@127.0.0.1:5432/desk "
            "(special characters of the password percent-encoded) or sqlite:////var/lib/desk/desk.sqlite3."
        ) from None
    return dict(settings)


def email(name: str) -> dict[str, Any]:
    """Return the settings EMAIL_… of Django: of the mail server, of none, or when it is not set, of the console."""
    url = text(name)
    try:
        config: dict[str, Any] = environ.Env.email_url_config(
            "dummymail://" if url == "none" else url or "consolemail://"
        )
    except (ValueError, ImproperlyConfigured):  # their texts may repeat the password
        raise ImproperlyConfigured(
            f"{name} is not an address of a mail server. Write for example "
            "smtp+tls://user:password@mail.example.com:587 (special characters of the password percent-encoded), "
            "or none."
        ) from None
    usual_port = 465 if config.get("EMAIL_USE_SSL") else 587 if config.get("EMAIL_USE_TLS") else 25
    return {**config, "EMAIL_PORT": config["EMAIL_PORT"] or usual_port}
