"""The forms in which people set their own password: record it, and offer to revoke their API tokens."""

from typing import TYPE_CHECKING, Any

from allauth.account.forms import ChangePasswordForm as AllauthChangeForm
from allauth.account.forms import ResetPasswordKeyForm as AllauthResetForm
from allauth.account.forms import SetPasswordForm as AllauthSetForm
from django import forms
from django.db import transaction
from django.utils.translation import gettext_lazy, ngettext

from desk import audit_log
from desk.accounts import addresses
from desk.models import User
from desk.sentences import sentence
from tickets.services.webhooks import api_tokens

REVOKE = "revoke_tokens"
LABELS = {
    "oldpassword": gettext_lazy("Present password"),
    "password1": gettext_lazy("New password"),
    "password2": gettext_lazy("New password again"),
}

if TYPE_CHECKING:
    _Form = forms.Form
else:
    _Form = object


class RecordsPassword(_Form):
    """Save the password, its line in the history and the revocation in one transaction."""

    user: User | None
    sentence: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = LABELS.get(name, field.label)
            field.widget.attrs.pop("placeholder", None)
        count = api_tokens.working(self.user).count() if self.user is not None else 0
        if count:
            self.fields[REVOKE] = forms.BooleanField(
                required=False,
                label=ngettext("Revoke my API token too", "Revoke my %(count)s API tokens too", count)
                % {"count": count},
                help_text=ngettext(
                    "Tick this if somebody may know your old password. Programs that use your token stop working until "
                    "they get a new one.",
                    "Tick this if somebody may know your old password. Programs that use your tokens stop working "
                    "until they get a new one.",
                    count,
                ),
            )

    def save(self) -> None:
        """Save the password, and revoke the tokens when that is ticked."""
        with transaction.atomic():
            super().save()  # type: ignore[misc]  # of allauth's form
            if self.user is None:
                return
            audit_log.record(self.user, self.user, audit_log.Action.PASSWORD, self.sentence)
            addresses.drop_waiting(self.user)
            if self.cleaned_data.get(REVOKE):
                api_tokens.revoke_all(self.user, self.user, sentence("The password was changed."))


class ChangePasswordForm(RecordsPassword, AllauthChangeForm):
    """Change one's password."""

    sentence = sentence("Password changed.")


class SetPasswordForm(RecordsPassword, AllauthSetForm):
    """Set the first password."""

    sentence = sentence("Password set.")


class ResetPasswordForm(RecordsPassword, AllauthResetForm):
    """Set a new password with the link from an e-mail."""

    sentence = sentence("Password reset with a link from an e-mail.")
