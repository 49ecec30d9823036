"""History in Setup: search and filter what was done, and export it."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from desk import audit_log, csv_table, searching
from desk.admin.base import ReadOnlyAdmin
from desk.file_response import download
from desk.languages import in_english, translated
from desk.models import AuditEntry, User
from desk.sentences import counted, sentence
from desk.setup_lists import MAX_SEARCH, Asked, Chip, Pager

PER_PAGE = 50
SEARCH_ROWS = 10_000  # entries that a search reads for one page; the next page goes on from there
EXPORT_BATCH = 2000  # rows
CHOSEN = ("person", "action")  # filters that are chips
EVERYBODY, EVERY_ACTION = sentence("Everybody"), sentence("All actions")
RECENT_ENTRIES = 500  # whoever acted in the newest of them has a chip; the search finds all others by their name
COLUMNS = (  # English only: a file for programs
    "time", "last time", "count", "kind", "person", "action", "what", "object", "object id", "address", "via",
)  # fmt: skip
FIELD = {"class": "field"}
Matches = Callable[[AuditEntry], bool]


class Filters(forms.Form):
    """What to show. Every field may be empty."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=MAX_SEARCH,
        strip=True,
        widget=forms.TextInput(
            {**FIELD, "type": "search", "placeholder": gettext_lazy("Sentence, object, person or address")}
        ),
    )
    person = forms.ChoiceField(label=gettext_lazy("Person"), required=False)
    action = forms.ChoiceField(
        label=gettext_lazy("Action"), required=False, choices=[("", EVERY_ACTION), *AuditEntry.Action.choices]
    )
    since = forms.DateField(
        label=pgettext_lazy("first day", "From"), required=False, widget=forms.DateInput({**FIELD, "type": "date"})
    )
    until = forms.DateField(
        label=pgettext_lazy("last day", "To"), required=False, widget=forms.DateInput({**FIELD, "type": "date"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        users = User.objects.order_by("username")
        others = [kind for kind in AuditEntry.ActorKind if kind != AuditEntry.ActorKind.USER]
        self.people = [
            *((kind.value, kind.label) for kind in others),
            *((str(user.pk), audit_log.name_of(user)) for user in users),
        ]
        self.fields["person"].choices = [("", EVERYBODY), *self.people]  # type: ignore[attr-defined]  # a ChoiceField

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", gettext("This is before the first day. Choose the same day or a later one."))
        return cleaned

    @property
    def typed_fields(self) -> list[forms.BoundField]:
        """The fields in which something is typed. The others are chips."""
        return [field for field in self if field.name not in CHOSEN]

    @property
    def chosen_errors(self) -> list[str]:
        """What is wrong with the values of chips, in an address that was typed or is old."""
        return [str(error) for name in CHOSEN for error in self.errors.get(name, ())]

    def chips(self, asked: Asked) -> dict[str, list[Chip]]:
        """Return the chips of persons, those who acted last, and of actions."""
        recent = set(map(str, AuditEntry.objects.order_by("-pk").values_list("actor", flat=True)[:RECENT_ENTRIES]))
        kinds = set(AuditEntry.ActorKind.values)
        shown = [(key, name) for key, name in self.people if key in recent or key in kinds or key == asked["person"]]
        return {
            "person": asked.chips("person", shown, every=EVERYBODY),
            "action": asked.chips("action", AuditEntry.Action.choices, every=EVERY_ACTION),
        }

    def entries(self) -> QuerySet[AuditEntry, AuditEntry]:
        """Return the entries that match but for the words, newest first; none while a field is wrong."""
        if not self.is_valid():
            return AuditEntry.objects.none()
        values = self.cleaned_data
        entries = AuditEntry.objects.all()
        if values["person"]:
            is_user = values["person"].isdecimal()
            entries = entries.filter(**{"actor" if is_user else "actor_kind": values["person"]})
        if values["action"]:
            entries = entries.filter(action=values["action"])
        if values["since"]:
            entries = entries.filter(at__gte=_begin_of(values["since"]))
        if values["until"]:
            entries = entries.filter(at__lt=_begin_of(values["until"] + timedelta(days=1)))
        return entries

    def matches(self) -> Matches | None:
        """Return a test of whether an entry has all words, compared as in the search of the inbox; None without words.

        An address is found by its beginning.
        """
        words = {word.lower(): set(searching.terms_of(word)) for word in self.cleaned_data.get("q", "").split()}
        terms = set().union(*words.values())

        def has_words(entry: AuditEntry) -> bool:
            texts = (entry.sentence, entry.object_name, entry.actor_name, entry.token_name)
            missing = terms - searching.contained(texts, terms)
            return all(
                not (needed & missing) or (entry.address or "").startswith(word) for word, needed in words.items()
            )

        return has_words if words else None

    def in_words(self) -> str:
        """Return the filters as text for the history, "" without any."""
        # Without the words of the search: they may name a person, whom nobody would find here to erase.
        given = {name: value for name, value in self.cleaned_data.items() if value}
        words = {
            "q": sentence("a search"),
            "person": sentence("Person %(value)s", value=given.get("person")),
            "action": sentence("Action %(value)s", value=given.get("action")),
            "since": sentence("From %(value)s", value=given.get("since")),
            "until": sentence("To %(value)s", value=given.get("until")),
        }
        return ", ".join(words[name] for name in given)


def _begin_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


@dataclass(frozen=True)
class Page:
    """A page of entries, and the ids from which the next and the previous page are read.

    `searched_to` is the time up to which entries were read, when there are more to search.
    """

    entries: list[AuditEntry]
    older: int | None = None
    newer: int | None = None
    searched_to: datetime | None = None


def read_page(
    entries: QuerySet[AuditEntry, AuditEntry], before: int | None, after: int | None, matches: Matches | None = None
) -> Page:
    """Return the entries with ids below `before`, or the nearest above `after`, newest first. Reads one page only.

    With `matches`, which says whether an entry is shown, it reads on until the page is full, at most SEARCH_ROWS.
    """
    if after is not None:
        rows, last = _take(entries.filter(pk__gt=after).order_by("pk"), matches)
        has_newer = last is not None or len(rows) > PER_PAGE
        rows = rows[:PER_PAGE][::-1]
        if not rows and last is None:
            return read_page(entries, None, None, matches)
        newer = (last.pk if last and len(rows) < PER_PAGE else rows[0].pk) if has_newer else None
        return Page(rows, rows[-1].pk if rows else after + 1, newer, last.at if last else None)
    if before is not None:
        entries = entries.filter(pk__lt=before)
    rows, last = _take(entries.order_by("-pk"), matches)
    older = rows[PER_PAGE - 1].pk if len(rows) > PER_PAGE else last.pk if last else None
    newest = rows[0].pk if rows else before - 1 if before is not None else None
    return Page(rows[:PER_PAGE], older, newest if before is not None else None, last.at if last else None)


def _take(
    entries: QuerySet[AuditEntry, AuditEntry], matches: Matches | None
) -> tuple[list[AuditEntry], AuditEntry | None]:
    """Return the entries that match, one more than a page, and the last one read if there may be more to search."""
    if matches is None:
        return list(entries[: PER_PAGE + 1]), None
    found: list[AuditEntry] = []
    last: AuditEntry | None = None
    number = 0
    for last in entries[:SEARCH_ROWS].iterator(chunk_size=EXPORT_BATCH):
        number += 1
        if matches(last):
            found.append(last)
        if len(found) > PER_PAGE:
            return found, None
    return found, last if number == SEARCH_ROWS else None


@admin.register(AuditEntry)
class HistoryAdmin(ReadOnlyAdmin[AuditEntry]):
    """History: who did what, and when."""

    list_title = sentence("History")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export)
        return [path("export/", view, name="desk_auditentry_export"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        filters = Filters(request.GET)
        entries = filters.entries()
        matches = filters.matches() if filters.is_valid() else None
        page = read_page(entries, _id_of(request, "before"), _id_of(request, "after"), matches)
        asked = Asked(request, *(name for name in filters.fields if name != "q"))
        pager = Pager(
            asked.query(after=page.newer) if page.newer else "",
            asked.query(before=page.older) if page.older else "",
            words=(sentence("Newer"), sentence("Older")),
        )
        context = {
            **self.admin_site.each_context(request),
            "title": translated(self.list_title),
            "filters": filters,
            "asked": asked,
            "chips": filters.chips(asked),
            "page": page,
            "pager": pager,
            **(extra_context or {}),
        }
        return render(request, "admin/history.html", context, status=200 if filters.is_valid() else 422)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the list: an entry has no page of its own."""
        return redirect("admin:desk_auditentry_changelist")

    def history_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the list: the history has no history."""
        return redirect("admin:desk_auditentry_changelist")

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Send the entries that match as a CSV file. A POST, because it is recorded."""
        if not self.has_view_permission(request) or not isinstance(request.user, User):
            raise PermissionDenied
        filters = Filters(request.POST)
        if request.method != "POST" or not filters.is_valid():
            return redirect(reverse("admin:desk_auditentry_changelist"))
        file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - the response closes it
        try:
            file.write("\ufeff".encode())  # a spreadsheet then reads UTF-8
            count = -1  # without the head
            for line in csv_lines(filters.entries(), filters.matches()):
                file.write(line)
                count += 1
            words = filters.in_words()
            number = f"{count:,}"
            what = (
                counted(
                    "Exported %(count)s entry of the history as CSV (%(filters_text)s).",
                    "Exported %(count)s entries of the history as CSV (%(filters_text)s).",
                    count,
                    count=number,
                    filters_text=words,
                )
                if words
                else counted(
                    "Exported %(count)s entry of the history as CSV.",
                    "Exported %(count)s entries of the history as CSV.",
                    count,
                    count=number,
                )
            )
            audit_log.record(request.user, None, audit_log.Action.EXPORTED, what)
        except BaseException:
            file.close()
            raise
        return download(request, file, f"history {timezone.localdate():%Y-%m-%d}.csv", "text/csv; charset=utf-8")


def csv_lines(entries: QuerySet[AuditEntry, AuditEntry], matches: Matches | None) -> Iterator[bytes]:
    """Yield the head and a line for each entry that matches, newest first, in the time zone of the installation."""
    yield csv_table.line_of(COLUMNS)
    for entry in filter(matches, entries.iterator(chunk_size=EXPORT_BATCH)):
        yield csv_table.line_of(
            (
                timezone.localtime(entry.at).isoformat(timespec="seconds"),
                timezone.localtime(entry.last_at).isoformat(timespec="seconds") if entry.last_at else "",
                entry.count,
                in_english(entry.get_actor_kind_display()),
                entry.actor_name,
                in_english(entry.get_action_display()),
                entry.sentence,
                entry.object_name,
                entry.object_id,
                entry.address or "",
                entry.token_name or in_english(entry.get_via_display()),
            )
        )


def _id_of(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
