"""Who did what in Setup, in Django's own history (LogEntry): every action of Setup calls `record`."""

from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

__all__ = ["ADDITION", "CHANGE", "DELETION", "entries_of", "record"]


def record(user: Any, obj: Model, flag: int, message: str) -> LogEntry:
    """Write one line of history: `message` is a sentence without secrets, `flag` ADDITION, CHANGE or DELETION.

    Call it inside the transaction of the action itself, so that neither is there without the other.
    """
    return LogEntry.objects.create(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(obj),
        object_id=str(obj.pk),
        object_repr=str(obj)[:200],
        action_flag=flag,
        change_message=message,
    )


def entries_of(obj: Model, limit: int = 10) -> list[LogEntry]:
    """Return the newest lines of history of one object."""
    content_type = ContentType.objects.get_for_model(obj)
    entries = LogEntry.objects.filter(content_type=content_type, object_id=str(obj.pk))
    return list(entries.select_related("user").order_by("-action_time", "-pk")[:limit])
