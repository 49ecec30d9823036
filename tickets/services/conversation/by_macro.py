"""Say in the lines of a thread that a macro did it.

The services that a macro calls write these lines themselves, each deep inside its own transaction. The name of the
macro is therefore not a parameter of all of them but known while it runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from desk.sentences import sentence

_origin: ContextVar[str] = ContextVar("macro", default="")


@contextmanager
def running(name: str) -> Iterator[None]:
    """Let the lines that are added inside say that the macro with this name did it."""
    with _saying(sentence("by macro “%(name)s”", name=name)):
        yield


@contextmanager
def undoing(name: str) -> Iterator[None]:
    """Let the lines that are added inside say that the macro with this name was undone."""
    with _saying(sentence("macro “%(name)s” undone", name=name)):
        yield


@contextmanager
def nothing() -> Iterator[None]:
    """Let the lines that are added inside say nothing: they name the macro themselves."""
    with _saying(""):
        yield


def with_origin(text: str = "") -> str:
    """Return the text of a line with the macro that is running, if any; each on a line of its own."""
    return "\n".join(filter(None, (text, _origin.get())))


@contextmanager
def _saying(words: str) -> Iterator[None]:
    token = _origin.set(words)
    try:
        yield
    finally:
        _origin.reset(token)
