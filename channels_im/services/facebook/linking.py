"""Link a Facebook account: read what the login granted, find what it would break, and save it.

Three steps, so that no network call is inside a transaction and nothing is saved unchecked: `grants.read` asks Meta,
`examine` compares the answer with the configured channels, `save_grant` writes. `finish_login` runs them for a browser,
`link_with_long_token` for a program.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils import timezone

from channels_im.messenger import oauth
from channels_im.messenger.errors import GraphError
from channels_im.messenger.pages import PageInfo
from channels_im.models import Channel, FacebookAccount, Page, PendingLink
from channels_im.services.facebook import connection, grants, page_pictures, subscriptions
from channels_im.services.facebook.grants import Grant, LinkError
from desk import audit_log
from desk.languages import in_english
from desk.models import User
from desk.sentences import counted, sentence

#: A login that waits for a decision is discarded after this time.
DECISION_TIMEOUT = timedelta(hours=1)


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
    grant = grants.read(long_lived_user_token)
    grants.require_permissions_and_pages(grant)
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
    grant = grants.read(long_lived.token)
    if grant.facebook_user_id != facebook_user_id:
        raise LinkError(sentence("Facebook reported two different people during this login. Log in again."))
    grants.require_right_account(grant, page)
    findings = examine(user, grant)
    if not findings.stops:
        grants.require_permissions_and_pages(grant)
    if findings.need_decision:
        return _save_for_decision(user, grant, findings, page, next_url)
    return save_grant(user, grant, page=page)


def continue_anyway(user: User, pending: PendingLink) -> LinkResult:
    """Save a login that waited for a decision, as Meta describes it now. Raises LinkError."""
    if not pending.user_token or timezone.now() - pending.created_at > DECISION_TIMEOUT:
        pending.delete()
        raise LinkError(sentence("This login waited too long for a decision. Nothing has been changed. Log in again."))
    grant = grants.read(pending.user_token)
    page = Page.objects.filter(pk=pending.findings.get("page")).first()
    grants.require_right_account(grant, page)
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
