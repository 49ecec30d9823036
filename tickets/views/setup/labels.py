"""Setup → Labels: a list with how many tickets have each; adding, changing, merging and deleting them."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_safe

from channels_im.setup.access import may, setup_view
from desk import audit_log, searching
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.languages import translated
from desk.models import Department
from desk.requests import UserRequest
from desk.setup_lists import Asked, Empty, SetupList, up_to
from tickets.models import Label
from tickets.services.inbox import labels, macros

VIEW, ADD = "tickets.view_label", "tickets.add_label"
CHANGE, DELETE = "tickets.change_label", "tickets.delete_label"
SEE = (VIEW, ADD, CHANGE, DELETE)
FIELD = {"class": "field", "autocomplete": "off"}


class LabelForm(forms.Form):
    """The fields of a label."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=40,
        widget=forms.TextInput({**FIELD, "aria-describedby": "name-error"}),
        error_messages={"required": gettext_lazy("Give the label a name.")},
    )
    color = forms.ChoiceField(
        label=gettext_lazy("Colour"),
        choices=Label.Color.choices,
        widget=forms.Select({"class": "field", "aria-describedby": "color-error"}),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=200,
        required=False,
        widget=forms.TextInput({**FIELD, "aria-describedby": "description-error"}),
    )
    department = forms.ModelChoiceField(
        Department.objects.all(),
        label=gettext_lazy("Department"),
        required=False,
        empty_label=gettext_lazy("Every department"),
        widget=forms.Select({"class": "field", "aria-describedby": "department-error"}),
    )


class MergeForm(forms.Form):
    """The label into which another one is merged."""

    into = forms.ModelChoiceField(
        Label.objects.none(),
        label=gettext_lazy("Merge into"),
        empty_label=gettext_lazy("Choose…"),
        widget=forms.Select({"class": "field", "aria-describedby": "into-error"}),
        error_messages={
            "required": gettext_lazy("Choose a label."),
            "invalid_choice": gettext_lazy("Somebody has deleted this label meanwhile. Choose another one."),
        },
    )

    def __init__(self, request: UserRequest, label: Label) -> None:
        super().__init__(request.POST if request.method == "POST" else None)
        cast("forms.ModelChoiceField[Label]", self.fields["into"]).queryset = labels.merge_targets(label)


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: object) -> HttpResponse:
    """Render a page of Labels with the menu of Setup."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"tickets/labels/{template}", context, status=status)


@setup_view(*SEE)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """List the labels."""
    asked = Asked(request, "department")
    found = [
        label
        for label in labels.with_counts(Label.objects.select_related("department"))
        if not asked.search or searching.matches(asked.search, label.name, label.description)
    ]
    used = {label.department_id for label in found}
    departments = [(str(one.pk), one.name) for one in Department.objects.all() if one.pk in used]
    rows, pager = asked.page_of([one for one in found if asked["department"] in ("", str(one.department_id))])
    listing = SetupList(
        asked,
        (gettext("Label"), gettext("Description"), gettext("Department"), gettext("Tickets")),
        [_row(label) for label in rows],
        pager,
        Empty(
            gettext("No label yet"), gettext("Agents add labels to tickets, to find those about one thing together.")
        ),
        search_words=gettext("Name or description"),
        chips=(asked.chips("department", departments, every=gettext("All departments")),),
    )
    return page(request, "list.html", gettext("Labels"), list=listing, may_add=may(request.user, ADD))


def _row(label: Any) -> dict[str, Any]:
    return {"label": label, "tickets": up_to(label.ticket_count, labels.COUNT_LIMIT)}


@setup_view(ADD)
def add(request: UserRequest) -> HttpResponse:
    """Add a label."""
    return _edit(request, None)


@setup_view(VIEW, CHANGE)
def edit(request: UserRequest, pk: int) -> HttpResponse:
    """Show a label; a POST changes it."""
    return _edit(request, get_object_or_404(Label, pk=pk))


def _edit(request: UserRequest, label: Label | None) -> HttpResponse:
    may_change = label is None or may(request.user, CHANGE)
    initial = {name: getattr(label, name) for name in labels.FIELDS} if label else None
    form = LabelForm(request.POST if request.method == "POST" and may_change else None, initial=initial)
    if form.is_valid():
        try:
            saved = labels.save(request.user, label, form.cleaned_data)
        except Refused as refused:
            form.add_error(refused.field, translated(str(refused)))
        else:
            messages.success(request, gettext("%(name)s is saved.") % {"name": saved})
            return redirect("labels:list")
    may_delete = label is not None and may(request.user, DELETE)
    return page(
        request,
        "form.html",
        str(label) if label else gettext("Add label"),
        422 if form.errors else 200,
        form=form,
        label=label,
        count=labels.ticket_count(label) if label else 0,
        may_change=may_change,
        may_delete=may_delete,
        may_merge=label is not None and may_delete and labels.merge_targets(label).exists(),
        history=audit_log.entries_of(label) if label else [],
    )


@setup_view(DELETE)
@recent_password_required
def merge(request: UserRequest, pk: int) -> HttpResponse:
    """Ask into which label to merge this one; a POST merges it."""
    label = get_object_or_404(Label, pk=pk)
    form = MergeForm(request, label)
    if form.is_valid():
        into = form.cleaned_data["into"]
        try:
            labels.merge(request.user, label, into)
        except Refused as refused:
            form.add_error("into", translated(str(refused)))
        else:
            words = gettext("%(name)s is merged into %(other)s.") % {"name": label, "other": into}
            messages.success(request, words)
            return redirect("labels:list")
    title = gettext("Merge %(name)s") % {"name": label}
    count = labels.ticket_count(label)
    return page(request, "merge.html", title, 422 if form.errors else 200, form=form, label=label, count=count)


@setup_view(DELETE)
@recent_password_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a label; a POST deletes it."""
    label = get_object_or_404(Label, pk=pk)
    if request.method == "POST":
        labels.delete(request.user, label)
        messages.success(request, gettext("%(name)s is deleted.") % {"name": label})
        return redirect("labels:list")
    title = gettext("Delete %(name)s") % {"name": label}
    context = {"label": label, "count": labels.ticket_count(label), "macro_count": macros.naming(label)}
    return page(request, "delete.html", title, 200, **context)
