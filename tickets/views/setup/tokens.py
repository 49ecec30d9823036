"""Setup → API tokens: create a token (its key is shown once), and revoke it."""

from datetime import timedelta

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, pgettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.setup.access import may, setup_view
from desk import searching
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.requests import UserRequest
from desk.setup_lists import Asked, Empty, SetupList
from tickets.models import ApiToken
from tickets.services.webhooks import api_tokens

from .forms import TokenForm
from .menu import VIEW_TOKENS
from .pages import page, show_once

ADD_TOKEN, DELETE_TOKEN = "tickets.add_apitoken", "tickets.delete_apitoken"
REVOKED_SHOWN = timedelta(days=30)
WORKING, ENDED = "working", "ended"


@setup_view(*VIEW_TOKENS)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """List the tokens, and the form for a new one."""
    return _page(request, TokenForm(request.user))


def _page(request: UserRequest, form: TokenForm, status: int = 200) -> HttpResponse:
    asked = Asked(request, "state")
    recent = Q(revoked_at=None) | Q(revoked_at__gt=timezone.now() - REVOKED_SHOWN)
    tokens = ApiToken.objects.filter(recent).select_related("user", "created_by").defer("digest")
    found = [
        token
        for token in tokens.order_by("user__username", "-pk")
        if not asked.search
        or searching.matches(asked.search, token.name, token.prefix, str(token.user), token.user.username)
    ]
    working = sum(token.works for token in found)
    listed = [token for token in found if asked["state"] in ("", _state(token))]
    shown, pager = asked.page_of(sorted(listed, key=lambda token: not token.works))
    allowed = set(api_tokens.users_for(request.user).values_list("pk", flat=True))
    may_revoke = may(request.user, DELETE_TOKEN)
    listing = SetupList(
        asked,
        (
            gettext("Token"),
            gettext("User"),
            gettext("Scopes"),
            gettext("Created"),
            gettext("Last used"),
            gettext("Expires"),
            "",
        ),
        [
            {"token": token, "may_revoke": may_revoke and token.revoked_at is None and token.user_id in allowed}
            for token in shown
        ],
        pager,
        Empty(gettext("No token yet"), gettext("Other systems need a token to use the API."), "lock"),
        search_words=gettext("Name, beginning or user"),
        chips=(
            asked.chips(
                "state",
                ((WORKING, pgettext("API tokens that work", "Working")), (ENDED, gettext("Revoked or expired")))
                if 0 < working < len(found)
                else (),
                {"": str(len(found)), WORKING: str(working), ENDED: str(len(found) - working)},
            ),
        ),
    )
    return page(
        request,
        "tokens.html",
        gettext("API tokens"),
        status,
        list=listing,
        form=form,
        may_make=may(request.user, ADD_TOKEN),
    )


def _state(token: ApiToken) -> str:
    return WORKING if token.works else ENDED


@setup_view(ADD_TOKEN)
@recent_password_required
@require_POST
def make(request: UserRequest) -> HttpResponse:
    """Create a token and show its key; 422 with the form when something is wrong."""
    form = TokenForm(request.user, request.POST)
    if not form.is_valid():
        return _page(request, form, 422)
    values = form.cleaned_data
    try:
        token, key = api_tokens.create(
            request.user,
            values["user"],
            name=values["name"],
            scopes=values["scopes"],
            expires_at=values["expires"],
        )
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        return _page(request, form, 422)
    return show_once(
        request,
        gettext("The API token %(name)s") % {"name": token.name},
        secret=key,
        label=gettext("Token"),
        explanation=gettext(
            "A program with this token acts as %(user)s, as far as the token’s scopes go. "
            "Keep it as safe as a password."
        )
        % {"user": token.user},
        back=reverse("programs:tokens"),
        back_label=gettext("API tokens"),
    )


@setup_view(DELETE_TOKEN)
@recent_password_required
@require_POST
def revoke(request: UserRequest, pk: int) -> HttpResponse:
    """Revoke a token."""
    token = get_object_or_404(ApiToken.objects.select_related("user"), pk=pk)
    names = {"name": token.name, "user": token.user}
    try:
        if api_tokens.revoke(request.user, token):
            messages.success(request, gettext("“%(name)s” of %(user)s is revoked and no longer works.") % names)
        else:
            messages.info(request, gettext("“%(name)s” of %(user)s was revoked already.") % names)
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("programs:tokens")
