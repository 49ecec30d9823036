"""Secrets at rest: encrypted in the database, unreadable in every repr, log line and traceback."""

import logging
from typing import TYPE_CHECKING, Any, Self, overload

from cryptography.fernet import InvalidToken
from django.db.models import Model
from encrypted_fields.fields import EncryptedTextField

logger = logging.getLogger(__name__)

#: What an encrypted token begins with in a dump, so that it is not encrypted once more when it is loaded.
DUMPED = "encrypted:"


class Secret(str):
    """A text that works as a str where it is used and hides itself where it is shown (repr, tracebacks, debuggers)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


class EncryptedTokenField(EncryptedTextField):
    """A token, encrypted with DESK_SECRET_KEY; DESK_SECRET_KEY_FALLBACKS still decrypt while keys rotate.

    What cannot be decrypted reads as None, so that it counts as "no token" and is never sent anywhere.
    """

    if TYPE_CHECKING:  # encrypted_fields has no types

        @overload
        def __get__(self, instance: None, owner: type[Model]) -> Self: ...
        @overload
        def __get__(self, instance: Model, owner: type[Model]) -> Secret | None: ...
        def __get__(self, instance: Model | None, owner: type[Model]) -> Self | Secret | None: ...
        def __set__(self, instance: Model, value: str | None) -> None: ...

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Secret | None:
        return self._decrypt(value) if value else None

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(DUMPED):
            return self._decrypt(value.removeprefix(DUMPED))
        return value if value is None else Secret(value)

    def value_to_string(self, obj: Model) -> str:
        """Return what `dumpdata` writes and `loaddata` reads: the token encrypted, as in the database."""
        value = self.value_from_object(obj)
        return f"{DUMPED}{self.get_prep_value(value)}" if value else ""

    def _decrypt(self, value: str) -> Secret | None:
        try:
            return Secret(self.f.decrypt(value.encode()).decode())
        except (InvalidToken, UnicodeError):
            logger.error("A stored token cannot be decrypted with the present keys (field %s)", self.name)
            return None
