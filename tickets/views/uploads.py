"""Who may send a large body: decided before it is read, since Django stores it on the disk before any view runs."""

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.http import parse_cookie

from desk.accounts import gate
from desk.plain_asgi import Scope
from tickets.services.webhooks import api_tokens


async def is_known(scope: Scope) -> bool:
    """Return whether the request has a session or an API token that is valid. Raises DatabaseError."""
    headers = dict(scope["headers"])
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    cookie = headers.get(b"cookie", b"").decode("latin-1")
    return await sync_to_async(_is_known)(authorization, parse_cookie(cookie).get(settings.SESSION_COOKIE_NAME, ""))


def _is_known(authorization: str, session_key: str) -> bool:
    close_old_connections()
    try:
        _scheme, _blank, key = authorization.partition(" ")
        token = api_tokens.find(key.strip()) if key else None
        return (token is not None and token.works) or (session_key != "" and gate.user_of(session_key) is not None)
    finally:
        close_old_connections()
