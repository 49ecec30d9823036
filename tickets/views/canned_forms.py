"""The form of a canned reply, shared or personal, and its preview with a conversation."""

from typing import Any

from django import forms
from django.http import QueryDict

from desk.models import Department, User
from tickets.models import CannedReply, Conversation
from tickets.services.conversation import access
from tickets.services.inbox import canned_import, canned_replies

FIELD = {"class": "field", "autocomplete": "off"}
PREVIEWED = 20  # the newest conversations, with whose customers a reply can be previewed
SAMPLE = {"name": "Nina Holm", "first_name": "Nina", "page": "Your Page"}


class CannedReplyForm(forms.Form):
    """The fields of a canned reply. A personal one has no department."""

    shortcut = forms.SlugField(
        max_length=40,
        widget=forms.TextInput({**FIELD, "aria-describedby": "shortcut-error"}),
        error_messages={
            "required": "Give it a shortcut, for example “hello”.",
            "invalid": "Use letters from a to z, digits, - and _ only.",
        },
    )
    title = forms.CharField(
        max_length=100, required=False, widget=forms.TextInput({**FIELD, "aria-describedby": "title-error"})
    )
    folder = forms.CharField(
        max_length=60,
        required=False,
        widget=forms.TextInput({**FIELD, "list": "folders", "aria-describedby": "folder-error"}),
    )
    department = forms.ModelChoiceField(
        Department.objects.all(),
        required=False,
        empty_label="Every department",
        widget=forms.Select({"class": "field", "aria-describedby": "department-error"}),
    )
    text = forms.CharField(
        max_length=canned_import.MAX_TEXT,
        strip=False,
        widget=forms.Textarea({**FIELD, "rows": 8, "dir": "auto", "aria-describedby": "text-error"}),
        error_messages={"required": "Write the text."},
    )

    def __init__(
        self, user: User, reply: CannedReply | None, data: QueryDict | None, *, is_personal: bool = False
    ) -> None:
        initial = {name: getattr(reply, name) for name in canned_replies.FIELDS} if reply else None
        super().__init__(data, initial=initial)
        if is_personal:
            del self.fields["department"]
        used = CannedReply.objects.filter(owner=user if is_personal else None).exclude(folder="")
        self.folders = list(used.order_by("folder").values_list("folder", flat=True).distinct())
        self.conversations = list(
            access.conversations_for(user)
            .select_related("contact", "channel__page")
            .order_by("-last_message_at")[:PREVIEWED]
        )
        self._user = user

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"]).replace("\r\n", "\n")
        if not text.strip():
            raise forms.ValidationError("Write the text.")
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        cleaned["title"] = cleaned.get("title") or cleaned.get("shortcut", "")
        return cleaned

    def conversation(self, chosen: str) -> Conversation | None:
        """Return the conversation to preview with: the one that was chosen, else the newest."""
        by_id = {str(one.pk): one for one in self.conversations}
        return by_id.get(chosen, self.conversations[0] if self.conversations else None)

    def preview(self, conversation: Conversation | None) -> str:
        """Return the text as the customer of the conversation would get it; that of an invented one without any."""
        values = (
            canned_replies.facts(self._user, conversation) if conversation else {**SAMPLE, "agent": str(self._user)}
        )
        return canned_replies.fill(str(self["text"].value() or ""), values)


def preview_context(form: CannedReplyForm, chosen: str) -> dict[str, Any]:
    """Return what the template of the preview shows."""
    conversation = form.conversation(chosen)
    return {"previewed": conversation, "preview": form.preview(conversation)}
