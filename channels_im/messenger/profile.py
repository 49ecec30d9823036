"""Fetch name and picture of a customer. Source: Meta, "User Profile API". No message needs them."""

from dataclasses import dataclass

from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient, node
from channels_im.messenger.error_table import TOKEN_CODES
from channels_im.messenger.errors import GraphError
from channels_im.messenger.values import as_text, as_web_url
from desk.sentences import sentence
from desk.text import shown_name

MAX_NAME_CHARS = 200


@dataclass(frozen=True)
class Profile:
    """The profile from Meta. `picture_url` expires after about 30 days; `reason` says why both others are None."""

    name: str | None
    picture_url: str | None
    reason: str | None = None


@sensitive_variables("token")
def fetch_profile(psid: str, token: str) -> Profile:
    """Return the profile, which may be empty: Meta answers {} to apps without access, and refuses some profiles.

    Raises GraphError only for failures that concern more than this contact: a dead Page token, rate limits, and
    temporary failures.
    """
    try:
        answer = GraphClient(token).get(node(psid), fields="name,first_name,last_name,profile_pic")
    except GraphError as exc:
        if exc.verdict.is_temporary or exc.code in TOKEN_CODES:
            raise
        number = "/".join(str(part) for part in (exc.code, exc.subcode) if part is not None)
        return Profile(
            None,
            None,
            sentence("Facebook refuses to give the profile of this customer (error %(number)s).", number=number)
            if number
            else sentence("Facebook refuses to give the profile of this customer (error unknown)."),
        )
    parts = [as_text(answer.get(key)) for key in ("first_name", "last_name")]
    names = (as_text(answer.get("name")) or "", " ".join(part for part in parts if part))
    name = next((shown for name in names if (shown := shown_name(name, MAX_NAME_CHARS))), None)
    picture_url = as_web_url(answer.get("profile_pic"))
    reason = None if name or picture_url else sentence("Facebook gives this app no profile of this customer.")
    return Profile(name, picture_url, reason)
