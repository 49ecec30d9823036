"""Invite a person, send the link again, revoke it. Where no e-mail is sent, the link is shown once."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from channels_im.setup.access import setup_view
from desk import mail
from desk.accounts import invitations
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.models import Invitation, User
from desk.requests import UserRequest
from tickets.services.people import changes, roles

from ..pages import show_once
from .forms import InviteForm
from .pages import ADD, confirm, page, person_to_change


@setup_view(ADD)
@recent_password_required
def invite(request: UserRequest) -> HttpResponse:
    """Show the form, and send an invitation (POST)."""
    form = InviteForm(request.user, request.POST or None, initial={"role": roles.AGENT})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            user, link = changes.invite(
                request.user,
                first_name=values["first_name"],
                last_name=values["last_name"],
                email=values["email"],
                role=form.role_given,
                place=form.place,
            )
        except Refused as refused:
            form.add_error("email", str(refused))
        else:
            return _sent(request, user, link)
    status = 422 if form.errors else 200
    return page(request, "invite.html", "Invite", status, form=form, mail_problem=mail.problem())


@setup_view(ADD)
@recent_password_required
@require_POST
def resend(request: UserRequest, pk: int) -> HttpResponse:
    """Send a new link; the earlier one stops working."""
    user = _invited(request, pk).user
    try:
        link = invitations.send(request.user, user)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("people:person", user.pk)
    return _sent(request, user, link)


@setup_view(ADD)
@recent_password_required
def revoke(request: UserRequest, pk: int) -> HttpResponse:
    """Confirm, then revoke an invitation (POST)."""
    invitation = _invited(request, pk)
    if request.method == "POST":
        try:
            invitations.revoke(request.user, invitation)
        except Refused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"The invitation of {invitation.user} is revoked. Its link no longer works.")
        return redirect("people:list")
    return confirm(request, "Revoke invitation", "tickets/people/_revoke.html", person=invitation.user)


def _invited(request: UserRequest, pk: int) -> Invitation:
    return get_object_or_404(Invitation.objects.select_related("user"), user=person_to_change(request, pk))


def _sent(request: UserRequest, user: User, link: str) -> HttpResponse:
    if user.email and not mail.problem():
        messages.success(request, f"An invitation is on its way to {user.email}.")
        return redirect("people:person", user.pk)
    return show_once(
        request,
        f"Invitation of {user}",
        secret=link,
        label="Link",
        explanation=f"No e-mail was sent. Give this link to {user}: it works once, and for "
        f"{invitations.VALID_FOR.days} days. Their username is {user.username}.",
        back=reverse("people:list"),
        back_label="People",
    )
