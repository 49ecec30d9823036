"""What every page of People needs: the permissions, the frame, and who may be changed by whom."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from channels_im.setup.access import may, wants_fragment
from desk import rights
from desk.languages import translated
from desk.models import User
from tickets.services.people.roles import Role

VIEW, ADD, CHANGE = "desk.view_user", "desk.add_user", "desk.change_user"
SEE_PEOPLE = (VIEW, ADD, CHANGE)
CHANGE_AGENT = "desk.change_agent"


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page of People with the menu of Setup."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"tickets/people/{template}", context, status=status)


def confirm(
    request: HttpRequest, title: str, part: str, status: int = 200, *, template: str = "confirm.html", **context: Any
) -> HttpResponse:
    """Ask before something is done, with the template `part`: in a dialog, or on a page of its own."""
    if wants_fragment(request):
        return render(request, part, {"title": title, **context}, status=status)
    return page(request, template, title, status, part=part, **context)


def name_of_role(role: Role) -> str:
    """Return the name of a role for a page: those that are built in are translated."""
    return role.name if role.group_id is not None else translated(role.name)


def may_change(by: User, user: User) -> bool:
    """Return whether `by` may change this person: they have the permission, and no fewer rights."""
    return may(by, CHANGE) and not rights.has_more_than(user, by)


def person_to_change(request: HttpRequest, pk: int) -> User:
    """Return the person; raise Http404 without one, PermissionDenied when the requester may not change them."""
    user = get_object_or_404(User, pk=pk)
    if not isinstance(request.user, User) or not may_change(request.user, user):
        raise PermissionDenied(rights.MORE_RIGHTS)
    return user
