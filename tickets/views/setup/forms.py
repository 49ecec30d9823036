"""The form of a webhook."""

from django import forms
from django.http import QueryDict

from tickets.models import EventSubscription, EventType
from tickets.services.webhooks import subscriptions

FIELD = {"class": "field", "autocomplete": "off"}


class SubscriptionForm(forms.Form):
    name = forms.CharField(
        max_length=EventSubscription._meta.get_field("name").max_length,
        widget=forms.TextInput({**FIELD, "aria-describedby": "name-error"}),
        error_messages={"required": "Give the program a name, for example “CRM”."},
    )
    url = forms.CharField(
        max_length=EventSubscription._meta.get_field("url").max_length,
        widget=forms.URLInput({**FIELD, "aria-describedby": "url-error", "placeholder": "https://"}),
        error_messages={"required": "Enter the address that receives the events."},
    )
    events = forms.MultipleChoiceField(
        choices=EventType.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one event."},
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
