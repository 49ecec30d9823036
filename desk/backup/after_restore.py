"""What apps do with the rows of a restored backup, before Desk runs on them. They register in `AppConfig.ready()`."""

from collections.abc import Callable

#: `moved` says that the old Desk was stopped before the backup, so that nothing happened after it. The function returns
#: sentences for whoever restores.
Step = Callable[[bool], list[str]]

_registered: dict[str, Step] = {}


def register(name: str, step: Step) -> None:
    """Register a function that is called once after a restore, with all migrations applied."""
    _registered[name] = step


def run(*, moved: bool) -> list[str]:
    """Call all registered functions and return their sentences."""
    return [sentence for step in _registered.values() for sentence in step(moved)]
