"""Actions on channels, Pages, Facebook accounts and the journal.

Tasks queued by Desk 0.x name functions by the modules of that time. `__getattr__` finds them, so that no task that
waits in the queue during an update is lost.
"""

from importlib import import_module
from types import ModuleType

_QUEUED_NAMES = {
    "subscriptions": "channels_im.services.facebook.subscriptions",
    "connection": "channels_im.services.facebook.connection",
}


def __getattr__(name: str) -> ModuleType:
    """Return the module that had this name in 0.x. Raises AttributeError for every other name."""
    if name in _QUEUED_NAMES:
        return import_module(_QUEUED_NAMES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")  # English only: for programmers
