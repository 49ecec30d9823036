"""End a rotation of DESK_SECRET_KEY: find what an old key still encrypts, and encrypt it with the current one."""

from collections.abc import Iterator
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.core import checks
from django.db import DatabaseError, transaction
from django.db.models import Model, TextField
from django.db.models.functions import Cast

from desk.encryption import EncryptedTokenField, json_values


@dataclass
class Column:
    """An encrypted column, and how many of its values need which key."""

    model: type[Model]
    field: EncryptedTokenField
    current: int = 0
    old: int = 0
    unreadable: int = 0
    changed: int = 0

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    @property
    def stored(self) -> Iterator[tuple[object, str]]:
        """Yield the primary key of each row with a value, and the value as it is stored."""
        raw = self.model._default_manager.exclude(**{self.field.name: None}).annotate(
            raw=Cast(self.field.name, TextField())
        )
        yield from ((pk, value) for pk, value in raw.values_list("pk", "raw").iterator() if value)

    def reencrypt(self, pk: object, raw: str) -> int:
        """Encrypt one value with the current key if it is still the one that was read; return 1, or 0 if it is not."""
        rows = self.model._default_manager.annotate(raw=Cast(self.field.name, TextField())).filter(pk=pk, raw=raw)
        return rows.update(**{self.field.name: self.field.f.decrypt(raw.encode()).decode()})


@dataclass
class JsonValue(Column):
    """An encrypted value within a JSON column, by its `key`."""

    column: str = ""
    key: str = ""

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.column}.{self.key}"

    @property
    def stored(self) -> Iterator[tuple[object, str]]:
        rows = self.model._default_manager.filter(**{f"{self.column}__has_key": self.key})
        yield from ((pk, data[self.key]) for pk, data in rows.values_list("pk", self.column).iterator())

    def reencrypt(self, pk: object, raw: str) -> int:
        with transaction.atomic():
            row = self.model._default_manager.select_for_update().filter(pk=pk).first()
            data = getattr(row, self.column) if row else {}
            if row is None or data.get(self.key) != raw:
                return 0
            data[self.key] = self.field.f.encrypt(self.field.f.decrypt(raw.encode())).decode()
            row.save(update_fields=[self.column])
            return 1


def columns() -> list[Column]:
    """Return every encrypted column of the project, and the secrets of two-step logins."""
    fields = [
        Column(model, field)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedTokenField)
    ]
    return fields + [JsonValue(Authenticator, json_values, column="data", key=key) for key in ("secret", "seed")]


def inspect(*, reencrypt: bool = False) -> list[Column]:
    """Return every encrypted column with its counts.

    With `reencrypt`, encrypts with the current key what needs an old one. A value that somebody changes meanwhile is
    left alone.
    """
    found = columns()
    for column in found:
        current = Fernet(column.field.keys[0])
        for pk, raw in column.stored:
            if _decrypts(current, raw):
                column.current += 1
            elif not _decrypts(column.field.f, raw):
                column.unreadable += 1
            else:
                column.old += 1
                if reencrypt:
                    column.changed += column.reencrypt(pk, raw)
    return found


def _decrypts(key: Fernet, raw: str) -> bool:
    try:
        key.decrypt(raw.encode())
    except (InvalidToken, UnicodeError):
        return False
    return True


def check_keys(**_options: object) -> list[checks.CheckMessage]:
    """Warn in `check --deploy` about values that need an old key, or that no key decrypts."""
    try:
        found = inspect()
    except DatabaseError:
        return []  # no tables yet, or no database
    messages: list[checks.CheckMessage] = []
    for column in found:
        if column.old:
            hint = (  # English only: for the console
                "Run manage.py reencrypt. Remove the old key from DESK_SECRET_KEY_FALLBACKS only after that."
            )
            what = f"{column.old} values of {column}"  # English only: for the console
            text = f"{what} are still encrypted with an old key."  # English only: for the console
            messages.append(checks.Warning(text, hint=hint, id="desk.W001"))
        if column.unreadable:
            hint = (  # English only: for the console
                "Add the missing key to DESK_SECRET_KEY_FALLBACKS, or re-authenticate the Pages and renew the secrets."
            )
            what = f"{column.unreadable} values of {column}"  # English only: for the console
            text = f"{what} cannot be decrypted with any key of this installation."  # English only: for the console
            messages.append(checks.Warning(text, hint=hint, id="desk.W002"))
    return messages
