"""The log: one line for each record, plain or JSON, with the ids of what is being worked on.

DESK_LOG_FORMAT chooses the formatter. Text from outside cannot make a second line: control characters are escaped, and
the lines of a traceback are indented or part of the JSON. Links that reset a password and tokens in addresses are cut.
"""

import json
import logging
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

#: What is being worked on: "request_id", "delivery_id", "message_id", "conversation_id", "event_id".
_ids: ContextVar[dict[str, str]] = ContextVar("log_ids", default={})  # noqa: B039 - never changed, only replaced

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINK_KEY = re.compile(r"(/password/reset/key/|/accounts/invitation/)[^/\s\"']+")
_SECRET_PARAMETER = re.compile(
    r"([?&;](?:[a-z_.]*token|code|state|key|secret|password|signed_request|appsecret_proof)=)[^&;\s\"'<>]+", re.I
)
CUT = "…"
REPEAT_AFTER_S = 60


# --- Ids --------------------------------------------------------------------------------------------------------------
@contextmanager
def working_on(**ids: object) -> Iterator[None]:
    """Add these ids to every record logged inside, also by functions that are called."""
    token = _ids.set(_ids.get() | {name: str(value) for name, value in ids.items() if value is not None})
    try:
        yield
    finally:
        _ids.reset(token)


def request_id() -> str:
    """Return the id of the current request, "" outside of one."""
    return _ids.get().get("request_id", "")


def request_id_from(header: str) -> str:
    """Return the id in the header X-Request-ID when it is well-formed, a new one otherwise.

    Well-formed are 8 to 64 letters, digits, dots, underscores and hyphens; the first is a letter or digit.
    """
    return header if REQUEST_ID.fullmatch(header) else uuid.uuid4().hex


# --- Formatters -------------------------------------------------------------------------------------------------------
def cut_secrets(text: str) -> str:
    """Return the text without keys of links that set a password and without tokens in the queries of addresses."""
    return _SECRET_PARAMETER.sub(rf"\1{CUT}", _LINK_KEY.sub(rf"\1{CUT}", text))


def one_line(text: str) -> str:
    """Return the text with control characters and line breaks escaped, as \\n or \\x1b."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text.rstrip("\r\n"))


class PlainFormatter(logging.Formatter):
    """`time LEVEL logger: message [request_id=…]`, then the lines of the traceback, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        ids = " ".join(f"{name}={one_line(value)}" for name, value in _ids.get().items())
        message = one_line(cut_secrets(record.getMessage()))
        line = f"{self.formatTime(record)} {record.levelname} {record.name}: {message}"
        lines = [f"{line} [{ids}]" if ids else line]
        lines += ["  " + one_line(cut_secrets(part)) for part in _traceback_of(self, record).splitlines()]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """One JSON object: time (ISO 8601, UTC), level, logger, message, the ids, and exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": cut_secrets(record.getMessage()).rstrip("\r\n"),
            **_ids.get(),
        }
        if exception := _traceback_of(self, record):
            fields["exception"] = cut_secrets(exception)
        return json.dumps(fields)


def _traceback_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


FORMATTERS = {"plain": PlainFormatter, "json": JsonFormatter}


# --- Refused requests -------------------------------------------------------------------------------------------------
def calm(record: logging.LogRecord) -> bool:
    """Make a refused request (4xx) one line at INFO, and a 503 one line with its reason; return whether to log it.

    Django logs the first as a warning or error with the whole traceback. The 503 of /readyz answers a probe and is
    not logged.
    """
    if record.name == "django-q":
        return _is_first_of_its_kind(record)
    if not record.name.startswith(("django.request", "django.security")):
        return True
    status = getattr(record, "status_code", None)
    if "/readyz" in record.getMessage():
        return False
    if not isinstance(status, int) or (status >= 500 and status != 503):
        return True
    error = record.exc_info[1] if record.exc_info else None
    reason = summary(error) if error is not None else ""
    if reason and str(error).partition("\n")[0] not in record.getMessage():
        record.msg, record.args = f"{record.getMessage()} ({reason})", None
    record.exc_info = record.exc_text = None
    if status < 500:
        record.levelno, record.levelname = logging.INFO, "INFO"
    return record.levelno >= logging.getLogger().level


_queue_errors: dict[str, float] = {}


def _is_first_of_its_kind(record: logging.LogRecord) -> bool:
    """Make an error of Redis one line, and return False when the same was logged within a minute.

    While Redis is away, django-q logs it several times a second.
    """
    if "is_first" in vars(record):  # another handler has asked
        return bool(vars(record)["is_first"])
    error = record.exc_info[1] if record.exc_info else record.msg
    if not isinstance(error, Exception) or type(error).__module__ != "redis.exceptions":
        return True
    reason = summary(error)
    record.msg, record.args = reason if record.msg is error else f"{record.getMessage()} ({reason})", None
    record.exc_info = record.exc_text = None
    kind, now = type(error).__name__, time.monotonic()
    is_first = now - _queue_errors.get(kind, float("-inf")) >= REPEAT_AFTER_S
    if is_first:
        _queue_errors[kind] = now
    vars(record)["is_first"] = is_first
    return is_first


def summary(error: BaseException) -> str:
    """Return the kind and the first line of an exception, at most 300 characters."""
    first_line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first_line}"[:300] if first_line else type(error).__name__
