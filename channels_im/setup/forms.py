"""The forms of Setup. They show errors at their fields; the services hold the rules."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy, ngettext, ngettext_lazy

from channels_im.models import Channel, ChannelDraft, Page
from channels_im.models.channels import DEFAULT_INTERMISSION_MINUTES, MAX_INTERMISSION_MINUTES
from channels_im.services.channels import MAX_NAME
from channels_im.services.facebook.history_requests import DAYS
from channels_im.services.icons import CheckedIcon, IconError, check_icon
from desk.languages import translated
from desk.models import Department


def _history_choices() -> list[tuple[str | int, str]]:
    words = ((days, ngettext("Import the last %(days)s day", "Import the last %(days)s days", days)) for days in DAYS)
    return [("", gettext("Do not import")), *((days, text % {"days": days}) for days, text in words)]


class ChannelForm(forms.Form):
    """Add and Edit Channel. `draft` may hold an icon that was uploaded before a Facebook login or an error."""

    icon = forms.FileField(required=False, allow_empty_file=True, widget=forms.FileInput)
    name = forms.CharField(
        max_length=MAX_NAME,
        error_messages={
            "required": gettext_lazy("Give the channel a name."),
            "max_length": ngettext_lazy(
                "The name has %(show_value)d character; at most %(limit_value)d fit.",
                "The name has %(show_value)d characters; at most %(limit_value)d fit.",
                "show_value",
            ),
        },
    )
    page = forms.ModelChoiceField(
        queryset=Page.objects.all(),
        error_messages={
            "required": gettext_lazy("Select a Facebook Page. If there is none yet, link your Facebook account first."),
            "invalid_choice": gettext_lazy("This Page is not among your linked Pages. Select one from the list."),
        },
    )
    department = forms.ModelChoiceField(
        queryset=Department.objects.all(),
        empty_label=gettext_lazy("Select a department"),
        error_messages={
            "required": gettext_lazy("Select the department that receives the messages."),
            "invalid_choice": gettext_lazy("This department no longer exists. Select another one."),
        },
    )
    history_days = forms.ChoiceField(
        required=False,
        choices=_history_choices,
        error_messages={"invalid_choice": gettext_lazy("Select how many days are imported.")},
    )
    receive_audio_video = forms.BooleanField(required=False)
    shows_typing = forms.BooleanField(required=False)
    shows_seen = forms.BooleanField(required=False)

    def __init__(
        self, *args: Any, channel: Channel | None = None, draft: ChannelDraft | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.channel, self.draft = channel, draft
        if channel:
            del self.fields["page"]  # a channel keeps its Page: its conversations belong to it
            del self.fields["history_days"]  # on the same page, but not in this form
        else:
            attributes = {"class": "field", "aria-describedby": "history_days-error"}
            self.fields["history_days"].widget.attrs |= attributes
        self.fields["name"].widget.attrs |= {"class": "field", "autocomplete": "off", "aria-describedby": "name-error"}
        # The browser would silently cut a long name; the server says how long it is and how much fits.
        self.fields["name"].widget.attrs.pop("maxlength", None)
        self.fields["department"].widget.attrs |= {"class": "field", "aria-describedby": "department-error"}
        self.fields["icon"].widget.attrs |= {
            "accept": ".jpg,.jpeg,.png",
            "class": "icon-input",
            "data-icon-input": "",
            "aria-describedby": "icon-error",
        }

    def clean_history_days(self) -> int:
        """Return how many days are imported, 0: nothing."""
        return int(self.cleaned_data["history_days"] or 0)

    def clean_icon(self) -> CheckedIcon | None:
        """Return the uploaded icon, else the draft's; None keeps the channel's."""
        uploaded = self.cleaned_data["icon"]
        if uploaded is not None:
            try:
                return check_icon(uploaded, uploaded.name, uploaded.size)
            except IconError as error:
                raise forms.ValidationError(translated(str(error))) from error
        if self.draft and self.draft.icon.name:
            with self.draft.icon.open("rb") as icon:
                return CheckedIcon(icon.read(), name=self.draft.icon.name.rpartition("/")[2])
        if self.channel:
            return None
        raise forms.ValidationError(gettext("Choose an icon: a .jpg, .jpeg or .png picture of at most 1 MB."))


class PreferencesForm(forms.Form):
    """The preferences of a department."""

    threading_intermission = forms.IntegerField(
        min_value=DEFAULT_INTERMISSION_MINUTES,
        max_value=MAX_INTERMISSION_MINUTES,
        error_messages={
            "required": gettext_lazy("Enter a number of minutes."),
            "invalid": gettext_lazy("Enter a whole number of minutes."),
            "min_value": gettext_lazy("The shortest intermission is 60 minutes."),
            "max_value": gettext_lazy("The longest intermission is 24 hours (1440 minutes)."),
        },
        widget=forms.NumberInput(
            attrs={
                "class": "field field--number",  # English only: classes of CSS
                "data-slider": "intermission-slider",
                "step": "1",
            }
        ),
    )
