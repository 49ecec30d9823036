"""Tell whether the keys of this installation decrypt the tokens of an archive, without storing the key.

The archive has a known text, encrypted exactly like a token. It tells as little about the key as the tokens beside it.
"""

from cryptography.fernet import InvalidToken

from desk.encryption import EncryptedTokenField

TEXT = b"Desk backup"


def make() -> str:
    """Return the known text, encrypted with the current key."""
    return EncryptedTokenField().f.encrypt(TEXT).decode()


def fits(sentinel: str) -> bool:
    """Return whether one of the keys of this installation made `sentinel`."""
    try:
        return bool(EncryptedTokenField().f.decrypt(sentinel.encode()) == TEXT)
    except (InvalidToken, UnicodeError):
        return False
