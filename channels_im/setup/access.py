"""Who may open a page of Instant Messaging in Setup, and what every such page shows around its content."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

VIEW_CHANNEL = "channels_im.view_channel"
ADD_CHANNEL = "channels_im.add_channel"
CHANGE_CHANNEL = "channels_im.change_channel"
DELETE_CHANNEL = "channels_im.delete_channel"
VIEW_PREFERENCES = "channels_im.view_impreferences"
CHANGE_PREFERENCES = "channels_im.change_impreferences"
VIEW_JOURNAL = "channels_im.view_webhookdelivery"
REPLAY_JOURNAL = "channels_im.change_webhookdelivery"

#: Linking Facebook serves creating and re-authenticating a channel: whoever may do one of them may link.
LINK_FACEBOOK = (ADD_CHANNEL, CHANGE_CHANNEL)
SEE_CHANNELS = (VIEW_CHANNEL, ADD_CHANNEL, CHANGE_CHANNEL, DELETE_CHANNEL)


def may(user: Any, *permissions: str) -> bool:
    """Return whether `user` may enter Setup and has any one of the permissions."""
    return user.is_active and user.is_staff and any(user.has_perm(permission) for permission in permissions)


def setup_view(*permissions: str) -> Callable:
    """Make a view a page of Setup: login for strangers, 403 for whoever is no administrator or has none of these."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not may(request.user, *permissions):
                raise PermissionDenied("You lack the permission for this part of Setup. Ask an administrator for it.")
            return view(request, *args, **kwargs)

        return admin.site.admin_view(checked)

    return decorate


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page of Setup with its menu; the template of a dialog alone when a script asks for a fragment."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"channels_im/{template}", context, status=status)


def wants_fragment(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"
