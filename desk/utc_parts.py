"""Group rows by the hour or minute of a time: in SQL, and fast on SQLite, where Django's Trunc calls Python."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import CharField, Func


class UtcPart(Func):
    """The beginning of a time in UTC as text; `utc_part` makes a moment of it."""

    output_field = CharField()
    length: int
    format: str

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Return the SQL: Django stores times as text, in UTC."""
        return self.as_sql(compiler, connection, template=f"substr(%(expressions)s, 1, {self.length})", **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Return the SQL."""
        template = f"to_char(%(expressions)s AT TIME ZONE 'UTC', '{self.format}')"
        return self.as_sql(compiler, connection, template=template, **extra)


class UtcHour(UtcPart):
    """The hour of a time."""

    length, format = 13, "YYYY-MM-DD HH24"


class UtcMinute(UtcPart):
    """The minute of a time."""

    length, format = 16, "YYYY-MM-DD HH24:MI"


def utc_part(text: str) -> datetime:
    """Return the moment at which the hour or minute began."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
