"""The form of a canned reply, shared or personal, and its preview with a conversation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Q
from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from channels_im.messenger.files import OUTGOING_EXTENSIONS
from desk.languages import translated
from desk.models import Department, User
from desk.requests import UserRequest
from tickets.models import CannedReply, CannedReplyFile, Conversation
from tickets.services.conversation import access
from tickets.services.inbox import canned_files, canned_import, canned_replies
from tickets.services.outgoing.outgoing_files import NamedFile
from tickets.views.base import parse_ids

FIELD = {"class": "field", "autocomplete": "off"}
PREVIEWED = 20  # the newest conversations, with whose customers a reply can be previewed
SAMPLE = {"name": "Nina Holm", "first_name": "Nina"}  # English only: a name


class SeveralFiles(forms.FileInput):
    """A field of the browser for several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files that were chosen. Only the form checks them."""

    widget = SeveralFiles

    def clean(self, data: Sequence[NamedFile] | None, initial: Any = None) -> list[NamedFile]:
        return [file for file in data or () if file.name]


@dataclass(frozen=True)
class FormFile:
    """A file as the form shows it: the row, its address, and whether it is removed when the form is saved."""

    row: CannedReplyFile
    url: str
    is_removed: bool

    @property
    def is_saved(self) -> bool:
        return self.row.reply_id is not None


class CannedReplyForm(forms.Form):
    """The fields of a canned reply, and its files. A personal one has no department.

    Files are stored when the form is checked, so that they are kept when something else is wrong. The form then has the
    ids of those that are not saved yet (`added`) and of those to remove (`removed`).
    """

    shortcut = forms.SlugField(
        label=gettext_lazy("Shortcut"),
        max_length=40,
        widget=forms.TextInput({**FIELD, "aria-describedby": "shortcut-error"}),
        error_messages={
            "required": gettext_lazy("Give it a shortcut, for example “hello”."),
            "invalid": gettext_lazy("Use letters from a to z, digits, - and _ only."),
        },
    )
    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=100,
        required=False,
        widget=forms.TextInput({**FIELD, "aria-describedby": "title-error"}),
    )
    folder = forms.CharField(
        label=gettext_lazy("Folder"),
        max_length=60,
        required=False,
        widget=forms.TextInput({**FIELD, "list": "folders", "aria-describedby": "folder-error"}),
    )
    department = forms.ModelChoiceField(
        Department.objects.all(),
        label=gettext_lazy("Department"),
        required=False,
        empty_label=gettext_lazy("Every department"),
        widget=forms.Select({"class": "field", "aria-describedby": "department-error"}),
    )
    text = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=canned_import.MAX_TEXT,
        strip=False,
        widget=forms.Textarea({**FIELD, "rows": 8, "dir": "auto", "aria-describedby": "text-error"}),
        error_messages={"required": gettext_lazy("Write the text.")},
    )

    new_files = FilesField(
        label=gettext_lazy("Files"),
        required=False,
        widget=SeveralFiles(
            {
                **FIELD,
                "accept": ",".join(OUTGOING_EXTENSIONS),
                "aria-describedby": "files-help new_files-error",  # English only: ids
            }
        ),
    )

    max_files = canned_files.MAX_FILES

    def __init__(
        self, request: UserRequest, reply: CannedReply | None, *, is_personal: bool = False, may_change: bool = True
    ) -> None:
        is_bound = request.method == "POST" and may_change
        initial = {name: getattr(reply, name) for name in canned_replies.FIELDS} if reply else None
        data, files = (request.POST, request.FILES) if is_bound else (None, None)
        super().__init__(data, files, initial=initial)
        self._user, self._is_personal = request.user, is_personal
        if is_personal:
            del self.fields["department"]
        used = CannedReply.objects.filter(owner=self._user if is_personal else None).exclude(folder="")
        self.folders = list(used.order_by("folder").values_list("folder", flat=True).distinct())
        self.conversations = list(
            access.conversations_for(self._user)
            .select_related("contact", "channel__page")
            .order_by("-last_message_at")[:PREVIEWED]
        )
        self._removed = parse_ids(request.POST.getlist("removed"))
        unsaved = canned_files.unsaved_of(self._user).filter(pk__in=parse_ids(request.POST.getlist("added")))
        self._added = list(unsaved)
        self._saved = list(reply.files.all()) if reply else []

    @property
    def text_fields(self) -> list[forms.BoundField]:
        """The fields without that for files."""
        return [field for field in self if field.name != "new_files"]

    def clean_new_files(self) -> list[NamedFile]:
        """Store what was chosen, unless it is too many. What cannot be sent is said; the rest is kept."""
        chosen: list[NamedFile] = self.cleaned_data["new_files"]
        present = sum(not file.is_removed for file in self.shown_files)
        if chosen and present + len(chosen) > canned_files.MAX_FILES:
            raise forms.ValidationError(translated(canned_files.TOO_MANY))
        stored, refusals = canned_files.upload(self._user, chosen)
        self._added += stored
        if refusals:
            raise forms.ValidationError([translated(refusal) for refusal in refusals])
        return chosen

    @property
    def shown_files(self) -> list[FormFile]:
        """The files of the canned reply and those that are added to it, also those to remove."""
        name = "own_canned_reply_file" if self._is_personal else "canned:file"
        rows = [*self._saved, *self._added]
        return [FormFile(row, reverse(name, args=[row.pk]), row.pk in self._removed) for row in rows]

    @property
    def file_changes(self) -> canned_files.Changes:
        """What saving the form does with the files."""
        return canned_files.Changes([row.pk for row in self._added], self._removed)

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"]).replace("\r\n", "\n")
        if not text.strip():
            raise forms.ValidationError(gettext("Write the text."))
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
        sample = {**SAMPLE, "page": gettext("Your Page"), "agent": str(self._user)}
        values = canned_replies.facts(self._user, conversation) if conversation else sample
        return canned_replies.fill(str(self["text"].value() or ""), values)


def preview_context(form: CannedReplyForm, chosen: str) -> dict[str, Any]:
    """Return what the template of the preview shows."""
    conversation = form.conversation(chosen)
    files = [file for file in form.shown_files if not file.is_removed]
    return {"previewed": conversation, "preview": form.preview(conversation), "previewed_files": files}


def file_for(user: User, pk: int, replies: Q) -> CannedReplyFile:
    """Return a file of a canned reply among `replies`, or one in a form of the user. Raises Http404."""
    of_user = Q(reply=None, added_by=user)
    file = CannedReplyFile.objects.filter(replies | of_user, pk=pk).first()
    if file is None:
        raise Http404("There is no such file, or you may not see it.")  # English only: no page shows it
    return file
