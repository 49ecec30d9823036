"""allauth's Facebook login, used only by administrators to link an account: nobody logs in or signs up with it."""

import logging
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base.constants import AuthError, AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from channels_im.models import Channel, PendingLink
from channels_im.services.facebook import linking as service
from channels_im.services.facebook.grants import LinkError
from channels_im.setup import linking as pages
from channels_im.setup.access import LINK_FACEBOOK, may
from desk import error_pages
from desk.models import User
from desk.sentences import sentence

logger = logging.getLogger(__name__)

CANCELLED = sentence(
    "You left Facebook before the login was complete, so nothing was linked and nothing has been changed."
)
STATE_LOST = sentence(
    "This answer from Facebook does not belong to a login that was started here: it is too old, was used before, or "
    "was not started in this browser. Nothing has been changed. Start again."
)
CODE_REFUSED = sentence(
    "Facebook did not accept the code of this login: it works only once and for a short time. Nothing has been "
    "changed. Start again."
)
NO_ANSWER = sentence(
    "Facebook could not be reached to finish the login. Nothing has been changed. Try again in a minute."
)
ENDED = sentence("Facebook ended the login with an error. Nothing has been changed. Start again.")


class LinkAdapter(DefaultSocialAccountAdapter):
    """Take over from allauth once it knows the person and the short-lived token."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: object) -> bool:
        return False

    @sensitive_variables("sociallogin")
    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Exchange the token, check what was granted, and save it, or redirect to the decision page first."""
        administrator = _require_administrator(request)
        if sociallogin.state.get("process") != AuthProcess.CONNECT or not sociallogin.token:
            raise ImmediateHttpResponse(_forbidden(request))
        channel = _channel(sociallogin.state)
        next_url = sociallogin.get_redirect_url(request) or ""
        try:
            outcome = service.finish_login(
                administrator,
                sociallogin.token.token,
                facebook_user_id=sociallogin.account.uid,
                page=channel.page if channel else None,
                next_url=next_url,
            )
        except LinkError as refusal:
            raise ImmediateHttpResponse(pages.failed(request, str(refusal), channel=channel)) from None
        if isinstance(outcome, PendingLink):
            raise ImmediateHttpResponse(redirect("setup:link_decide"))
        pages.show_result(request, outcome)
        raise ImmediateHttpResponse(redirect(next_url or "setup:messenger"))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Show the reason in Setup. The exception's text is never shown or logged: it may contain the app secret."""
        _require_administrator(request)
        state = (extra_context or {}).get("state") or {}
        logger.info("A Facebook login failed: %s, %s", error, type(exception).__name__)
        if error == AuthError.CANCELLED:
            reason = CANCELLED
        elif isinstance(exception, OAuth2Error):
            reason = CODE_REFUSED
        elif exception is not None:
            reason = NO_ANSWER
        elif state:
            reason = ENDED
        else:
            reason = STATE_LOST
        answer = pages.failed(request, reason, channel=_channel(state), cancelled=error == AuthError.CANCELLED)
        raise ImmediateHttpResponse(answer)


def _require_administrator(request: HttpRequest) -> User:
    if isinstance(request.user, User) and may(request.user, *LINK_FACEBOOK):
        return request.user
    if not request.user.is_authenticated:
        raise ImmediateHttpResponse(redirect_to_login("/"))
    raise ImmediateHttpResponse(_forbidden(request))


def _forbidden(request: HttpRequest) -> HttpResponse:
    return error_pages.handler_403(
        request, PermissionDenied(gettext("Linking Facebook is for administrators, in Setup."))
    )


def _channel(state: dict[str, Any]) -> Channel | None:
    pk = (state.get("data") or {}).get("channel")
    channels = Channel.objects.existing().select_related("page__facebook_account")
    return channels.filter(pk=pk).first() if pk else None
