"""Find where the data contradicts itself: `manage.py verify_integrity`. Apps register checks in `AppConfig.ready()`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Max, Min, Model, Q

BATCH_ROWS = 500


@dataclass(frozen=True)
class Wishes:
    """What to do besides finding: mend what can be computed again; delete files that no row names when old enough."""

    mend: bool = False
    delete_orphans: bool = False
    orphan_age: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class Finding:
    """One contradiction. `subject` names the row or file, `sentence` says what is wrong."""

    subject: str
    sentence: str
    mended: bool = False


Check = Callable[[Wishes], Iterator[Finding]]

_registered: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Register a check; `name` says what it checks."""
    _registered[name] = check


def checks() -> dict[str, Check]:
    """Return all checks by name."""
    return dict(_registered)


def key_ranges(model: type[Model]) -> Iterator[Q]:
    """Yield conditions that divide a table by ranges of its primary key, of at most BATCH_ROWS rows each."""
    ends = model._base_manager.aggregate(first=Min("pk"), last=Max("pk"))
    start = ends["first"]
    while start is not None and start <= ends["last"]:
        yield Q(pk__gte=start, pk__lt=start + BATCH_ROWS)
        start += BATCH_ROWS
