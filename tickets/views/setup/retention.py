"""Setup → Data retention: for how many days each kind of data is kept, with a preview of what would be deleted."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext

from channels_im.setup.access import may, setup_view
from desk import retention
from desk.accounts import reauthentication
from desk.errors import Refused
from desk.languages import translated
from desk.models import RetentionRun
from desk.requests import UserRequest
from desk.sentences import sentence
from tickets.services.privacy import erasure


class RetentionForm(forms.Form):
    """One number of days for each kind; empty is for ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind in retention.kinds():
            self.fields[kind.name] = forms.IntegerField(
                label=translated(kind.label),
                required=False,
                error_messages={
                    "invalid": gettext("Enter a whole number of days, or leave it empty to keep them for ever.")
                },
                widget=forms.NumberInput(
                    attrs={
                        "class": "field",
                        "min": kind.minimum_days,
                        "max": retention.MAX_DAYS,
                        "placeholder": gettext("for ever"),
                        "aria-describedby": f"about-{kind.name}",
                    }
                ),
            )

    def clean(self) -> dict[str, Any]:
        for kind in retention.kinds():
            try:
                kind.check(self.cleaned_data.get(kind.name))
            except Refused as refused:
                self.add_error(kind.name, str(refused))
        return self.cleaned_data


@dataclass(frozen=True)
class Row:
    """One kind as the page shows it. `would_delete` is None without a preview, or when the kind is kept for ever."""

    kind: retention.Kind
    field: forms.BoundField
    run: RetentionRun | None
    before: str
    after: str
    would_delete: int | None = None

    @property
    def is_changed(self) -> bool:
        """Return whether saving would change this kind."""
        return self.before != self.after


@setup_view(retention.VIEW, retention.CHANGE)
def show(request: UserRequest) -> HttpResponse:
    """Show the days and the last runs; preview other days (POST), and save them (POST with `save`)."""
    current = retention.current_days()
    if request.method != "POST":
        return _page(request, RetentionForm(initial=current), current)
    if not may(request.user, retention.CHANGE):
        messages.error(request, gettext("You can view the retention rules but not change them."))
        return redirect("retention")
    form = RetentionForm(request.POST)
    if not form.is_valid():
        return _page(request, form, current, status=422)
    if form.cleaned_data["conversations"] != current["conversations"] and not erasure.may_erase(request.user):
        form.add_error("conversations", gettext("Only users who may erase people can change this."))
        return _page(request, form, current, status=422)
    if "edit" in request.POST:
        return _page(request, form, current)
    if "save" not in request.POST:
        return _page(request, form, current, chosen=form.cleaned_data)
    if reauthentication.is_needed(request):
        return reauthentication.ask(request)
    if changes := retention.save(request.user, form.cleaned_data):
        last = sentence("The next daily run deletes what is older.")
        messages.success(request, " ".join([sentence("Saved."), *changes, last]))
    else:
        messages.info(request, gettext("Nothing was changed."))
    return redirect("retention")


def _page(
    request: UserRequest,
    form: RetentionForm,
    current: retention.Days,
    chosen: retention.Days | None = None,
    status: int = 200,
) -> HttpResponse:
    counts = retention.preview(chosen) if chosen is not None else {}
    runs = RetentionRun.objects.in_bulk()
    shown = current if chosen is None else chosen
    rows = [
        Row(
            kind,
            form[kind.name],
            runs.get(kind.name),
            _in_words(current[kind.name]),
            _in_words(shown[kind.name]),
            counts.get(kind.name),
        )
        for kind in retention.kinds()
    ]
    context = {
        **admin.site.each_context(request),
        "title": gettext("Data retention"),
        "rows": rows,
        "is_preview": chosen is not None,
        "is_changed": any(row.is_changed for row in rows),
        "may_change": may(request.user, retention.CHANGE),
    }
    return render(request, "tickets/setup/retention.html", context, status=status)


def _in_words(days: int | None) -> str:
    if days is None:
        return gettext("for ever")
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}
