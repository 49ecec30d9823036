"""The page behind the link of an invitation: a new user chooses their password."""

from django.contrib import messages
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from desk.accounts import invitations

GONE = 410


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, token: str) -> HttpResponse:
    """Show the form, and save the password (POST). A link that no longer works answers 410 with what to do."""
    invitation = invitations.find(token)
    if invitation is None:
        return render(request, "account/invitation_gone.html", status=GONE)
    form = SetPasswordForm(invitation.user, request.POST if request.method == "POST" else None)
    form.fields["new_password1"].label = gettext("Password")
    form.fields["new_password2"].label = gettext("Password again")
    if form.is_valid():
        user = invitations.accept(token, form.cleaned_data["new_password1"])
        if user is None:
            return render(request, "account/invitation_gone.html", status=GONE)
        messages.success(
            request, gettext("Your password is set. Log in as %(username)s.") % {"username": user.username}
        )
        return redirect("account_login")
    context = {"form": form, "invited": invitation.user}
    return render(request, "account/invitation.html", context, status=422 if form.errors else 200)
