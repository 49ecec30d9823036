"""Setup → Fields: custom fields of customers and tickets, in their order; adding, changing, archiving and deleting."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy, pgettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.setup.access import may, setup_view
from desk import audit_log, searching
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.languages import translated
from desk.models import Department
from desk.requests import UserRequest
from desk.setup_lists import Asked, Empty, SetupList, up_to
from tickets.models import CustomField
from tickets.services.inbox import field_setup

VIEW, ADD = "tickets.view_customfield", "tickets.add_customfield"
CHANGE, DELETE = "tickets.change_customfield", "tickets.delete_customfield"
SEE = (VIEW, ADD, CHANGE, DELETE)
FIELD = {"class": "field", "autocomplete": "off"}
#: What is only asked for when a field is added.
ONLY_NEW = ("of", "kind", "key", "choices")


class FieldForm(forms.Form):
    """What a field is. What it is for, its kind and its key are chosen once."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=60,
        widget=forms.TextInput({**FIELD, "aria-describedby": "name-error"}),
        error_messages={"required": gettext_lazy("Give the field a name.")},
    )
    of = forms.ChoiceField(
        label=gettext_lazy("For"),
        choices=CustomField.Of.choices,
        widget=forms.Select({"class": "field", "aria-describedby": "of-error"}),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=CustomField.Kind.choices,
        widget=forms.Select({"class": "field", "aria-describedby": "kind-error"}),
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        max_length=40,
        required=False,
        help_text=gettext_lazy("Its name in the API and in filters. Empty: made of the name. It cannot be changed."),
        widget=forms.TextInput({**FIELD, "spellcheck": "false", "aria-describedby": "key-error"}),
    )
    choices = forms.CharField(
        label=gettext_lazy("Choices"),
        max_length=20_000,
        required=False,
        help_text=gettext_lazy("For the kind “Choice”: one in each line."),
        widget=forms.Textarea({**FIELD, "rows": 4, "aria-describedby": "choices-error"}),
    )
    minimum = forms.DecimalField(
        label=gettext_lazy("Smallest number"),
        required=False,
        max_digits=15,
        decimal_places=6,
        widget=forms.TextInput({**FIELD, "inputmode": "decimal", "aria-describedby": "minimum-error"}),
    )
    maximum = forms.DecimalField(
        label=gettext_lazy("Largest number"),
        required=False,
        max_digits=15,
        decimal_places=6,
        widget=forms.TextInput({**FIELD, "inputmode": "decimal", "aria-describedby": "maximum-error"}),
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
        help_text=gettext_lazy("Fields of customers are for every department."),
        widget=forms.Select({"class": "field", "aria-describedby": "department-error"}),
    )

    def __init__(self, data: Any, field: CustomField | None) -> None:
        names = (*field_setup.WORDS, *ONLY_NEW)
        super().__init__(data, initial={name: getattr(field, name) for name in names} if field else None)
        if field is None:
            return
        for name in ONLY_NEW:
            del self.fields[name]
        if field.kind != CustomField.Kind.NUMBER:
            del self.fields["minimum"], self.fields["maximum"]
        if field.of == CustomField.Of.CONTACT:
            del self.fields["department"]

    def values(self) -> dict[str, Any]:
        """Return the values as `field_setup.save` takes them."""
        values = dict(self.cleaned_data)
        if "choices" in values:
            values["choices"] = values["choices"].splitlines()
        return values


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: object) -> HttpResponse:
    """Render a page of Fields with the menu of Setup."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"tickets/fields/{template}", context, status=status)


@setup_view(*SEE)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """List the fields in their order, those of customers first."""
    asked = Asked(request, "of", "state")
    fields = CustomField.objects.select_related("department")
    found = [
        field
        for field in sorted(fields, key=lambda field: (field.of, field.archived_at is not None))
        if (not asked.search or searching.matches(asked.search, field.name, field.key, field.description))
        and asked["of"] in ("", field.of)
        and asked["state"] in ("", "archived" if field.archived_at else "active")
    ]
    rows, pager = asked.page_of(found)
    counts = field_setup.value_counts(CustomField.objects.filter(pk__in=[field.pk for field in rows]))
    shown = [{"field": field, "values": up_to(counts.get(field.pk, 0), field_setup.COUNT_LIMIT)} for field in rows]
    states = [("active", gettext("In use")), ("archived", gettext("Archived"))]
    listing = SetupList(
        asked,
        (
            gettext("Field"),
            gettext("For"),
            gettext("Kind"),
            gettext("Key"),
            gettext("Department"),
            gettext("Values"),
            pgettext("position in a list", "Order"),
        ),
        shown,
        pager,
        Empty(
            gettext("No field yet"),
            gettext("Fields say about customers and tickets what Desk has no place for, such as a customer number."),
        ),
        search_words=gettext("Name, key or description"),
        chips=(
            asked.chips("of", CustomField.Of.choices, every=gettext("Customers and tickets")),
            asked.chips("state", states, every=gettext("In use or archived")),
        ),
    )
    may_order = may(request.user, CHANGE) and not asked.search
    return page(
        request, "list.html", gettext("Fields"), list=listing, may_add=may(request.user, ADD), may_order=may_order
    )


@setup_view(ADD)
def add(request: UserRequest) -> HttpResponse:
    """Add a field."""
    return _edit(request, None)


@setup_view(VIEW, CHANGE)
def edit(request: UserRequest, pk: int) -> HttpResponse:
    """Show a field; a POST changes it."""
    return _edit(request, get_object_or_404(CustomField, pk=pk))


def _edit(request: UserRequest, field: CustomField | None) -> HttpResponse:
    may_change = field is None or may(request.user, CHANGE)
    form = FieldForm(request.POST if request.method == "POST" and may_change else None, field)
    if form.is_valid():
        try:
            saved = field_setup.save(request.user, field, form.values())
        except Refused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, translated(str(refused)))
        else:
            messages.success(request, gettext("%(name)s is saved.") % {"name": saved})
            return redirect("fields:list")
    return form_page(request, field, form, 422 if form.errors else 200)


def form_page(
    request: UserRequest,
    field: CustomField | None,
    form: FieldForm,
    status: int,
    typed: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Show a field with its choices; `typed` are their inputs after a refusal, by name."""
    typed = typed or {}
    choices = field.choices if field else []
    return page(
        request,
        "form.html",
        str(field) if field else gettext("Add field"),
        status,
        form=form,
        field=field,
        choices=[{**choice, "typed": typed.get(f"name-{choice['id']}", choice["name"])} for choice in choices],
        new_choice=typed.get("new", ""),
        count=field_setup.value_count(field) if field else 0,
        may_change=field is None or may(request.user, CHANGE),
        may_delete=field is not None and may(request.user, DELETE),
        history=audit_log.entries_of(field) if field else [],
    )


@setup_view(CHANGE)
@require_POST
def move(request: UserRequest, pk: int) -> HttpResponse:
    """Move a field up or down in the order."""
    try:
        step = -1 if request.POST.get("to") == "up" else 1
        field_setup.move(request.user, get_object_or_404(CustomField, pk=pk), step)
    except Refused as refused:
        messages.error(request, translated(str(refused)))
    return redirect("fields:list")


@setup_view(CHANGE)
def archive(request: UserRequest, pk: int) -> HttpResponse:
    """Ask whether to archive a field; a POST does it."""
    field = get_object_or_404(CustomField, pk=pk)
    if request.method == "POST":
        try:
            field_setup.archive(request.user, field)
        except Refused as refused:
            messages.error(request, translated(str(refused)))
        else:
            messages.success(request, gettext("%(name)s is archived.") % {"name": field})
        return redirect("fields:list")
    title = gettext("Archive %(name)s") % {"name": field}
    return page(request, "archive.html", title, field=field, count=field_setup.value_count(field))


@setup_view(CHANGE)
@require_POST
def restore(request: UserRequest, pk: int) -> HttpResponse:
    """Show an archived field again."""
    field = get_object_or_404(CustomField, pk=pk)
    try:
        field_setup.restore(request.user, field)
    except Refused as refused:
        messages.error(request, translated(str(refused)))
    else:
        messages.success(request, gettext("%(name)s is in use again.") % {"name": field})
    return redirect("fields:edit", pk)


@setup_view(DELETE)
@recent_password_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a field, and say how many values go with it; a POST deletes it."""
    field = get_object_or_404(CustomField, pk=pk)
    if request.method == "POST":
        field_setup.delete(request.user, field)
        messages.success(request, gettext("%(name)s is deleted.") % {"name": field})
        return redirect("fields:list")
    title = gettext("Delete %(name)s") % {"name": field}
    return page(request, "delete.html", title, field=field, count=field_setup.value_count(field))
