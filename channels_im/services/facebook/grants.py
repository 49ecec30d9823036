"""What a Facebook login grants: read it from Meta, and refuse a login that cannot be used. Saves nothing."""

from dataclasses import dataclass, field

from django.core.files.base import ContentFile

from channels_im.messenger import oauth, pages
from channels_im.messenger.errors import GraphError
from channels_im.messenger.pages import PageInfo
from channels_im.models import Page
from channels_im.services.facebook import page_pictures
from desk.errors import Refused
from desk.sentences import sentence

#: What each permission is for, as the message about a declined one says it.
PERMISSION_USES = {
    "pages_show_list": sentence("list your Pages"),
    "pages_messaging": sentence("receive and send messages"),
    "pages_manage_metadata": sentence("be notified of new messages"),
    "pages_read_engagement": sentence("check whether a reply has arrived"),
    "business_management": sentence("find Pages that belong to a business account"),
}
#: The same with the name of the permission, as the message about missing ones says it.
_NAMED_USES = {
    "pages_show_list": sentence("pages_show_list, to list your Pages"),
    "pages_messaging": sentence("pages_messaging, to receive and send messages"),
    "pages_manage_metadata": sentence("pages_manage_metadata, to be notified of new messages"),
    "pages_read_engagement": sentence("pages_read_engagement, to check whether a reply has arrived"),
}
#: The tasks on a Page that Desk needs (Meta, "Subscribed apps": MESSAGING to send, MODERATE to subscribe).
NEEDED_TASKS = ("MESSAGING", "MODERATE")


class LinkError(Refused):
    """The login cannot be used; the sentence is for the administrator."""


@dataclass(frozen=True)
class Grant:
    """What a Facebook login granted, as Meta reports it."""

    facebook_user_id: str
    name: str
    user_token: str = field(repr=False)
    token: oauth.TokenInfo = field(repr=False)
    permissions: dict[str, str]
    pages: tuple[PageInfo, ...] = field(repr=False)
    pictures: dict[str, "ContentFile[bytes]"] = field(repr=False, default_factory=dict)

    @property
    def missing_permissions(self) -> list[str]:
        """Return the required permissions that were not granted."""
        return [scope for scope in oauth.REQUIRED_SCOPES if self.permissions.get(scope) != "granted"]

    def page(self, page_id: str) -> PageInfo | None:
        """Return the granted Page with this id of Meta, or None."""
        return next((info for info in self.pages if info.page_id == page_id), None)

    def loss_of(self, page_id: str) -> Page.Reason | None:
        """Return why this login gives no working access to a Page, or None when it does."""
        info = self.page(page_id)
        if info is None:
            return Page.Reason.PERMISSION_REVOKED if self.missing_permissions else Page.Reason.PAGE_DESELECTED
        if self.token.missing_scopes(page_id):
            return Page.Reason.PERMISSION_REVOKED
        if not set(NEEDED_TASKS) <= set(info.tasks):
            return Page.Reason.ROLE_LOST
        return None


def read(user_token: str) -> Grant:
    """Ask Meta whose long-lived user token this is, and for its permissions and Pages. Saves nothing.

    Raises LinkError.
    """
    try:
        token = oauth.debug_token(user_token)
        if not token.is_valid or not token.is_ours:
            raise LinkError(sentence("Facebook says that this login is not valid for Desk's Meta app. Log in again."))
        facebook_user_id, name = oauth.me(user_token)
        permissions = oauth.permissions(user_token)
        granted_pages = tuple(pages.list_pages(user_token))
    except GraphError as error:
        raise LinkError(
            sentence("Facebook did not answer as expected. %(why_text)s Try again.", why_text=error.verdict.sentence)
        ) from error
    return Grant(
        facebook_user_id=facebook_user_id,
        name=name,
        user_token=user_token,
        token=token,
        permissions=permissions,
        pages=granted_pages,
        pictures=page_pictures.fetch(granted_pages),
    )


def require_right_account(grant: Grant, page: Page | None) -> None:
    """Raise LinkError when the login is of another Facebook account than the one that `page` needs."""
    if page is None or page.facebook_account is None:
        return
    owner = page.facebook_account
    if owner.facebook_user_id == grant.facebook_user_id:
        return
    if page.reauth_reason == Page.Reason.APP_REMOVED:
        raise LinkError(
            sentence(
                "“%(page)s” was linked by %(owner)s, who removed the app in the Facebook settings. It must be linked "
                "again with the same Facebook account, and you logged in as %(name)s. Nothing has been changed.",
                page=page,
                owner=owner,
                name=grant.name,
            )
        )
    if grant.page(page.page_id) is None:
        raise LinkError(
            sentence(
                "“%(page)s” is not among the Pages that %(name)s gave. Log in with the Facebook account that owns the "
                "Page (last time: %(owner)s) and leave the Page ticked. Nothing has been changed.",
                page=page,
                owner=owner,
                name=grant.name,
            )
        )


def require_permissions_and_pages(grant: Grant) -> None:
    """Raise LinkError when a required permission or every Page is missing."""
    # Facebook asks a person who ticks no Page for no Page permission either: then the missing ticks are the reason.
    has_page_permission = any(grant.permissions.get(scope) == "granted" for scope in oauth.REQUIRED_SCOPES)
    if (missing := grant.missing_permissions) and (grant.pages or has_page_permission):
        uses = "; ".join(_NAMED_USES[scope] for scope in missing)
        raise LinkError(
            sentence(
                "Facebook did not grant this permission: %(uses_text)s. Link again, select your Pages and leave every "
                "switch on Yes. Nothing has been changed.",
                uses_text=uses,
            )
            if len(missing) == 1
            else sentence(
                "Facebook did not grant these permissions: %(uses_text)s. Link again, select your Pages and leave "
                "every switch on Yes. Nothing has been changed.",
                uses_text=uses,
            )
        )
    if not grant.pages:
        raise LinkError(
            sentence(
                "Facebook gave no Page of %(name)s. Either no Page was ticked, or every permission was declined, or "
                "%(name)s is not an admin of a Page, or the Pages belong to a business account and the permission "
                "business_management was declined. Link again, select your Pages and leave every switch on Yes. "
                "Nothing has been changed.",
                name=grant.name,
            )
        )
