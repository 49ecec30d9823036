"""Encrypt secrets in the database and hide them in every repr, log line and traceback."""

import base64
import logging
import secrets
from typing import TYPE_CHECKING, Any, Self, overload

from cryptography.fernet import InvalidToken
from django.db.models import Model
from encrypted_fields.fields import EncryptedTextField

logger = logging.getLogger(__name__)

#: Prefix of an encrypted token in a dump, so that `loaddata` does not encrypt it again.
DUMP_PREFIX = "encrypted:"


class Secret(str):
    """A str whose repr hides the text, as in tracebacks and debuggers."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"  # English only: for the log


class EncryptedTokenField(EncryptedTextField):
    """A token, encrypted with DESK_SECRET_KEY. DESK_SECRET_KEY_FALLBACKS can still decrypt it while keys rotate.

    A value that cannot be decrypted reads as None: it counts as "no token" and is never sent anywhere.
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
        if isinstance(value, str) and value.startswith(DUMP_PREFIX):
            return self._decrypt(value.removeprefix(DUMP_PREFIX))
        return value if value is None else Secret(value)

    def value_to_string(self, obj: Model) -> str:
        """Return what `dumpdata` writes and `loaddata` reads: the token encrypted, as in the database."""
        value = self.value_from_object(obj)
        return f"{DUMP_PREFIX}{self.get_prep_value(value)}" if value else ""

    def _decrypt(self, value: str) -> Secret | None:
        try:
            return Secret(self.f.decrypt(value.encode()).decode())
        except (InvalidToken, UnicodeError):
            logger.error("A stored token cannot be decrypted with the current keys (field %s)", self.name)
            return None


#: Encrypts what is part of a JSON column, with the same keys as the fields.
json_values = EncryptedTokenField(name="json_values")


def encrypt(text: str) -> str:
    """Return `text` encrypted with DESK_SECRET_KEY, for a place within a JSON column."""
    return json_values.f.encrypt(text.encode()).decode()


def decrypt_or_random(encrypted: str) -> str:
    """Return the text that `encrypt` got, or a random base32 text when no key decrypts it.

    A key for codes must not become empty or known, or anybody could compute the codes: with a random one, none fits.
    """
    try:
        return json_values.f.decrypt(encrypted.encode()).decode()
    except (InvalidToken, UnicodeError):
        logger.error("A stored secret of a two-step login cannot be decrypted with the current keys")
        return base64.b32encode(secrets.token_bytes(20)).decode()
