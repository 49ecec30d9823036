"""The first page of one's account, and its e-mail address."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from desk import mail
from desk.accounts import addresses, mfa
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.models import User
from desk.requests import UserRequest

SAME = "This is your address already."
TAKEN = "Somebody with this address exists already."


@require_safe
@login_required
def home(request: UserRequest) -> HttpResponse:
    """Show what the account consists of, each part with a link to its page."""
    steps = Authenticator.objects.filter(user=request.user, type__in=mfa.STEPS)
    facts = {
        "has_second_step": steps.exists(),
        "session_count": len(UserSession.objects.purge_and_list(request.user)),
        "pending": addresses.waiting(request.user),
    }
    return render(request, "account/home.html", facts)


class EmailForm(forms.Form):
    """Ask for a new address."""

    email = forms.EmailField(
        label="New address",
        max_length=254,
        widget=forms.EmailInput({"class": "field", "autocomplete": "email"}),
        error_messages={"required": "Enter an e-mail address.", "invalid": "This is not an e-mail address."},
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if email == self._user.email.lower():
            raise forms.ValidationError(SAME)
        if addresses.is_taken(email, but=self._user):
            raise forms.ValidationError(TAKEN)
        return email


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@recent_password_required
def email(request: UserRequest) -> HttpResponse:
    """Show the e-mail address. POST sends a link to `email`, which makes it the address; `cancel` drops it."""
    user = request.user
    if "cancel" in request.POST:
        addresses.drop_waiting(user)
        return redirect("account_email")
    form = EmailForm(user, request.POST or None)
    if request.method == "POST" and not mail.problem() and form.is_valid():
        try:
            addresses.ask_to_confirm(request, form.cleaned_data["email"])
        except Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            return redirect("account_email")
    facts = {"form": form, "pending": addresses.waiting(user), "mail_problem": mail.problem()}
    return render(request, "account/email_address.html", facts, status=422 if form.errors else 200)


@never_cache
@require_safe
def session_state(request: HttpRequest) -> JsonResponse:
    """Tell an open page whether its session still lasts: {user, csrf}, or 401."""
    if not request.user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse({"user": request.user.pk, "name": str(request.user), "csrf": get_token(request)})


@require_safe
@login_required
def logged_in_again(request: UserRequest) -> HttpResponse:
    """Say that the page which sent the person to the login can be used again."""
    return render(request, "account/logged_in_again.html")
