"""The forms of a webhook and of an API token."""

from datetime import date, datetime, time, timedelta

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from desk import audit_log
from desk.models import User
from desk.sentences import sentence
from tickets.models import EventSubscription, EventType, Scope
from tickets.services.webhooks import api_tokens, subscriptions

FIELD = {"class": "field", "autocomplete": "off"}


class SubscriptionForm(forms.Form):
    name = forms.CharField(
        max_length=EventSubscription._meta.get_field("name").max_length,
        widget=forms.TextInput({**FIELD, "aria-describedby": "name-error"}),
        error_messages={"required": gettext_lazy("Give the webhook a name, for example “CRM”.")},
    )
    url = forms.CharField(
        max_length=EventSubscription._meta.get_field("url").max_length,
        widget=forms.URLInput({**FIELD, "aria-describedby": "url-error", "placeholder": "https://"}),
        error_messages={"required": gettext_lazy("Enter the address that receives the events.")},
    )
    events = forms.MultipleChoiceField(
        choices=EventType.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one event.")},
    )
    is_active = forms.BooleanField(required=False, initial=True)

    def clean_url(self) -> str:
        subscriptions.check_address(self.cleaned_data["url"])
        return self.cleaned_data["url"]

    @classmethod
    def of(cls, subscription: EventSubscription, data: QueryDict | None = None) -> "SubscriptionForm":
        """Return the form of an existing webhook, bound to `data` when there is some."""
        fields = ("name", "url", "events", "is_active")
        return cls(data, initial={field: getattr(subscription, field) for field in fields})


SCOPE_LABELS = {
    Scope.READ: sentence("Read conversations, files and contacts, and export"),
    Scope.REPLY: sentence("Send replies and reactions, and write notes"),
    Scope.MANAGE: sentence(
        "Change conversations, tickets and contacts, and manage labels, macros, canned replies, views and assignment"
    ),
    Scope.ERASE: sentence("Erase contacts permanently"),
    Scope.WEBHOOKS: sentence("See, add, change and delete webhooks"),
}


def _in_a_year() -> date:
    return timezone.localdate() + timedelta(days=api_tokens.DEFAULT_DAYS)


class TokenForm(forms.Form):
    """A new API token."""

    user = forms.ModelChoiceField(
        User.objects.none(),
        empty_label=gettext_lazy("Choose a user"),
        widget=forms.Select(FIELD),
        error_messages={
            "required": gettext_lazy("Choose a user for the token."),
            "invalid_choice": gettext_lazy(
                "You cannot create a token for this user. Choose one from the list, or ask a superuser."
            ),
        },
    )
    name = forms.CharField(
        max_length=api_tokens.NAME_LENGTH,
        widget=forms.TextInput(FIELD),
        error_messages={"required": gettext_lazy("Give the token a name, for example “CRM”.")},
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, label) for scope, label in SCOPE_LABELS.items()],
        initial=[Scope.READ],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one thing that the token may do.")},
    )
    expires = forms.DateField(
        required=False,
        initial=_in_a_year,
        widget=forms.DateInput({**FIELD, "type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": gettext_lazy("Enter a day as YYYY-MM-DD, or leave it empty.")},
    )

    def __init__(self, maker: User, data: QueryDict | None = None) -> None:
        super().__init__(data)
        choice = self.fields["user"]
        assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        choice.queryset = api_tokens.users_for(maker).order_by("username")
        choice.label_from_instance = audit_log.name_of  # type: ignore[assignment, method-assign]

    def clean_expires(self) -> datetime | None:
        """Return the end of the day, as the token works on that day."""
        day = self.cleaned_data["expires"]
        if day is None:
            return None
        if day < timezone.localdate():
            raise forms.ValidationError(gettext("This day is over. Choose a later one, or leave it empty."))
        try:
            return timezone.make_aware(datetime.combine(day, time.max))
        except OverflowError:
            raise forms.ValidationError(gettext("This day is too far away. Leave it empty instead.")) from None
