"""May this be deleted? The apps that use a department or an agent say so themselves; desk need not know them."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.db.models import Model

Guard = Callable[[Any], str]
_guards: dict[type[Model], list[Guard]] = defaultdict(list)


def register(model: type[Model], guard: Guard) -> None:
    """Let `guard(obj)` speak before an object of `model` is deleted: a sentence with the reason, or "".

    Called from `AppConfig.ready()`.
    """
    if guard not in _guards[model]:
        _guards[model].append(guard)


def reasons_to_keep(obj: Model) -> list[str]:
    """Return why `obj` must stay, one sentence each; empty when it may be deleted."""
    return [sentence for guard in _guards[type(obj)] if (sentence := guard(obj))]
