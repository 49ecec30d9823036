"""Forms in place of allauth's."""

from typing import Any

from allauth.account import forms
from django.http import HttpRequest
from django.utils.translation import gettext

from desk.accounts import mails


class ResetPasswordForm(forms.ResetPasswordForm):
    """Ask for an address, and do the same for every address: whether somebody has it, the worker finds out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = gettext("E-mail address")
        self.fields["email"].widget.attrs.pop("placeholder", None)

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def save(self, request: HttpRequest, **kwargs: object) -> str:
        mails.queue_password_reset(self.cleaned_data["email"])
        return self.cleaned_data["email"]
