"""The tasks the queue runs for the base app."""

from desk import retention


def apply_retention(resume: bool = False) -> int:
    """Delete what is older than the retention rules allow; scheduled daily. Return how many rows."""
    return sum(retention.apply(resume=resume).values())
