"""The macros that only their owner sees, among the pages of their account."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from desk import searching
from desk.errors import Refused
from desk.requests import UserRequest
from tickets.models import Macro
from tickets.services.conversation import access
from tickets.services.inbox import macros
from tickets.views.macro_forms import MacroForm, listed
from tickets.views.setup.macros import save

MAX_SEARCH = 200  # characters


@require_safe
@login_required
def show(request: UserRequest) -> HttpResponse:
    """List the user's own macros, and the shared ones, which they can copy."""
    wanted = request.GET.get("q", "").strip()[:MAX_SEARCH]
    facts = access.facts_for(request.user)
    found = listed(list(macros.listed_for(request.user, facts).select_related("department")))
    rows = [row for row in found if not wanted or searching.matches(wanted, row.macro.name, *row.words)]
    context = {
        "own": [row for row in rows if row.macro.owner_id],
        "shared": [row for row in rows if not row.macro.owner_id],
        "search": wanted,
        "is_empty": not found,
    }
    return render(request, "tickets/macros/own_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: UserRequest, pk: int | None = None) -> HttpResponse:
    """Show a macro of the user, or the form of a new one. POST saves it, or changes only the rows of the form."""
    macro = get_object_or_404(Macro, pk=pk, owner=request.user) if pk else None
    form = MacroForm(request, macro, is_personal=True)
    if not form.changes_rows and save(request, form, macro, is_personal=True) is not None:
        return redirect("own_macros")
    context = {"form": form, "macro": macro, "may_change": True}
    status = 422 if form.is_bound and not form.changes_rows else 200
    return render(request, "tickets/macros/own_form.html", context, status=status)


@require_POST
@login_required
def copy(request: UserRequest, pk: int) -> HttpResponse:
    """Copy a macro that the user sees into their own, and show the form of the copy."""
    macro = get_object_or_404(macros.listed_for(request.user, access.facts_for(request.user)), pk=pk)
    is_free = not Macro.objects.filter(owner=request.user, key=macro.key).exists()
    name = macro.name if is_free else macros.free_name(macro.name, request.user)
    try:
        made = macros.copy(request.user, macro, name, owner=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("own_macros")
    messages.success(request, gettext("%(name)s is a copy. Change it and save it.") % {"name": made})
    return redirect("own_macro", made.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a macro of the user; a POST deletes it."""
    macro = get_object_or_404(Macro, pk=pk, owner=request.user)
    if request.method == "POST":
        macros.delete(request.user, macro)
        messages.success(request, gettext("%(name)s is deleted.") % {"name": macro})
        return redirect("own_macros")
    return render(request, "tickets/macros/own_delete.html", {"macro": macro})
