"""Read who linked Facebook and what they granted. Source: Meta, "User" and "User permissions"."""

from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient
from channels_im.messenger.errors import GraphOutcomeUnknown
from channels_im.messenger.values import as_account_id, as_text


@sensitive_variables("user_token")
def me(user_token: str) -> tuple[str, str]:
    """Return (app-scoped user id, name) of the owner of the token. Raises the errors of GraphClient."""
    answer = GraphClient(user_token).get("me", fields="id,name")
    user_id = as_account_id(answer.get("id"))
    if user_id is None:
        raise GraphOutcomeUnknown("/me answered without an id", http_status=200)  # English only: for the log
    return user_id, as_text(answer.get("name")) or ""


@sensitive_variables("user_token")
def permissions(user_token: str) -> dict[str, str]:
    """Return a dict of permission to "granted", "declined" or "expired". Raises the errors of GraphClient."""
    rows = GraphClient(user_token).paged("me/permissions", limit=100)
    pairs = ((as_text(row.get("permission")), as_text(row.get("status"))) for row in rows)
    return {name: status for name, status in pairs if name and status}
