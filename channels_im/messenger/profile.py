"""Name and picture of a customer. Source: Meta, "User Profile API". Never needed to keep a message."""

from dataclasses import dataclass

from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient, node
from channels_im.messenger.errors import GraphError
from channels_im.messenger.values import as_text, as_web_url

_TOKEN_CODES = (190, 102)


@dataclass(frozen=True)
class Profile:
    """What Meta gave. `picture_url` expires (about 30 days): copy the picture. `reason` says why there is nothing."""

    name: str | None
    picture_url: str | None
    reason: str | None = None


@sensitive_variables("token")
def fetch_profile(psid: str, token: str) -> Profile:
    """Return the profile, which may be empty: Meta answers {} to apps without access to it, and refuses some people.

    Raises GraphError only for what concerns more than this person: a dead page token, rate limits, and failures that
    may pass.
    """
    try:
        answer = GraphClient(token).get(node(psid), fields="name,first_name,last_name,profile_pic")
    except GraphError as exc:
        if exc.verdict.retry or exc.verdict.outcome_unknown or exc.code in _TOKEN_CODES:
            raise
        number = "/".join(str(part) for part in (exc.code, exc.subcode) if part is not None)
        return Profile(None, None, f"Facebook does not give this person's profile (error {number or 'unknown'}).")
    parts = [as_text(answer.get(key)) for key in ("first_name", "last_name")]
    name = as_text(answer.get("name")) or " ".join(part for part in parts if part) or None
    picture_url = as_web_url(answer.get("profile_pic"))
    reason = None if name or picture_url else "Facebook gives this app no profile of this person."
    return Profile(name, picture_url, reason)
