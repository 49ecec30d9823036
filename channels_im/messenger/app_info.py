"""Read what Meta knows of our own app: its settings, its webhook subscription, the permissions that were approved.

Sources: Meta, "Access tokens" (app access tokens), "Application", "App subscriptions", "Application permissions". Meta
leaves out fields that are empty, and those that it does not give to an app's own token: a missing field proves nothing.
"""

from dataclasses import dataclass

from django.conf import settings

from channels_im.messenger.client import GraphClient, node
from channels_im.messenger.errors import GraphOutcomeUnknown
from channels_im.messenger.values import as_dict, as_list, as_text

PAGE_OBJECT = "page"
MAX_PERMISSIONS = 100  # more than Meta has
#: What Meta calls a permission that every person may grant.
APPROVED = frozenset({"live", "approved"})
_FIELDS = "id,name,app_domains,privacy_policy_url,deauth_callback_url"


@dataclass(frozen=True)
class AppInfo:
    """The settings of our app; None where Meta named none."""

    name: str | None
    domains: tuple[str, ...] | None
    privacy_policy_url: str | None
    deauthorize_url: str | None


@dataclass(frozen=True)
class AppSubscription:
    """The app's subscription to the webhooks of Pages."""

    callback_url: str
    is_active: bool
    fields: frozenset[str]


def check_secret() -> None:
    """Ask for an app access token, so that Meta checks app id and secret. Raises the errors of GraphClient."""
    answer = GraphClient(None).get(
        "oauth/access_token",
        grant_type="client_credentials",
        client_id=settings.META_APP_ID,
        client_secret=settings.META_APP_SECRET,
    )
    if as_text(answer.get("access_token")) is None:
        raise GraphOutcomeUnknown("The app got an answer without a token", http_status=200)  # English only: for the log


def read_app() -> AppInfo:
    """Return the settings of our app. Raises the errors of GraphClient."""
    answer = GraphClient.for_app().get(node(settings.META_APP_ID), fields=_FIELDS)
    domains = [text for text in map(as_text, as_list(answer.get("app_domains"))) if text]
    return AppInfo(
        name=as_text(answer.get("name")),
        domains=tuple(domains) if domains else None,
        privacy_policy_url=as_text(answer.get("privacy_policy_url")),
        deauthorize_url=as_text(answer.get("deauth_callback_url")),
    )


def page_subscription() -> AppSubscription | None:
    """Return the app's subscription to the webhooks of Pages, or None. Raises the errors of GraphClient."""
    answer = GraphClient.for_app().get(f"{node(settings.META_APP_ID)}/subscriptions")
    for row in map(as_dict, as_list(answer.get("data"))):
        if as_text(row.get("object")) == PAGE_OBJECT:
            names = (as_text(as_dict(each).get("name")) or as_text(each) for each in as_list(row.get("fields")))
            return AppSubscription(
                callback_url=as_text(row.get("callback_url")) or "",
                is_active=row.get("active") is True,
                fields=frozenset(name for name in names if name),
            )
    return None


def approved_permissions() -> set[str]:
    """Return the permissions that Meta lists as approved by App Review. Raises the errors of GraphClient.

    One that is missing may still be approved: Meta does not document that the list is complete.
    """
    answer = GraphClient.for_app().get(f"{node(settings.META_APP_ID)}/permissions", limit=MAX_PERMISSIONS)
    rows = map(as_dict, as_list(answer.get("data")))
    pairs = ((as_text(row.get("permission")), as_text(row.get("status"))) for row in rows)
    return {name for name, status in pairs if name and (status or "").lower() in APPROVED}
