"""Deactivate a person, after asking who takes their open conversations, and activate them again."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from channels_im.setup.access import setup_view
from desk import rights
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.models import Invitation, User
from desk.requests import UserRequest
from desk.sentences import sentence
from tickets.models import ScheduledReply
from tickets.services.people import deactivation

from .pages import CHANGE, confirm, person_to_change

NOBODY = "nobody"
CHOOSE = sentence("Choose who takes the open conversations.")
INVITED = sentence("This person has not accepted the invitation yet. Revoke it instead.")


@setup_view(CHANGE)
@recent_password_required
def deactivate(request: UserRequest, pk: int) -> HttpResponse:
    """Ask who takes the open conversations, then deactivate (POST)."""
    person = person_to_change(request, pk)
    if not person.is_active:
        messages.info(request, gettext("%(person)s is not active.") % {"person": person})
        return redirect("people:person", pk)
    colleagues = deactivation.successors(person)
    if request.method != "POST":
        return _ask(request, person, colleagues)
    chosen = request.POST.get("successor", "")
    successor = next((user for user in colleagues if str(user.pk) == chosen), None)
    if successor is None and chosen != NOBODY and deactivation.open_conversations(person).exists():
        return _ask(request, person, colleagues, CHOOSE, 422)
    try:
        result = deactivation.deactivate(request.user, person, successor)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        done = sentence("%(person)s is deactivated.", person=person)
        messages.success(request, f"{done} {result.sentence(successor)}")
    return redirect("people:person", pk)


def _ask(
    request: UserRequest, person: User, colleagues: list[User], error: str = "", status: int = 200
) -> HttpResponse:
    return confirm(
        request,
        gettext("Deactivate %(person)s") % {"person": person},
        "tickets/people/_deactivate.html",
        status,
        person=person,
        has_scheduled=ScheduledReply.objects.filter(author=person, due_at__isnull=False).exists(),
        colleagues=colleagues,
        open_count=deactivation.open_conversations(person).count(),
        obstacle=obstacle(request.user, person),
        error=error,
    )


def obstacle(by: User, person: User) -> str:
    """Return why `person` cannot be deactivated by `by`, or ""."""
    if by.pk == person.pk:
        return deactivation.YOURSELF
    is_last = set(rights.administrators().values_list("pk", flat=True)) == {person.pk}
    return rights.last_administrator(person) if is_last else ""


@setup_view(CHANGE)
@recent_password_required
@require_POST
def activate(request: UserRequest, pk: int) -> HttpResponse:
    """Activate a person again."""
    person = person_to_change(request, pk)
    if Invitation.objects.filter(user=person).exists():
        raise PermissionDenied(INVITED)
    try:
        if deactivation.reactivate(request.user, person):
            messages.success(request, gettext("%(name)s is active again, and can log in.") % {"name": person})
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("people:person", pk)
