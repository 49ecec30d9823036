"""Who the live stream takes a browser for."""

from django.conf import settings
from django.test import Client

from desk.live.sse import LiveStream


def stream_user(client: Client) -> int | None:
    """Return the id of the user whom the live stream lets in with the browser's session; None when nobody."""
    stream: LiveStream[int, int] = LiveStream(
        lambda user: user.pk, lambda facts, *_: facts, lambda *_: True, lambda *_: {}
    )
    session = client.cookies.get(settings.SESSION_COOKIE_NAME)
    login = stream._load_login(session.value if session else "")
    return login.user_id if login else None
