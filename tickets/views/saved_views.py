"""Saved views: adding one from the list, changing, ordering and deleting them, and their counts."""

from typing import Any

from django.contrib import messages as flash
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from desk.errors import Refused
from desk.languages import translated
from tickets.models import SavedView
from tickets.services.inbox import saved_views
from tickets.services.inbox.counts import COUNT_LIMIT, Size
from tickets.services.inbox.listing import ListQuery
from tickets.services.inbox.saved_views import Audience
from tickets.templatetags.desk import badge
from tickets.views import pages
from tickets.views.base import AgentRequest, agent_page, parse_id, refuse, wants_part

ME, EVERYBODY, DEPARTMENT = "me", "everybody", "department"
STEPS = {"up": -1, "down": 1}


@require_GET
@agent_page
def show(request: AgentRequest) -> HttpResponse:
    """List the views that the user sees, with forms to change those that they may change."""
    return _page(request)


def _page(request: AgentRequest, refused: SavedView | None = None) -> HttpResponse:
    """Show the list; `refused` is the view whose change was refused: its form keeps what was typed."""
    departments, with_everybody = saved_views.shared_by(request.user)
    led = {one.pk for one in departments}
    rows: list[dict[str, Any]] = [
        {
            "view": view,
            "audience": _audience_key(view),
            "department": view.department_id,
            "may_change": _is_theirs(view, request, led, with_everybody),
        }
        for view in _all(request)
    ]
    for row in rows if refused else ():
        if row["view"] == refused:
            audience = request.POST.get("audience", ME)
            department = parse_id(audience.removeprefix(f"{DEPARTMENT}-"))
            row |= {"typed": request.POST.get("name", ""), "audience": audience, "department": department}
    context = {"rows": rows, "departments": departments, "with_everybody": with_everybody}
    return render(request, "tickets/saved_views/list.html", context, status=422 if refused else 200)


@require_GET
@agent_page
def sizes(request: AgentRequest) -> HttpResponse:
    """Return the badge of each saved view: {id: text}."""
    found = saved_views.sizes(request.user, request.facts, pages.saved_of(request))
    return JsonResponse({pk: _badge(size) for pk, size in found.items()})


@require_POST
@agent_page
def add(request: AgentRequest) -> HttpResponse:
    """Save the list as a new view, and show it."""
    query = pages.list_query(request)
    try:
        values = {**_of_list(query), "name": request.POST.get("name", "")}
        saved = saved_views.save(request.user, None, values, _audience(request))
    except Refused as refused:
        return refuse(request, str(refused), "inbox")
    return _shown(request, saved)


@require_POST
@agent_page
def change(request: AgentRequest, pk: int) -> HttpResponse:
    """Change the name of a view and who sees it, or with `narrowing` let it show what the list shows."""
    view = _get(request, pk)
    is_narrowing = "narrowing" in request.POST
    to = "inbox" if is_narrowing else "saved_views"
    try:
        if is_narrowing:
            query = pages.list_query(request)
            saved = saved_views.save(request.user, view, _of_list(query), version=_version(request))
            return _shown(request, saved)
        values = {"name": request.POST.get("name", "")}
        saved = saved_views.save(request.user, view, values, _audience(request), _version(request))
    except Refused as refused:
        if is_narrowing or wants_part(request):
            return refuse(request, str(refused), to)
        flash.error(request, translated(str(refused)))
        return _page(request, view)
    flash.success(request, gettext("%(name)s is saved.") % {"name": saved})
    return redirect("saved_views")


@require_POST
@agent_page
def move(request: AgentRequest, pk: int) -> HttpResponse:
    """Move a view up or down among those for the same people."""
    view = _get(request, pk)
    if (step := STEPS.get(request.POST.get("step", ""))) is None:
        raise Http404("There is no such step.")  # English only: no page shows it
    try:
        saved_views.move(request.user, view, step)
    except Refused as refused:
        return refuse(request, str(refused), "saved_views")
    return redirect(f"{reverse('saved_views')}#view-{view.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
@agent_page
def delete(request: AgentRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a view; a POST deletes it."""
    view = _get(request, pk)
    if request.method != "POST":
        return render(request, "tickets/saved_views/delete.html", {"view": view})
    try:
        saved_views.delete(request.user, view)
    except Refused as refused:
        return refuse(request, str(refused), "saved_views")
    flash.success(request, gettext("%(name)s is deleted.") % {"name": view})
    return redirect("saved_views")


def _badge(size: Size) -> str:
    is_least = size.is_cut and 0 < size.number < COUNT_LIMIT
    return f"{size.number}+" if is_least else badge(size.number)


def _all(request: AgentRequest) -> QuerySet[SavedView, SavedView]:
    return saved_views.seen_by(request.user, request.facts, to_change=True)


def _get(request: AgentRequest, pk: int) -> SavedView:
    view = _all(request).filter(pk=pk).first()
    if view is None:
        raise Http404(translated(saved_views.GONE))
    return view


def _of_list(query: ListQuery) -> dict[str, Any]:
    """Return what a view of this list stores. A search is not part of a view."""
    return {"base": query.view.name, "filter": query.filter.to_json(), "order": query.order}


def _version(request: AgentRequest) -> int | None:
    return parse_id(request.POST.get("version", ""))


def _audience(request: AgentRequest) -> Audience:
    """Return for whom the form saves a view. Whether the user may is checked by the service."""
    kind, _, number = request.POST.get("audience", ME).partition("-")
    if kind == EVERYBODY:
        return saved_views.EVERYBODY
    department_id = parse_id(number) if kind == DEPARTMENT else None
    if department_id is not None and any(one.pk == department_id for one in saved_views.shared_by(request.user)[0]):
        return Audience(department_id=department_id)
    if kind == ME:
        return Audience(owner_id=request.user.pk)
    raise Refused(saved_views.NO_AUDIENCE, field="audience")


def _audience_key(view: SavedView) -> str:
    if view.owner_id is not None:
        return ME
    return EVERYBODY if view.department_id is None else f"{DEPARTMENT}-{view.department_id}"


def _is_theirs(view: SavedView, request: AgentRequest, led: set[int], with_everybody: bool) -> bool:
    return view.owner_id == request.user.pk or with_everybody or view.department_id in led


def _shown(request: AgentRequest, saved: SavedView) -> HttpResponse:
    """Show the list of this saved view."""
    if not wants_part(request):
        return redirect(f"{reverse('inbox')}?view={saved.pk}")
    request.saved_views = saved_views.listed(request.facts)
    return render(request, "tickets/_strip.html", pages.strip_context(request, ListQuery.of_saved(saved)))
