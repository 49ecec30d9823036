"""Check whether an object may be deleted. Apps that use a department or an agent register checks; desk imports none."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.db.models import Model

Check = Callable[[Any], str]
_checks: dict[type[Model], list[Check]] = defaultdict(list)


def register(model: type[Model], check: Check) -> None:
    """Register `check(obj)` to run before an object of `model` is deleted. Call it from `AppConfig.ready()`.

    It returns a sentence with the reason why the object must stay, or "".
    """
    if check not in _checks[model]:
        _checks[model].append(check)


def reasons_to_keep(obj: Model) -> list[str]:
    """Return the reasons why `obj` must stay, one sentence each; empty when it may be deleted."""
    return [sentence for check in _checks[type(obj)] if (sentence := check(obj))]
