"""Invite a person, send the link again, revoke it. Where no e-mail is sent, the link is shown once."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext
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
                language=values["language"],
            )
        except Refused as refused:
            form.add_error("email", str(refused))
        else:
            return _sent(request, user, link)
    status = 422 if form.errors else 200
    return page(request, "invite.html", gettext("Invite"), status, form=form, mail_problem=mail.problem())


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
            words = gettext("The invitation of %(user)s is revoked. Its link no longer works.")
            messages.success(request, words % {"user": invitation.user})
        return redirect("people:list")
    return confirm(request, gettext("Revoke invitation"), "tickets/people/_revoke.html", person=invitation.user)


def _invited(request: UserRequest, pk: int) -> Invitation:
    return get_object_or_404(Invitation.objects.select_related("user"), user=person_to_change(request, pk))


def _sent(request: UserRequest, user: User, link: str) -> HttpResponse:
    if user.email and not mail.problem():
        messages.success(request, gettext("An invitation is on its way to %(email)s.") % {"email": user.email})
        return redirect("people:person", user.pk)
    days = invitations.VALID_FOR.days
    explanation = ngettext(
        "No e-mail was sent. Give this link to %(user)s: it works once, and for %(days)s day. "
        "Their username is %(username)s.",
        "No e-mail was sent. Give this link to %(user)s: it works once, and for %(days)s days. "
        "Their username is %(username)s.",
        days,
    )
    return show_once(
        request,
        gettext("Invitation of %(user)s") % {"user": user},
        secret=link,
        label=gettext("Link"),
        explanation=explanation % {"user": user, "days": days, "username": user.username},
        back=reverse("people:list"),
        back_label=gettext("People"),
    )
