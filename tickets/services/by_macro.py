"""Name the macro that does something: in the lines of a thread, in the history and in webhook events.

The services that a macro calls write these themselves, each deep inside its own transaction. The macro is therefore not
a parameter of all of them but known while it runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypedDict

from desk.sentences import sentence


class MacroFacts(TypedDict):
    """The macro as the API names it: its id (None once it was deleted), its name, and whether this undoes its run."""

    id: int | None
    name: str
    undo: bool


_macro: ContextVar[MacroFacts | None] = ContextVar("macro", default=None)
_in_words: ContextVar[bool] = ContextVar("macro_in_words", default=True)


@contextmanager
def running(pk: int | None, name: str) -> Iterator[None]:
    """Let what is done inside say that this macro did it."""
    with _known({"id": pk, "name": name, "undo": False}):
        yield


@contextmanager
def undoing(pk: int | None, name: str) -> Iterator[None]:
    """Let what is done inside say that the run of this macro was undone."""
    with _known({"id": pk, "name": name, "undo": True}):
        yield


@contextmanager
def no_words() -> Iterator[None]:
    """Let the lines that are added inside say nothing more: their own words name the macro."""
    token = _in_words.set(False)
    try:
        yield
    finally:
        _in_words.reset(token)


def facts() -> dict[str, MacroFacts]:
    """Return `{"macro": …}` for a card or an event while a macro runs or is undone, else nothing."""
    macro = _macro.get()
    return {"macro": macro} if macro else {}


def with_origin(text: str = "") -> str:
    """Return the text of a line with the macro that is running, if any; each on a line of its own."""
    return "\n".join(filter(None, (text, _words())))


def _words() -> str:
    macro = _macro.get()
    if macro is None or not _in_words.get():
        return ""
    if macro["undo"]:
        return sentence("macro “%(name)s” undone", name=macro["name"])
    return sentence("by macro “%(name)s”", name=macro["name"])


@contextmanager
def _known(macro: MacroFacts) -> Iterator[None]:
    token = _macro.set(macro)
    try:
        yield
    finally:
        _macro.reset(token)
