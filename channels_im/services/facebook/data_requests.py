"""Facebook's callbacks about the person who linked a Page: they removed the app, or want their data deleted.

Source: Meta, "Deauthorize callback" and "Data deletion callback". The id is app-scoped (ASID): it names the person who
linked the Pages, never a customer. Customers' conversations belong to the help desk and stay.
"""

import logging
import secrets
from datetime import timedelta

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from channels_im.messenger.signature import SignedRequest
from channels_im.models import Channel, DataRequest, FacebookAccount, Page, PendingLink
from channels_im.services.facebook import connection, subscriptions
from desk import audit_log
from desk.models import AuditEntry
from desk.sentences import sentence
from desk.text import head

logger = logging.getLogger(__name__)

#: Meta sends whole seconds of its own clock: a login counts as later than a callback only when it is later by this.
CLOCK_TOLERANCE = timedelta(seconds=5)

NOTHING_KEPT = sentence("Desk keeps nothing about this Facebook account.")
LINKED_AGAIN = sentence("This Facebook account was linked again after the request, so that link stays as it is.")
APP_REMOVED = sentence("The access to Facebook that came from this account was deleted. Its Pages are disconnected.")
DELETED = sentence(
    "The name, the Facebook profile and every access token of this account were deleted. Its Pages are disconnected."
)


def handle(kind: str, signed: SignedRequest) -> DataRequest:
    """Carry out a callback (`kind` of DataRequest.Kind), and return its record with the confirmation code.

    The same request again, for example when Facebook missed our answer, returns the same record and does nothing:
    nobody can disconnect a Page twice with one signed request.
    """
    with transaction.atomic():
        request, is_new = DataRequest.objects.get_or_create(
            kind=kind,
            facebook_user_id=signed.user_id,
            issued_at=signed.issued_at,
            defaults={"confirmation_code": secrets.token_hex(16)},
        )
        if is_new:
            request.detail = _carry_out(request)
            request.state, request.completed_at = DataRequest.State.COMPLETED, timezone.now()
            request.save(update_fields=["detail", "state", "completed_at"])
            logger.warning("Facebook user %s: %s callback carried out", request.facebook_user_id, kind)
    return request


def _carry_out(request: DataRequest) -> str:
    """Carry out the request; return what was done, without names: everyone with the code can read it."""
    account = FacebookAccount.objects.select_for_update().filter(facebook_user_id=request.facebook_user_id).first()
    cutoff = request.issued_at + CLOCK_TOLERANCE
    pending = PendingLink.objects.filter(facebook_user_id=request.facebook_user_id, created_at__lte=cutoff)
    if account is None:
        return APP_REMOVED if pending.delete()[0] else NOTHING_KEPT
    pages = list(Page.objects.filter(facebook_account=account).order_by("pk"))
    if account.linked_at > cutoff:
        subscriptions.request_check(*_with_channel(pages))  # Meta decides whether the tokens still work
        return LINKED_AGAIN
    pending.delete()
    _disconnect(account, pages)
    if request.kind == DataRequest.Kind.DELETION:
        _erase(account)
    _record(account, pages, request)
    return DELETED if request.kind == DataRequest.Kind.DELETION else APP_REMOVED


def _with_channel(pages: list[Page]) -> list[int]:
    return list(Channel.objects.existing().filter(page__in=pages).values_list("page_id", flat=True))


def _disconnect(account: FacebookAccount, pages: list[Page]) -> None:
    """Delete the tokens. Pages with a channel wait for the same account; the others cannot be used until then."""
    configured = set(_with_channel(pages))
    for page in pages:
        if page.pk in configured:
            connection.require_reauth(page, Page.Reason.APP_REMOVED, Page.DetectedBy.CALLBACK)
    Page.objects.filter(facebook_account=account).update(page_token=None, token_expires_at=None)
    account.user_token = account.expires_at = account.data_access_expires_at = None
    account.scopes, account.last_warned_days = [], None
    account.app_removed_at = account.app_removed_at or timezone.now()
    account.save()


def _erase(account: FacebookAccount) -> None:
    """Delete what identifies the person. The id stays: only it tells whether a later login is of the same account."""
    name = account.name
    if account.social_account is not None:
        account.social_account.delete()
    account.social_account, account.name = None, ""
    account.save(update_fields=["social_account", "name"])
    audit_log.of_object(account).update(object_name=head(str(account), audit_log.NAME_LENGTH))
    if name:
        kinds = ContentType.objects.get_for_models(FacebookAccount, Channel, Page)
        entries = AuditEntry.objects.filter(content_type__in=kinds.values(), sentence__contains=name)
        for entry in entries:
            # as linking.save_grant writes it: "… of Anna Berg."
            entry.sentence = entry.sentence.replace(f" of {name}", f" of {account}")
            entry.save(update_fields=["sentence"])


def _record(account: FacebookAccount, pages: list[Page], request: DataRequest) -> None:
    """Write to the history what Facebook reported: Facebook acted, not the administrator who linked the account."""
    code = request.confirmation_code
    if request.kind == DataRequest.Kind.DELETION:
        report = sentence(
            "Facebook reported that the person asked for the deletion of their data; confirmation code %(code)s.",
            code=code,
        )
    else:
        report = sentence("Facebook reported that the person removed the app; confirmation code %(code)s.", code=code)
    audit_log.record(audit_log.FACEBOOK, account, audit_log.Action.FACEBOOK, report)
    must_be_reauthenticated = sentence("The Page must be re-authenticated.")
    for channel in Channel.objects.existing().filter(page__in=pages):
        message = f"{report} {must_be_reauthenticated}"
        audit_log.record(audit_log.FACEBOOK, channel, audit_log.Action.FACEBOOK, message)
