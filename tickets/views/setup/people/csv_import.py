"""Import people from a CSV file: a preview first; nobody is invited until it is confirmed."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext, ngettext

from channels_im.setup.access import may, setup_view
from desk import csv_table, mail
from desk.accounts import invitations, reauthentication
from desk.errors import Refused
from desk.requests import UserRequest
from tickets.services.people import csv_import as service

from .pages import ADD, CHANGE_AGENT, page


@setup_view(ADD)
def show(request: UserRequest) -> HttpResponse:
    """Show the form; preview a file (POST), and invite the people in it (POST with `confirm`)."""
    if request.method != "POST":
        return _page(request)
    may_place = may(request.user, CHANGE_AGENT)
    try:
        text = csv_table.text_of(request)
        lines = service.read(request.user, text, may_place=may_place)
        good = [line for line in lines if not line.errors]
        if "confirm" not in request.POST or not good:
            return _page(request, lines=lines, good_count=len(good), text=text)
        if reauthentication.is_needed(request):
            return reauthentication.ask(request)
        made = service.invite(request.user, good, may_place=may_place)
    except Refused as refused:
        return _page(request, 422, error=str(refused))
    if not mail.problem():
        words = ngettext("%(count)s invitation is on the way.", "%(count)s invitations are on the way.", len(made))
        messages.success(request, words % {"count": len(made)})
        return redirect("people:list")
    response = page(request, "import_links.html", gettext("Import people"), made=made, days=invitations.VALID_FOR.days)
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(request: UserRequest, status: int = 200, **context: object) -> HttpResponse:
    shared = {"columns": service.COLUMNS, "most": service.MAX_LINES, "mail_problem": mail.problem()}
    return page(request, "import.html", gettext("Import people"), status, **shared, **context)
