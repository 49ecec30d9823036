"""Setup → API tokens: make one (shown once), replace, revoke."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from rest_framework.authtoken.models import Token

from channels_im.setup.access import may, setup_view
from desk.errors import Refused
from desk.models import User
from tickets.services.webhooks import api_tokens

from .menu import SEE_TOKENS
from .pages import page, show_once

ADD_TOKEN, DELETE_TOKEN = "authtoken.add_token", "authtoken.delete_token"


@setup_view(*SEE_TOKENS)
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    tokens = list(Token.objects.select_related("user").defer("key").order_by("user__username"))
    theirs = set(api_tokens.users_for(request.user).values_list("pk", flat=True))
    people = api_tokens.users_for(request.user).exclude(pk__in=[token.user_id for token in tokens])
    return page(
        request,
        "tokens.html",
        "API tokens",
        rows=[{"user": token.user, "made_at": token.created, "is_mine": token.user_id in theirs} for token in tokens],
        people=people.order_by("username"),
        may_make=may(request.user, ADD_TOKEN),
        may_revoke=may(request.user, DELETE_TOKEN),
    )


@setup_view(ADD_TOKEN)
@require_POST
def make(request: HttpRequest) -> HttpResponse:
    chosen = request.POST.get("user", "")
    user = User.objects.filter(pk=int(chosen)).first() if chosen.isascii() and chosen.isdecimal() else None
    if user is None:
        messages.error(request, "Choose whose token it is to be.")
        return redirect("programs:tokens")
    if Token.objects.filter(user=user).exists():
        messages.error(request, f"{user} has a token already. Replace it if its key is lost.")
        return redirect("programs:tokens")
    return _made(request, user)


@setup_view(ADD_TOKEN)
@require_POST
def replace(request: HttpRequest, user: int) -> HttpResponse:
    return _made(request, get_object_or_404(User, pk=user))


@setup_view(DELETE_TOKEN)
@require_POST
def revoke(request: HttpRequest, user: int) -> HttpResponse:
    person = get_object_or_404(User, pk=user)
    try:
        if api_tokens.revoke(request.user, person):
            messages.success(request, f"The token of {person} is revoked and no longer works.")
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("programs:tokens")


def _made(request: HttpRequest, user: User) -> HttpResponse:
    try:
        key = api_tokens.make(request.user, user)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("programs:tokens")
    return show_once(
        request,
        f"The API token of {user}",
        secret=key,
        label="Token",
        explanation=f"With it a program may do whatever {user} may. Keep it as you keep a password. A token that this "
        "one replaces is refused from now on.",
        back=reverse("programs:tokens"),
        back_label="API tokens",
    )
