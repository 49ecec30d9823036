"""What can be done with channels, Pages, Facebook accounts and the journal.

Tasks that were queued by Desk 0.x name functions by the modules of that time. They are found by `__getattr__`, so that
nothing that waits in the queue during an update is lost.
"""

from importlib import import_module
from typing import Any

_QUEUED_NAMES = {
    "subscriptions": "channels_im.services.facebook.subscriptions",
    "connection": "channels_im.services.facebook.connection",
}


def __getattr__(name: str) -> Any:
    """Return the module that has the name of 0.x; AttributeError for every other name."""
    if name in _QUEUED_NAMES:
        return import_module(_QUEUED_NAMES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
