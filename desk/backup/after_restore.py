"""What apps do with the rows of a restored backup, before Desk runs on them. They register in `AppConfig.ready()`."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Circumstances:
    """When the backup was made (ISO 8601), and whether the old Desk was stopped before: then nothing happened after."""

    made_at: str
    moved: bool


#: Returns sentences for whoever restores.
Step = Callable[[Circumstances], list[str]]

_registered: dict[str, Step] = {}


def register(name: str, step: Step) -> None:
    """Register a function that is called once after a restore, with all migrations applied."""
    _registered[name] = step


def run(circumstances: Circumstances) -> list[str]:
    """Call all registered functions and return their sentences."""
    return [sentence for step in _registered.values() for sentence in step(circumstances)]
