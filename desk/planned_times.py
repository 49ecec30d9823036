"""Times that rows plan for later, and what happens to them when the clock of the machine was wrong.

While the clock is two hours ahead, a retry "in ten seconds" is planned two hours too late; when the clock is right
again the row would wait. Apps register the fields in `AppConfig.ready()` with the longest time that Desk plans ahead:
what is further away was planned by a wrong clock and is due now.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Model, Q
from django.utils import timezone

logger = logging.getLogger(__name__)

#: The clocks of several machines differ.
TOLERANCE = timedelta(minutes=2)
NOW = timedelta(0)  # for times that are never in the future, such as that of a claim


@dataclass(frozen=True)
class PlannedTime:
    """A field and the longest time that it is ahead; with `attempts`, of a row with that many attempts."""

    model: type[Model]
    name: str
    longest: timedelta
    attempts: str = ""
    longest_after: Callable[[int], timedelta | None] | None = None
    only: Q = field(default_factory=Q)

    def pull_back(self) -> int:
        """Make the rows due now whose time is too far away; return how many."""
        late = self._later_than(self.longest)
        count = late.update(**{self.name: timezone.now()})
        if self.longest_after is None:
            return count
        ahead = self._later_than(NOW).order_by().values_list(self.attempts, flat=True).distinct()
        for attempts in list(ahead):
            longest = self.longest_after(max(attempts, 1)) or self.longest
            rows = self._later_than(longest).filter(**{self.attempts: attempts})
            count += rows.update(**{self.name: timezone.now()})
        return count

    def _later_than(self, ahead: timedelta) -> Any:
        return self.model._default_manager.filter(self.only, **{f"{self.name}__gt": timezone.now() + ahead + TOLERANCE})


_registered: dict[tuple[type[Model], str, str], PlannedTime] = {}


def register(
    model: type[Model],
    name: str,
    longest: timedelta,
    *,
    attempts: str = "",
    longest_after: Callable[[int], timedelta | None] | None = None,
    only: Q | None = None,
) -> None:
    """Register a field that is at most `longest` ahead, or `longest_after(value of the field attempts)`.

    `only` limits it to some rows.
    """
    only = only or Q()
    _registered[model, name, str(only)] = PlannedTime(model, name, longest, attempts, longest_after, only)


def pull_back() -> int:
    """Make every row due whose time a wrong clock has planned; return how many."""
    total = 0
    for planned in _registered.values():
        try:
            count = planned.pull_back()
        except Exception:
            logger.exception("%s of %s could not be checked", planned.name, planned.model._meta.label)
            continue
        if count:
            label = planned.model._meta.label
            logger.warning("%s rows of %s had a time of a wrong clock (%s)", count, label, planned.name)
        total += count
    return total
