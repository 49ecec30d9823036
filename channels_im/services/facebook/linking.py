"""Link a Facebook account: read what the login granted, find what it would break, and save it.

Three steps, so that no network call is inside a transaction and nothing is saved unchecked: `read_grant` asks Meta,
`examine` compares the answer with the configured channels, `save_grant` writes. `finish_login` runs them for a browser,
`link_with_long_token` for a program.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from allauth.socialaccount.models import SocialAccount
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from channels_im.messenger import oauth, pages
from channels_im.messenger.errors import GraphError
from channels_im.messenger.pages import PageInfo
from channels_im.models import Channel, FacebookAccount, Page, PendingLink
from channels_im.services.facebook import connection, page_pictures, subscriptions
from desk import audit_log
from desk.errors import Refused
from desk.languages import in_english
from desk.models import User
from desk.sentences import counted, sentence

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
#: A login that waits for a decision is discarded after this time.
DECISION_TIMEOUT = timedelta(hours=1)


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


@dataclass
class Findings:
    """What saving a grant would do. `stops` are channels whose Page is connected now and would stop working."""

    stays: list[Channel] = field(default_factory=list)
    stops: list[tuple[Channel, Page.Reason]] = field(default_factory=list)
    colleague: User | None = None  # the other administrator who linked this Facebook account

    @property
    def need_decision(self) -> bool:
        """Return whether an administrator has to decide before the grant is saved."""
        return bool(self.stops or self.colleague)


@dataclass
class LinkResult:
    """What was saved. `pages` are the granted Pages, `taken_in` those of them that this account did not have before;
    `kept_elsewhere` stay with another Facebook account.
    """

    account: FacebookAccount
    pages: list[Page] = field(default_factory=list)
    taken_in: list[Page] = field(default_factory=list)
    healed: list[Page] = field(default_factory=list)
    stopped: list[Page] = field(default_factory=list)
    kept_elsewhere: list[Page] = field(default_factory=list)
    declined: list[str] = field(default_factory=list)


def link_with_long_token(user: User, long_lived_user_token: str) -> LinkResult:
    """Link the Facebook account of a long-lived user token to `user`, without a browser.

    Raises LinkError when Meta refuses, a permission is missing, or an administrator has to decide something first.
    """
    grant = read_grant(long_lived_user_token)
    _require_permissions_and_pages(grant)
    if examine(user, grant).need_decision:
        raise LinkError(
            sentence(
                "This login would stop a channel or take over a colleague's link. Link the account in Setup instead."
            )
        )
    return save_grant(user, grant)


def finish_login(
    user: User, short_token: str, *, facebook_user_id: str, page: Page | None = None, next_url: str = ""
) -> LinkResult | PendingLink:
    """Finish a login in the browser. `page` is the Page whose *Re-authenticate* was pressed.

    Returns what was saved, or a PendingLink when an administrator has to decide first: then nothing else was changed.
    Raises LinkError.
    """
    try:
        long_lived = oauth.exchange_long_lived(short_token)
    except GraphError as error:
        raise LinkError(
            sentence("Facebook did not give long-term access. %(why_text)s", why_text=error.verdict.sentence)
        ) from error
    grant = read_grant(long_lived.token)
    if grant.facebook_user_id != facebook_user_id:
        raise LinkError(sentence("Facebook reported two different people during this login. Log in again."))
    _require_right_account(grant, page)
    findings = examine(user, grant)
    if not findings.stops:
        _require_permissions_and_pages(grant)
    if findings.need_decision:
        return _save_for_decision(user, grant, findings, page, next_url)
    return save_grant(user, grant, page=page)


def continue_anyway(user: User, pending: PendingLink) -> LinkResult:
    """Save a login that waited for a decision, as Meta describes it now. Raises LinkError."""
    if not pending.user_token or timezone.now() - pending.created_at > DECISION_TIMEOUT:
        pending.delete()
        raise LinkError(sentence("This login waited too long for a decision. Nothing has been changed. Log in again."))
    grant = read_grant(pending.user_token)
    page = Page.objects.filter(pk=pending.findings.get("page")).first()
    _require_right_account(grant, page)
    return save_grant(user, grant, page=page)


def discard(pending: PendingLink) -> None:
    """Discard a login that waited for a decision. It counts at Meta all the same, so its Pages are checked."""
    ids = [pk for pk, _reason in pending.findings.get("stops", [])]
    pages = Channel.objects.existing().filter(pk__in=ids).values_list("page_id", flat=True)
    with transaction.atomic():
        subscriptions.request_check(*pages)
        pending.delete()


def discard_undecided() -> int:
    """Discard logins that nobody decided about within DECISION_TIMEOUT, with their tokens; return how many."""
    expired = list(PendingLink.objects.filter(created_at__lt=timezone.now() - DECISION_TIMEOUT))
    for pending in expired:
        discard(pending)
    return len(expired)


def read_grant(user_token: str) -> Grant:
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


def examine(user: User, grant: Grant) -> Findings:
    """Compare a login with the channels whose Pages came from the same Facebook account."""
    findings = Findings()
    account = (
        FacebookAccount.objects.filter(facebook_user_id=grant.facebook_user_id).select_related("linked_by").first()
    )
    if account is None:
        return findings
    if account.linked_by_id not in (None, user.pk):
        findings.colleague = account.linked_by
    channels = Channel.objects.existing().filter(page__facebook_account=account).select_related("page", "department")
    for channel in channels:
        reason = grant.loss_of(channel.page.page_id)
        if reason is None:
            findings.stays.append(channel)
        elif channel.page.is_connected:
            findings.stops.append((channel, reason))
    return findings


def save_grant(user: User, grant: Grant, *, page: Page | None = None) -> LinkResult:
    """Save the account and its Pages, reconnect or stop Pages accordingly, and request the subscription checks.

    `page` was requested explicitly, so it moves to this account even from another one that still works.
    """
    with transaction.atomic():
        account = _save_account(user, grant)
        result = LinkResult(account, declined=[s for s in oauth.SCOPES if grant.permissions.get(s) != "granted"])
        for info in sorted(grant.pages, key=lambda info: info.page_id):
            _save_page(result, grant, info, is_requested=page is not None and info.page_id == page.page_id)
        for lost in account.pages.select_for_update().exclude(page_id__in=[info.page_id for info in grant.pages]):
            _stop(result, lost, grant.loss_of(lost.page_id))
        configured = Channel.objects.existing().filter(page__in=result.pages).values_list("page_id", flat=True)
        subscriptions.request_check(*configured)
        PendingLink.objects.filter(user=user).delete()
        _record(user, result)
    return result


def _save_account(user: User, grant: Grant) -> FacebookAccount:
    account, _created = FacebookAccount.objects.select_for_update().get_or_create(
        facebook_user_id=grant.facebook_user_id, defaults={"linked_by": user}
    )
    account.social_account, _created = SocialAccount.objects.update_or_create(
        provider="facebook",
        uid=grant.facebook_user_id,
        defaults={"user": user, "extra_data": {"id": grant.facebook_user_id, "name": grant.name}},
    )
    account.name, account.linked_by = grant.name, user
    account.user_token = grant.user_token
    account.expires_at = grant.token.expires_at
    account.data_access_expires_at = grant.token.data_access_expires_at
    account.scopes = sorted(scope for scope, status in grant.permissions.items() if status == "granted")
    account.linked_at, account.app_removed_at, account.last_warned_days = timezone.now(), None, None
    account.save()
    return account


def _save_page(result: LinkResult, grant: Grant, info: PageInfo, *, is_requested: bool) -> None:
    page, is_new = Page.objects.select_for_update().get_or_create(
        page_id=info.page_id, defaults={"name": info.name, "facebook_account": result.account}
    )
    if not (is_requested or _may_move_to(page, result.account)):
        result.kept_elsewhere.append(page)
        return
    if not info.access_token and page.page_token and page.facebook_account_id not in (None, result.account.pk):
        result.kept_elsewhere.append(page)  # its token belongs to the other account
        return
    was_connected = page.is_connected
    if is_new or page.facebook_account_id != result.account.pk:
        result.taken_in.append(page)
    page.facebook_account = result.account
    page.name, page.tasks = info.name, list(info.tasks)
    if info.access_token:  # a Page listed without a token keeps the one it has: the check says what that is worth
        page.page_token, page.token_expires_at = info.access_token, None
    page.save(update_fields=["facebook_account", "name", "tasks", "page_token", "token_expires_at"])
    if picture := grant.pictures.get(info.page_id):
        page_pictures.keep(page, picture)
    result.pages.append(page)
    reason = grant.loss_of(info.page_id)
    if reason is None and not page.page_token:
        reason = Page.Reason.PERMISSION_REVOKED
    if reason:
        _stop(result, page, reason)
    elif info.access_token and not was_connected:
        connection.mark_connected(page)
        result.healed.append(page)


def _may_move_to(page: Page, account: FacebookAccount) -> bool:
    """Return whether the Page may move to `account`.

    A connected Page of a channel stays where it is; one whose person removed the app waits for that person.
    """
    if page.facebook_account_id in (None, account.pk):
        return True
    if not page.is_connected:
        return page.reauth_reason != Page.Reason.APP_REMOVED
    return not Channel.objects.existing().filter(page=page).exists()


def _stop(result: LinkResult, page: Page, reason: Page.Reason | None) -> None:
    """Stop a Page that the login does not give working access to. One without a channel only loses its token."""
    if not Channel.objects.existing().filter(page=page).exists():
        Page.objects.filter(pk=page.pk).update(page_token=None)
    elif page.is_connected:
        connection.require_reauth(page, reason or Page.Reason.PAGE_DESELECTED, Page.DetectedBy.LOGIN)
        result.stopped.append(page)


def _require_right_account(grant: Grant, page: Page | None) -> None:
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


def _require_permissions_and_pages(grant: Grant) -> None:
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


def _save_for_decision(user: User, grant: Grant, findings: Findings, page: Page | None, next_url: str) -> PendingLink:
    pending, _created = PendingLink.objects.update_or_create(
        user=user,
        defaults={
            "facebook_user_id": grant.facebook_user_id,
            "name": grant.name,
            "user_token": grant.user_token,
            "expires_at": grant.token.expires_at,
            "next_url": next_url,
            "created_at": timezone.now(),
            "findings": {
                "page": page.pk if page else None,
                "colleague": str(findings.colleague) if findings.colleague else "",
                "stays": [channel.pk for channel in findings.stays],
                "stops": [[channel.pk, str(reason)] for channel, reason in findings.stops],
            },
        },
    )
    return pending


def _record(user: User, result: LinkResult) -> None:
    """Record the login in the history of the account, its new Pages, and each channel that it renewed or stopped."""
    audit_log.record(user, result.account, audit_log.Action.LINKED, _summary(result))
    for page in result.taken_in:
        message = sentence("Taken in with the Facebook account of %(account)s.", account=result.account)
        audit_log.record(user, page, audit_log.Action.LINKED, message)
    stopped = {page.pk for page in result.stopped}
    for channel in Channel.objects.existing().filter(page__in=[*result.pages, *result.stopped]).select_related("page"):
        if channel.page_id in stopped:
            message = sentence(
                "Stopped by a Facebook login of %(account)s: %(reason_text)s.",
                account=result.account,
                reason_text=in_english(Page.Reason(channel.page.reauth_reason).label),
            )
        else:
            message = sentence("Re-authenticated with the Facebook account of %(account)s.", account=result.account)
        audit_log.record(user, channel, audit_log.CHANGE, message)


def _summary(result: LinkResult) -> str:
    count = len(result.pages)
    healed, stopped = (", ".join(map(str, pages)) for pages in (result.healed, result.stopped))
    if healed and stopped:
        return counted(
            "Linked with %(count)s Page; connected again: %(healed)s; stopped: %(stopped)s.",
            "Linked with %(count)s Pages; connected again: %(healed)s; stopped: %(stopped)s.",
            count,
            healed=healed,
            stopped=stopped,
        )
    if healed:
        return counted(
            "Linked with %(count)s Page; connected again: %(healed)s.",
            "Linked with %(count)s Pages; connected again: %(healed)s.",
            count,
            healed=healed,
        )
    if stopped:
        return counted(
            "Linked with %(count)s Page; stopped: %(stopped)s.",
            "Linked with %(count)s Pages; stopped: %(stopped)s.",
            count,
            stopped=stopped,
        )
    return counted("Linked with %(count)s Page.", "Linked with %(count)s Pages.", count)
