"""Who asks: API tokens in the header Authorization, and the scope that each endpoint needs."""

from collections.abc import Callable
from typing import Any, TypeVar

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from desk import audit_log
from desk.models import User
from tickets.models import ApiToken, Scope
from tickets.services.webhooks import api_tokens

Handler = TypeVar("Handler", bound=Callable[..., Any])

SCHEMES = (b"token", b"bearer")
CHALLENGE = 'Token realm="Desk", Bearer realm="Desk"'
LONGEST_KEY = 200  # bytes

NOT_READABLE = "The header Authorization must be “Token” or “Bearer”, a space and the API token."
UNKNOWN = "This API token is unknown. Check that it was copied completely, or create a new one in Setup → API tokens."
REVOKED = "This API token was revoked. Create a new one in Setup → API tokens."
INACTIVE = "The user of this API token is deactivated."


class ApiTokenAuthentication(BaseAuthentication):
    """`Authorization: Token …` or `Authorization: Bearer …`."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the user and the token; None without a header of these schemes. Raises AuthenticationFailed."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() not in SCHEMES:
            return None
        if len(parts) != 2 or len(parts[1]) > LONGEST_KEY or not parts[1].isascii():
            raise AuthenticationFailed(NOT_READABLE)
        token = api_tokens.find(parts[1].decode("ascii"))
        if token is None:
            raise AuthenticationFailed(UNKNOWN)
        if not token.user.is_active:
            raise AuthenticationFailed(INACTIVE)
        if token.revoked_at is not None:
            raise AuthenticationFailed(REVOKED)
        if token.is_expired and token.expires_at is not None:
            day = f"{token.expires_at:%-d %B %Y}"
            raise AuthenticationFailed(f"This API token expired on {day}. Create a new one in Setup → API tokens.")
        api_tokens.note_use(token)
        audit_log.note_token(str(token))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def needs(scope: Scope) -> Callable[[Handler], Handler]:
    """Mark a handler of the API with the scope that it needs."""

    def decorate(handler: Handler) -> Handler:
        handler.needs_scope = scope  # type: ignore[attr-defined]
        return handler

    return decorate


def scope_of(view: Any, method: str) -> Scope | None:
    """Return the scope that a request with `method` to this view needs; None when its handler does not name one."""
    if method == "OPTIONS":
        return Scope.READ
    name = getattr(view, "action", None) or ("get" if method == "HEAD" else method.lower())
    return getattr(getattr(view, name, None), "needs_scope", None)


class HasScope(BasePermission):
    """Refuse a token without the scope that the endpoint needs. A handler that names no scope refuses every token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        method = request.method or ""
        if getattr(view, "action", "") is None or not hasattr(view, method.lower()):
            return True  # there is no such method here: the answer is 405
        scope = scope_of(view, method)
        self.message = f"This API token lacks the scope “{scope}”. Create one that has it in Setup → API tokens."
        return isinstance(request.auth, ApiToken) and scope in request.auth.scopes
