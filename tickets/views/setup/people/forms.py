"""The forms of an invitation and of a person."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy

from channels_im.models import Channel
from channels_im.setup.access import CHANGE_PREFERENCES, may
from desk.accounts import addresses
from desk.models import Department, User
from tickets.services.people import roles
from tickets.services.people.changes import Details, Place
from tickets.services.people.roles import Role
from tickets.views.base import parse_id

from .pages import CHANGE_AGENT

FIELD = {"class": "field", "autocomplete": "off"}
BEYOND = gettext_lazy(
    "You can give only what you have yourself. Choose from the list, or ask an administrator with more rights."
)
LANGUAGES = [("", gettext_lazy("As their browser")), *settings.LANGUAGES]
TAKEN = gettext_lazy("Somebody with this address exists already.")


class RowsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # at run time it takes none
    """Several rows by their ids. Django itself passes a number beyond the column on to the database."""

    def clean(self, value: Any) -> Any:
        """Return the rows. Raises ValidationError, also for an id that no row can have."""
        for pk in value or ():
            if parse_id(str(pk)) is None:
                shown = {"pk": str(pk)[:40]}
                raise forms.ValidationError(self.error_messages["invalid_pk_value"], "invalid_pk_value", shown)
        return super().clean(value)


class PlaceForm(forms.Form):
    """Role, departments and channels. A field that the requester may not change is left out."""

    role = forms.ChoiceField(
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose a role."), "invalid_choice": BEYOND},
    )
    departments = RowsField(Department.objects.all(), required=False, widget=forms.CheckboxSelectMultiple)
    channels = RowsField(Channel.objects.none(), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, by: User, *args: Any, current: Role | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._roles = {role.key: role for role in roles.roles_within(by)}
        if current is not None and current.key not in self._roles:
            self._roles = {current.key: current} | self._roles
        self.fields["role"].choices = [  # type: ignore[attr-defined]  # it is a ChoiceField
            (role.key, role) for role in self._roles.values()
        ]
        channels = self.fields["channels"]
        assert isinstance(channels, forms.ModelMultipleChoiceField)  # noqa: S101 - for the type checker
        channels.queryset = _channels()
        channels.label_from_instance = _channel_label  # type: ignore[assignment, method-assign]
        if not may(by, CHANGE_AGENT):
            del self.fields["departments"]
        if not may(by, CHANGE_PREFERENCES):
            del self.fields["channels"]
        if not self.fields.get("departments"):
            self.fields.pop("channels", None)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        chosen = cleaned.get("departments")
        for channel in cleaned.get("channels") or ():
            if chosen is not None and channel.department not in chosen:
                words = gettext("“%(channel)s” belongs to %(department)s. Choose this department too.")
                self.add_error("channels", words % {"channel": channel.name, "department": channel.department})
        return cleaned

    @property
    def role_given(self) -> Role:
        """Return the chosen role."""
        return self._roles[self.cleaned_data["role"]]

    @property
    def place(self) -> Place:
        """Return the chosen departments and channels."""
        departments, channels = self.cleaned_data.get("departments"), self.cleaned_data.get("channels")
        return Place(None if departments is None else list(departments), None if channels is None else list(channels))


def _channels() -> QuerySet[Channel, Channel]:
    return Channel.objects.existing().select_related("department").order_by("department__name", "name")


def _channel_label(channel: Channel) -> str:
    return f"{channel.name} ({channel.department})"


class NameField(forms.CharField):
    """A name, on one line whatever was sent."""

    def clean(self, value: Any) -> Any:
        return super().clean(" ".join(value.split()) if isinstance(value, str) else value)


class LanguageField(forms.ChoiceField):
    """The language in which somebody reads Desk; "" is that of their browser."""

    def __init__(self) -> None:
        super().__init__(
            choices=LANGUAGES,
            required=False,
            widget=forms.Select(FIELD),
            error_messages={"invalid_choice": gettext_lazy("Choose a language from the list.")},
        )


class InviteForm(PlaceForm):
    """Somebody who is invited."""

    first_name = NameField(
        max_length=150,
        widget=forms.TextInput(FIELD),
        error_messages={"required": gettext_lazy("Enter the first name.")},
    )
    last_name = NameField(max_length=150, required=False, widget=forms.TextInput(FIELD))
    email = forms.EmailField(
        max_length=254,
        widget=forms.EmailInput(FIELD),
        error_messages={"required": gettext_lazy("Enter the e-mail address to which the invitation is sent.")},
    )
    language = LanguageField()

    def clean_email(self) -> str:
        if addresses.is_taken(self.cleaned_data["email"]):
            raise forms.ValidationError(TAKEN)
        return self.cleaned_data["email"]


class PersonForm(PlaceForm):
    """Somebody who exists."""

    first_name = NameField(max_length=150, required=False, widget=forms.TextInput(FIELD))
    last_name = NameField(max_length=150, required=False, widget=forms.TextInput(FIELD))
    email = forms.EmailField(max_length=254, required=False, widget=forms.EmailInput(FIELD))
    username = forms.CharField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput({**FIELD, "autocapitalize": "none", "spellcheck": "false"}),
        error_messages={"required": gettext_lazy("Enter the username with which they log in.")},
    )
    language = LanguageField()

    def __init__(self, by: User, person: User, data: Any = None) -> None:
        role = roles.role_of(person)
        agent = getattr(person, "agent", None)
        initial: dict[str, Any] = {
            field: getattr(person, field) for field in ("first_name", "last_name", "email", "username", "language")
        }
        initial["role"] = role.key
        if agent is not None:
            initial["departments"] = list(agent.departments.values_list("pk", flat=True))
            initial["channels"] = list(agent.channels.filter(deleted_at=None).values_list("pk", flat=True))
        super().__init__(by, data, current=role, initial=initial)
        self._person = person

    def clean_email(self) -> str:
        email = self.cleaned_data["email"]
        if email and email != self._person.email and addresses.is_taken(email, but=self._person):
            raise forms.ValidationError(TAKEN)
        return email

    def clean_username(self) -> str:
        name = User.normalize_username(self.cleaned_data["username"])
        if User.objects.filter(username__iexact=name).exclude(pk=self._person.pk).exists():
            raise forms.ValidationError(gettext("Somebody has this username already."))
        return name

    @property
    def details(self) -> Details:
        """Return the names and addresses, and the language."""
        return Details(**{field: self.cleaned_data[field] for field in Details.__dataclass_fields__})
