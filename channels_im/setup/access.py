"""Permissions for the pages of Instant Messaging in Setup, and the frame that every such page shows."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext

from desk import permission_words
from desk.models import User
from desk.requests import UserRequest

VIEW_CHANNEL = "channels_im.view_channel"
ADD_CHANNEL = "channels_im.add_channel"
CHANGE_CHANNEL = "channels_im.change_channel"
DELETE_CHANNEL = "channels_im.delete_channel"
VIEW_PREFERENCES = "channels_im.view_impreferences"
CHANGE_PREFERENCES = "channels_im.change_impreferences"
VIEW_JOURNAL = "channels_im.view_webhookdelivery"
REPLAY_JOURNAL = "channels_im.change_webhookdelivery"

#: Linking Facebook is part of creating and of re-authenticating a channel: either permission is enough.
LINK_FACEBOOK = (ADD_CHANNEL, CHANGE_CHANNEL)
SEE_CHANNELS = (VIEW_CHANNEL, ADD_CHANNEL, CHANGE_CHANNEL, DELETE_CHANNEL)


P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)


def may(user: User | AnonymousUser, *permissions: str) -> bool:
    """Return whether `user` may enter Setup and has any one of the permissions."""
    return user.is_active and user.is_staff and any(user.has_perm(permission) for permission in permissions)


def setup_view(
    *permissions: str,
) -> Callable[[Callable[Concatenate[UserRequest, P], R]], Callable[Concatenate[HttpRequest, P], R]]:
    """Make a view a page of Setup for administrators with any one of the permissions.

    Redirects anonymous users to the login; raises PermissionDenied for everybody else.
    """

    def decorate(
        view: Callable[Concatenate[UserRequest, P], R],
    ) -> Callable[Concatenate[HttpRequest, P], R]:
        @wraps(view)
        def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> R:
            if not may(request.user, *permissions):
                raise PermissionDenied(_obstacle(request.user, *permissions))
            return view(cast(UserRequest, request), *args, **kwargs)  # `may` is False for an AnonymousUser

        return admin.site.admin_view(checked)

    return decorate


def _obstacle(user: User | AnonymousUser, *permissions: str) -> str:
    return permission_words.sentence_for(*permissions) if user.is_staff else gettext("Setup is for administrators.")


_content_rules: list[Callable[[User], bool]] = []


def register_content_rule(rule: Callable[[User], bool]) -> None:
    """Register `rule(user)`, which says whether a user may read what every customer wrote. Call it from `ready()`."""
    if rule not in _content_rules:
        _content_rules.append(rule)


def may_read_content(user: User) -> bool:
    """Return whether `user` may read the content of deliveries: all rules allow it. Nobody may without a rule."""
    return bool(_content_rules) and all(rule(user) for rule in _content_rules)


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page of Setup with its menu."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"channels_im/{template}", context, status=status)


def wants_fragment(request: HttpRequest) -> bool:
    """Return whether a script requests only the content of a dialog."""
    return request.headers.get("X-Requested-With") == "fetch"
