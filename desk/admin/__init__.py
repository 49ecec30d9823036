"""The lists and forms of Setup that belong to Desk itself: people and History."""

from desk.admin import history, people
from desk.admin.base import GuardedAdmin, ReadOnlyAdmin, SetupModelAdmin

__all__ = ["GuardedAdmin", "ReadOnlyAdmin", "SetupModelAdmin", "history", "people"]  # English only: names in Python
