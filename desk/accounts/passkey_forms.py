"""allauth's forms for passkeys, with what a browser never sends refused as a wrong passkey instead of an error of Desk.

allauth and fido2 read the credential as far as a browser makes it. Anybody can send something else, also before login.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as allauth_forms
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

MAX_NAME = 100
MAX_CREDENTIAL = 64 * 1024  # characters; those of browsers have a few thousand
#: What reading a credential raises when its parts, or the bytes in them, are not what they should be.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class CredentialField(forms.JSONField):
    """A credential: an object with text that every database can store."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > MAX_CREDENTIAL:
            raise _not_correct()
        with _wrong_when_unreadable():
            credential = super().to_python(value)
            text = json.dumps(credential, ensure_ascii=False)
            text.encode()  # half a character cannot be stored
        if credential is not None and (not isinstance(credential, dict) or "\\u0000" in text):
            raise _not_correct()
        return credential

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return "": a form that comes back asks for the passkey again."""
        return ""

    def prepare_value(self, value: Any) -> Any:
        return value or ""


class AddForm(allauth_forms.AddWebAuthnForm):
    """Add a passkey."""

    name = forms.CharField(required=False, max_length=MAX_NAME)
    credential = CredentialField()

    def clean(self) -> dict[str, Any]:
        with _wrong_when_unreadable():
            cleaned: dict[str, Any] = super().clean()
        return cleaned


class EditForm(allauth_forms.EditWebAuthnForm):
    """Rename a passkey."""

    name = forms.CharField(max_length=MAX_NAME)


class _ReadCredential(forms.Form):
    credential = CredentialField()

    def clean_credential(self) -> Authenticator:
        with _wrong_when_unreadable():
            found: Authenticator = super().clean_credential()  # type: ignore[misc]  # of the forms below
        return found


class AuthenticateForm(_ReadCredential, allauth_forms.AuthenticateWebAuthnForm):
    """Use a passkey as the second step."""


class LoginForm(_ReadCredential, allauth_forms.LoginWebAuthnForm):
    """Log in with a passkey alone."""


class ReauthenticateForm(_ReadCredential, allauth_forms.ReauthenticateWebAuthnForm):
    """Say again who one is, with a passkey."""


def _not_correct() -> ValidationError:
    """Return the sentence of templates/mfa/webauthn/_error.html: allauth's own is about the code of an app."""
    return ValidationError(
        gettext(
            "The browser did not use a passkey: it was cancelled, took too long, or this device has none for Desk. "
            "Try again."
        )
    )


@contextmanager
def _wrong_when_unreadable() -> Iterator[None]:
    try:
        yield
    except (ValidationError, *UNREADABLE):
        raise _not_correct() from None
