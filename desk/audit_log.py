"""Record who did what in Setup, in Django's LogEntry. Every action of Setup calls `record`."""

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from desk.models import User

__all__ = ["ADDITION", "CHANGE", "DELETION", "entries_of", "record"]


def record(user: User, obj: Model, flag: int, message: str) -> LogEntry:
    """Create and return one history entry.

    `message` is a sentence without secrets, `flag` ADDITION, CHANGE or DELETION. Call it inside the transaction of the
    action itself, so that either both are committed or neither is.
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
    """Return the newest history entries of one object, at most `limit`."""
    content_type = ContentType.objects.get_for_model(obj)
    entries = LogEntry.objects.filter(content_type=content_type, object_id=str(obj.pk))
    return list(entries.select_related("user").order_by("-action_time", "-pk")[:limit])
