"""The first page of one's account, and its e-mail address."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from desk import audit_log, mail
from desk.accounts import addresses, mfa
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.models import User
from desk.requests import UserRequest
from desk.sentences import sentence

SAME = sentence("This is your address already.")
TAKEN = sentence("Somebody with this address exists already.")
AS_BROWSER = gettext_lazy("As my browser")
LANGUAGE_SAVED = sentence("Your language is saved.")


class LanguageForm(forms.Form):
    """Choose the language in which Desk speaks to a person."""

    language = forms.ChoiceField(required=False, choices=[("", AS_BROWSER), *settings.LANGUAGES])


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def home(request: UserRequest) -> HttpResponse:
    """Show what the account consists of, each part with a link to its page. POST saves `language`."""
    if request.method == "POST":
        form = LanguageForm(request.POST)
        if form.is_valid():
            _save_language(request.user, form.cleaned_data["language"])
            messages.success(request, LANGUAGE_SAVED)
        return redirect("account_home")  # which is in the new language
    steps = Authenticator.objects.filter(user=request.user, type__in=mfa.STEPS)
    facts = {
        "has_second_step": steps.exists(),
        "session_count": len(UserSession.objects.purge_and_list(request.user)),
        "pending": addresses.waiting(request.user),
        "languages": settings.LANGUAGES,
    }
    return render(request, "account/home.html", facts)


def _save_language(user: User, language: str) -> None:
    with transaction.atomic():
        before = User.objects.select_for_update(no_key=True).get(pk=user.pk).language
        if before == language:
            return
        User.objects.filter(pk=user.pk).update(language=language)
        names = {"": sentence("as the browser asks"), **dict(settings.LANGUAGES)}
        changed = sentence(
            "Language changed: %(before_text)s → %(after_text)s.",
            before_text=names.get(before, before),
            after_text=names[language],
        )
        audit_log.record(user, user, audit_log.CHANGE, changed)


class EmailForm(forms.Form):
    """Ask for a new address."""

    email = forms.EmailField(
        label=gettext_lazy("New address"),
        max_length=254,
        widget=forms.EmailInput({"class": "field", "autocomplete": "email"}),
        error_messages={
            "required": gettext_lazy("Enter an e-mail address."),
            "invalid": gettext_lazy("This is not an e-mail address."),
        },
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
