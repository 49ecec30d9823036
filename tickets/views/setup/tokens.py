"""Setup → API tokens: make a token (shown once), replace or revoke it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from rest_framework.authtoken.models import Token

from channels_im.setup.access import may, setup_view
from desk.errors import Refused
from desk.models import User
from desk.requests import UserRequest
from tickets.services.webhooks import api_tokens
from tickets.views.base import parse_id

from .menu import VIEW_TOKENS
from .pages import page, show_once

ADD_TOKEN, DELETE_TOKEN = "authtoken.add_token", "authtoken.delete_token"


@setup_view(*VIEW_TOKENS)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """List the tokens, without their keys, and the users for whom this user may make one."""
    tokens = list(Token.objects.select_related("user").defer("key").order_by("user__username"))
    allowed = set(api_tokens.users_for(request.user).values_list("pk", flat=True))
    without_token = api_tokens.users_for(request.user).exclude(pk__in=[token.user_id for token in tokens])
    return page(
        request,
        "tokens.html",
        "API tokens",
        rows=[{"user": token.user, "made_at": token.created, "is_mine": token.user_id in allowed} for token in tokens],
        people=without_token.order_by("username"),
        may_make=may(request.user, ADD_TOKEN),
        may_revoke=may(request.user, DELETE_TOKEN),
    )


@setup_view(ADD_TOKEN)
@require_POST
def make(request: UserRequest) -> HttpResponse:
    """Make a token for a user who has none, and show it."""
    user_id = parse_id(request.POST.get("user", ""))
    user = User.objects.filter(pk=user_id).first() if user_id is not None else None
    if user is None:
        messages.error(request, "Choose a user for the token.")
        return redirect("programs:tokens")
    if Token.objects.filter(user=user).exists():
        messages.error(request, f"{user} has a token already. Replace it if its key is lost.")
        return redirect("programs:tokens")
    return _make_and_show(request, user)


@setup_view(ADD_TOKEN)
@require_POST
def replace(request: UserRequest, user: int) -> HttpResponse:
    """Replace the token of a user, and show the new one."""
    return _make_and_show(request, get_object_or_404(User, pk=user))


@setup_view(DELETE_TOKEN)
@require_POST
def revoke(request: UserRequest, user: int) -> HttpResponse:
    """Revoke the token of a user."""
    owner = get_object_or_404(User, pk=user)
    try:
        if api_tokens.revoke(request.user, owner):
            messages.success(request, f"The token of {owner} is revoked and no longer works.")
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("programs:tokens")


def _make_and_show(request: UserRequest, user: User) -> HttpResponse:
    try:
        key = api_tokens.create(request.user, user)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("programs:tokens")
    return show_once(
        request,
        f"The API token of {user}",
        secret=key,
        label="Token",
        explanation=f"A program with this token has the permissions of {user}. Keep it as safe as a password. If it "
        "replaces another token, that one is refused from now on.",
        back=reverse("programs:tokens"),
        back_label="API tokens",
    )
