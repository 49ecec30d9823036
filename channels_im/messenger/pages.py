"""List the Pages of the person who linked Facebook, subscribe to their webhooks, block people.

Sources: Meta, "Page accounts", "Subscribed apps", "Moderate conversations".
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient, node, require_success
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.messenger.oauth import debug_token
from channels_im.messenger.values import as_account_id, as_dict, as_text, as_web_url
from desk.text import shown_name

logger = logging.getLogger(__name__)

# Without response_feedback, which adds thumbs to every message.
SUBSCRIBED_FIELDS = (
    "messages",
    "message_echoes",
    "message_edits",
    "message_reactions",
    "message_reads",
    "message_deliveries",
    "messaging_postbacks",
    "messaging_referrals",
    "messaging_optins",
    "messaging_handovers",
    "standby",
    "messaging_policy_enforcement",
)
# Not every app may have them; nothing depends on them.
OPTIONAL_FIELDS = ("calls", "messaging_optouts")
INVALID_PARAMETER = 100  # Meta's code

# Only with the permission for utility messages.
TEMPLATE_STATUS_FIELD = "message_template_status_update"

MAX_NAME_CHARS = 200
_PAGE_FIELDS = "id,name,access_token,tasks,picture{url}"


@dataclass(frozen=True)
class PageInfo:
    """A Page with the access of the person who linked it. Without `access_token` it can be shown, not connected.

    `tasks` are Meta's names: replies need MESSAGING, the subscription needs MODERATE.
    """

    page_id: str
    name: str
    access_token: str | None = field(repr=False)
    tasks: tuple[str, ...] = ()
    picture_url: str | None = None


@sensitive_variables("user_token")
def list_pages(user_token: str) -> list[PageInfo]:
    """Return all Pages to which the token gives access, without duplicates.

    They come from `/me/accounts`. Pages that the person selected but that are missing there (granular permissions,
    business-owned Pages) are read one by one by the ids from `debug_token`, and so are Pages that are listed without a
    token; if there are none at all, they come from the businesses. A Page that Meta refuses is left out, but a
    temporary failure is raised: a Page that is missing because of it would look deselected.
    """
    client = GraphClient(user_token)
    pages = {page.page_id: page for page in _parse(client.paged("me/accounts", fields=_PAGE_FIELDS, limit=100))}
    without_token = {page.page_id for page in pages.values() if not page.access_token}
    for page_id in sorted((_granted_page_ids(user_token) - pages.keys()) | without_token):
        for page in _parse(_get_page(client, page_id)):
            if page.access_token or page.page_id not in pages:
                pages[page.page_id] = page
    if not pages:
        pages = {page.page_id: page for page in _business_pages(client)}
    return list(pages.values())


@sensitive_variables("token")
def subscribe(page_id: str, token: str, more: Iterable[str] = ()) -> None:
    """Subscribe our app to the Page's webhooks. Repeat it after each re-authentication and each release.

    Besides SUBSCRIBED_FIELDS, try OPTIONAL_FIELDS and `more`: Meta refuses the whole subscription for a field that this
    app, or this version of the API, may not have.
    """
    path, optional = _subscription_path(page_id), (*OPTIONAL_FIELDS, *more)
    client = GraphClient(token)
    try:
        answer = client.post(path, params={"subscribed_fields": (*SUBSCRIBED_FIELDS, *optional)})
    except GraphError as error:
        if error.code != INVALID_PARAMETER:
            raise
        logger.info("Page %s is subscribed without %s: %s", page_id, ", ".join(optional), error)
        answer = client.post(path, params={"subscribed_fields": SUBSCRIBED_FIELDS})
    require_success(answer, "subscribe")


@sensitive_variables("token")
def unsubscribe(page_id: str, token: str | None) -> None:
    """End the subscription of our app; with the app's own token when the Page token is missing or dead."""
    path = _subscription_path(page_id)
    if token:
        try:
            require_success(GraphClient(token).delete(path), "unsubscribe")
            return
        except GraphError as exc:
            if exc.verdict.kind is not ErrorKind.REAUTHENTICATE:
                raise
    require_success(GraphClient.for_app().delete(path), "unsubscribe")


@sensitive_variables("token")
def subscription(page_id: str, token: str) -> set[str] | None:
    """Return the fields to which our app is subscribed at the Page, or None when it is not subscribed."""
    for app in GraphClient(token).paged(_subscription_path(page_id)):
        if as_account_id(app.get("id")) == settings.META_APP_ID:
            fields = app.get("subscribed_fields")
            return {name for name in map(_field_name, fields if isinstance(fields, list) else []) if name}
    return None


@sensitive_variables("token")
def block_user(page_id: str, psid: str, token: str) -> None:
    """Block this contact: they can no longer write to the Page."""
    _moderate(page_id, psid, token, "BLOCK_USER")


@sensitive_variables("token")
def unblock_user(page_id: str, psid: str, token: str) -> None:
    """Unblock this contact: they can write to the Page again."""
    _moderate(page_id, psid, token, "UNBLOCK_USER")


def _moderate(page_id: str, psid: str, token: str, action: str) -> None:
    body = {"user_ids": [{"id": psid}], "actions": [action]}
    answer = GraphClient(token).post(f"{node(page_id)}/moderate_conversations", json=body)
    require_success(answer, action.lower())


def _subscription_path(page_id: str) -> str:
    return f"{node(page_id)}/subscribed_apps"


def _field_name(value: Any) -> str | None:
    return as_text(as_dict(value).get("name")) or as_text(value)


def _parse(rows: Iterable[dict[str, Any]]) -> Iterator[PageInfo]:
    for row in rows:
        page_id = as_account_id(row.get("id"))
        if page_id is None:
            continue
        picture = as_dict(row.get("picture"))
        tasks = row.get("tasks")
        yield PageInfo(
            page_id=page_id,
            name=shown_name(as_text(row.get("name")) or "", MAX_NAME_CHARS) or page_id,
            access_token=as_text(row.get("access_token")),
            tasks=tuple(task for task in map(as_text, tasks if isinstance(tasks, list) else []) if task),
            picture_url=as_web_url(as_dict(picture.get("data")).get("url")) or as_web_url(picture.get("url")),
        )


def _granted_page_ids(user_token: str) -> set[str]:
    """Return the ids of all Pages in granular permissions. Those of other permissions are ids of businesses."""
    try:
        granular = debug_token(user_token).granular_scopes
    except GraphError as exc:
        _raise_if_temporary(exc)
        return set()
    return {page_id for scope, ids in granular.items() if scope.startswith("pages_") for page_id in ids or ()}


def _get_page(client: GraphClient, page_id: str) -> list[dict[str, Any]]:
    try:
        return [client.get(node(page_id), fields=_PAGE_FIELDS)]
    except GraphError as exc:
        _raise_if_temporary(exc)
        logger.info("Page %s is granted, but Meta refuses to return it: %s", page_id, exc)
        return []


def _business_pages(client: GraphClient) -> Iterator[PageInfo]:
    for business in _rows(client, "me/businesses", fields="id", limit=100):
        business_id = as_account_id(business.get("id"))
        if business_id is None:
            continue
        for edge in ("owned_pages", "client_pages"):
            rows = _rows(client, f"{node(business_id)}/{edge}", fields=_PAGE_FIELDS, limit=100)
            for page in _parse(rows):
                with_token = [] if page.access_token else list(_parse(_get_page(client, page.page_id)))
                yield with_token[0] if with_token else page


def _rows(client: GraphClient, path: str, **params: Any) -> list[dict[str, Any]]:
    try:
        return list(client.paged(path, **params))
    except GraphError as exc:
        _raise_if_temporary(exc)
        return []


def _raise_if_temporary(exc: GraphError) -> None:
    if exc.verdict.is_temporary:
        raise exc
