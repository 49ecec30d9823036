"""The page of a person: what they are called, their role, and where they work."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext

from channels_im.setup.access import setup_view
from desk import audit_log
from desk.accounts import invitations
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.models import User
from desk.requests import UserRequest
from tickets.services.people import changes, deactivation, roles

from .forms import PersonForm
from .lists import STATES, state_of
from .pages import SEE_PEOPLE, may_change, page, person_to_change

HISTORY_SHOWN = 10


@setup_view(*SEE_PEOPLE)
@recent_password_required
def show(request: UserRequest, pk: int) -> HttpResponse:
    """Show a person; save what was changed (POST)."""
    if request.method == "POST":
        return _save(request, person_to_change(request, pk))
    person = get_object_or_404(User.objects.select_related("agent", "invitation"), pk=pk)
    return _page(request, person, PersonForm(request.user, person))


def _save(request: UserRequest, person: User) -> HttpResponse:
    form = PersonForm(request.user, person, request.POST)
    if not form.is_valid():
        return _page(request, User.objects.get(pk=person.pk), form, 422)
    try:
        is_changed = changes.change(request.user, person, form.details, form.role_given, form.place)
    except Refused as refused:
        form.add_error(None, str(refused))
        return _page(request, User.objects.get(pk=person.pk), form, 422)
    if is_changed:
        messages.success(request, gettext("%(name)s is saved.") % {"name": person})
    else:
        messages.info(request, gettext("Nothing was changed."))
    return redirect("people:person", person.pk)


def _page(request: UserRequest, person: User, form: PersonForm, status: int = 200) -> HttpResponse:
    invitation = getattr(person, "invitation", None)
    agent = getattr(person, "agent", None)
    return page(
        request,
        "person.html",
        str(person),
        status,
        person=person,
        form=form,
        role=roles.role_of(person),
        agent=agent,
        language=changes.name_of_language(person.language),
        channels=agent.channels.filter(deleted_at=None) if agent is not None else (),
        state=state_of(person),
        state_text=STATES[state_of(person)],
        invitation=invitation,
        ends_at=invitations.ends_at(invitation) if invitation is not None else None,
        has_expired=invitation is not None and invitations.has_expired(invitation),
        may_change=may_change(request.user, person),
        has_more_rights=not may_change(request.user, person),
        is_self=person.pk == request.user.pk,
        open_count=deactivation.open_conversations(person).count(),
        history=audit_log.entries_of(person, HISTORY_SHOWN),
    )
