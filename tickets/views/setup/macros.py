"""Setup → Macros: those that everybody shares; adding, changing, copying and deleting them."""

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.setup.access import may, setup_view
from desk import audit_log, searching
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.languages import translated
from desk.models import Department
from desk.requests import UserRequest
from desk.setup_lists import Asked, Empty, SetupList
from tickets.models import Macro
from tickets.services.inbox import macros
from tickets.views.macro_forms import MacroForm, listed

VIEW, ADD = "tickets.view_macro", "tickets.add_macro"
CHANGE, DELETE = "tickets.change_macro", "tickets.delete_macro"
SEE = (VIEW, ADD, CHANGE, DELETE)


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: object) -> HttpResponse:
    """Render a page of Macros with the menu of Setup."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"tickets/macros/{template}", context, status=status)


@setup_view(*SEE)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """List the shared macros; those that cannot run are marked."""
    asked = Asked(request, "department")
    shared = listed(list(Macro.objects.filter(owner=None).select_related("department")))
    found = [row for row in shared if not asked.search or searching.matches(asked.search, row.macro.name, *row.words)]
    used = {row.macro.department_id for row in found}
    departments = [(str(one.pk), one.name) for one in Department.objects.all() if one.pk in used]
    rows, pager = asked.page_of([row for row in found if asked["department"] in ("", str(row.macro.department_id))])
    listing = SetupList(
        asked,
        (gettext("Macro"), gettext("What it does"), gettext("Department"), gettext("Used"), gettext("Last used")),
        rows,
        pager,
        Empty(
            gettext("No macro yet"),
            gettext("A macro does several things at once, such as replying, adding a label and closing the ticket."),
        ),
        search_words=gettext("Name or action"),
        chips=(asked.chips("department", departments, every=gettext("All departments")),),
    )
    return page(request, "list.html", gettext("Macros"), list=listing, may_add=may(request.user, ADD))


@setup_view(ADD)
def add(request: UserRequest) -> HttpResponse:
    """Add a macro."""
    return _edit(request, None)


@setup_view(VIEW, CHANGE)
def edit(request: UserRequest, pk: int) -> HttpResponse:
    """Show a macro; a POST changes it, or with one of the buttons of the rows only the form."""
    return _edit(request, _shared(pk))


def _shared(pk: int) -> Macro:
    return get_object_or_404(Macro, pk=pk, owner=None)


def _edit(request: UserRequest, macro: Macro | None) -> HttpResponse:
    may_change = macro is None or may(request.user, CHANGE)
    form = MacroForm(request, macro, may_change=may_change)
    is_saved = not form.changes_rows and save(request, form, macro) is not None
    if is_saved:
        return redirect("macros:list")
    return page(
        request,
        "form.html",
        str(macro) if macro else gettext("Add macro"),
        422 if form.is_bound and not form.changes_rows else 200,
        form=form,
        macro=macro,
        may_change=may_change,
        may_add=may(request.user, ADD),
        may_delete=macro is not None and may(request.user, DELETE),
        history=audit_log.entries_of(macro) if macro else [],
    )


def save(request: UserRequest, form: MacroForm, macro: Macro | None, *, is_personal: bool = False) -> Macro | None:
    """Save what the form says; None, with the reasons in the form, when that is not possible."""
    if not form.is_valid():
        return None
    owner = request.user if is_personal else None
    try:
        saved = macros.save(request.user, macro, {**form.cleaned_data, "actions": form.actions}, owner=owner)
    except macros.MacroError as error:
        form.show(error.problems)
        return None
    except Refused as refused:
        form.add_error(refused.field, translated(str(refused)))
        return None
    messages.success(request, gettext("%(name)s is saved.") % {"name": saved})
    return saved


@setup_view(ADD)
@require_POST
def copy(request: UserRequest, pk: int) -> HttpResponse:
    """Copy a macro, and show the form of the copy."""
    macro = _shared(pk)
    try:
        made = macros.copy(request.user, macro, macros.free_name(macro.name, None))
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("macros:list")
    messages.success(request, gettext("%(name)s is a copy. Change it and save it.") % {"name": made})
    return redirect("macros:edit", made.pk)


@setup_view(DELETE)
@recent_password_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a macro; a POST deletes it."""
    macro = _shared(pk)
    if request.method == "POST":
        macros.delete(request.user, macro)
        messages.success(request, gettext("%(name)s is deleted.") % {"name": macro})
        return redirect("macros:list")
    return page(request, "delete.html", gettext("Delete %(name)s") % {"name": macro}, macro=macro)
