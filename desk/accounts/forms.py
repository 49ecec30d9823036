"""Forms in place of allauth's."""

from allauth.account import forms
from django.http import HttpRequest

from desk.accounts import mails


class ResetPasswordForm(forms.ResetPasswordForm):
    """Ask for an address, and do the same for every address: whether somebody has it, the worker finds out."""

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def save(self, request: HttpRequest, **kwargs: object) -> str:
        mails.queue_password_reset(self.cleaned_data["email"])
        return self.cleaned_data["email"]
