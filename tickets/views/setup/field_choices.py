"""Setup → Fields: the choices of a field."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from channels_im.setup.access import setup_view
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.languages import translated
from desk.requests import UserRequest
from tickets.models import CustomField
from tickets.services.inbox import field_setup

from .fields import CHANGE, FieldForm, form_page, page


def _field(pk: int) -> CustomField:
    return get_object_or_404(CustomField, pk=pk, kind=CustomField.Kind.CHOICE)


@setup_view(CHANGE)
@require_POST
def change(request: UserRequest, pk: int) -> HttpResponse:
    """Add a choice, rename one, or move one up or down: `do` is "add", or the action and the id of the choice."""
    field = _field(pk)
    action, _, choice = request.POST.get("do", "").partition("-")
    try:
        if action == "add":
            field_setup.add_choice(request.user, field, request.POST.get("new", ""))
        elif action == "rename":
            field_setup.rename_choice(request.user, field, choice, request.POST.get(f"name-{choice}", ""))
        elif action in ("up", "down"):
            field_setup.move_choice(request.user, field, choice, -1 if action == "up" else 1)
        else:
            raise Http404("There is no such action.")  # English only: no page shows it
    except Refused as refused:
        messages.error(request, translated(str(refused)))
        field = _field(pk)  # as somebody else may have changed it meanwhile
        return form_page(request, field, FieldForm(None, field), 422, request.POST)
    messages.success(request, gettext("The choices are saved."))
    return redirect("fields:edit", pk)


@setup_view(CHANGE)
@recent_password_required
def remove(request: UserRequest, pk: int, choice: str) -> HttpResponse:
    """Ask whether to remove a choice, and say how many values go with it; a POST removes it."""
    field = _field(pk)
    name = field.definition.choices.get(choice)
    if name is None:
        messages.error(request, gettext("Somebody has removed this choice meanwhile."))
        return redirect("fields:edit", pk)
    if request.method == "POST":
        try:
            field_setup.remove_choice(request.user, field, choice)
        except Refused as refused:
            messages.error(request, translated(str(refused)))
        else:
            messages.success(request, gettext("%(name)s is removed.") % {"name": name})
        return redirect("fields:edit", pk)
    title = gettext("Remove %(name)s") % {"name": name}
    count = field_setup.value_count(field, choice)
    return page(request, "choice_remove.html", title, field=field, choice=name, count=count)
