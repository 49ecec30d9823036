"""What the history says."""

from django.db.models import QuerySet

from desk.models import AuditEntry, User

LEFT_OUT = (AuditEntry.Action.LOGIN, AuditEntry.Action.LOGOUT, AuditEntry.Action.TOKEN)


def changes(user: User | None = None) -> QuerySet[AuditEntry, AuditEntry]:
    """Return the entries, those of `user` if given, without logins, logouts and API tokens."""
    entries = AuditEntry.objects.exclude(action__in=LEFT_OUT)
    return entries.filter(actor=user) if user else entries
