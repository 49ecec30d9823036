"""The browsers in which people have turned notifications on, and the key by which push services know Desk.

A browser belongs to the session in which it was turned on. After a logout there, or when the session ends in another
way, it gets nothing.
"""

import hashlib
import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from desk import web_push
from desk.errors import Refused
from desk.models import User
from desk.safe_http import AddressError, parse_url
from desk.sentences import sentence
from desk.text import one_line
from tickets.models import Conversation, MailReminder, PushKey, PushSubscription
from tickets.services.notifications import choices

logger = logging.getLogger(__name__)

CLEANING_TASK = "tickets.tasks.clean_notifications"
MOST_BROWSERS = 20  # of one person; the one that has failed for longest is dropped, else the oldest
MOST_ENDPOINT_CHARS = 2000
#: A browser to which nothing could be sent for so long is forgotten.
FORGET_AFTER = timedelta(days=7)
REFUSED = sentence("This browser's push service has an address that Desk may not call.")
MALFORMED = sentence("The browser gave no valid subscription. Turn notifications off and on again.")


def key() -> PushKey:
    """Return the key of this installation; make it when there is none, or none that can be decrypted.

    With a new key the browsers must subscribe again: the old subscriptions are deleted, and open pages renew them.
    """
    row = PushKey.objects.filter(pk=1).first()
    if row is not None and row.private_key:
        return row
    private, public = web_push.make_key()
    with transaction.atomic():
        row, is_new = PushKey.objects.select_for_update().get_or_create(
            pk=1, defaults={"private_key": private, "public_key": public}
        )
        if not is_new and not row.private_key:
            logger.warning("The key for notifications cannot be decrypted: a new one is made")
            row.private_key, row.public_key = private, public
            row.save(update_fields=["private_key", "public_key"])
            PushSubscription.objects.all().delete()
    return row


def subject() -> str:
    """Return the contact of this installation for push services, as RFC 8292 wants it."""
    if settings.HTTPS:
        return str(settings.PUBLIC_URL)
    address = settings.DEFAULT_FROM_EMAIL.rpartition("<")[2].rstrip(">")
    return f"mailto:{address}"


def subscribe(user: User, session_key: str, *, endpoint: str, p256dh: str, auth: str, browser: str) -> PushSubscription:
    """Send this person's notifications to a browser too, or bring its row up to date. Raises Refused.

    A browser whose row is of somebody else, who used it before, becomes this person's.
    """
    try:
        if not endpoint.isascii() or len(endpoint) > MOST_ENDPOINT_CHARS:
            raise Refused(MALFORMED, "malformed")
        parse_url(endpoint, settings.DESK_PUSH_HOSTS)
        web_push.check_keys(p256dh, auth)
    except AddressError:
        raise Refused(REFUSED, "address") from None
    except web_push.KeyProblem:
        raise Refused(MALFORMED, "malformed") from None
    public_key = key().public_key
    digest = hashlib.sha256(endpoint.encode()).hexdigest()
    fields: dict[str, Any] = {
        "user": user,
        "session_key": session_key,
        "endpoint": endpoint,
        "p256dh": p256dh,
        "auth": auth,
        "public_key": public_key,
        "browser": one_line(browser, 200),
    }
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        choices.keep_proposed(user)
        PushSubscription.objects.filter(endpoint_digest=digest).exclude(user=user).delete()  # with what waits for them
        row, _is_new = PushSubscription.objects.update_or_create(endpoint_digest=digest, defaults=fields)
        own = PushSubscription.objects.filter(user=user).order_by(F("failing_since").desc(nulls_first=True), "-pk")
        kept = [row.pk, *own.exclude(pk=row.pk).values_list("pk", flat=True)[: MOST_BROWSERS - 1]]
        own.exclude(pk__in=kept).delete()
    return row


def unsubscribe(user: User, *, pk: int | None = None, endpoint: str = "") -> int:
    """Send nothing more to a browser of this person, named by its row or its endpoint; return how many were found."""
    own = PushSubscription.objects.filter(user=user)
    digest = hashlib.sha256(endpoint.encode()).hexdigest()
    found = own.filter(pk=pk) if pk is not None else own.filter(endpoint_digest=digest)
    return found.delete()[1].get("tickets.PushSubscription", 0)


def logged_out(session_key: str | None) -> None:
    """Forget the browsers of a session that ends."""
    if session_key:
        PushSubscription.objects.filter(session_key=session_key).delete()


def clean() -> int:
    """Delete the browsers whose session has ended, and e-mails that were sent about who no longer waits."""
    lasting = Session.objects.filter(expire_date__gt=timezone.now())
    count = PushSubscription.objects.exclude(session_key__in=lasting.values("session_key")).delete()[0]
    waiting = Conversation.objects.filter(waiting_since__isnull=False)
    return (
        count + MailReminder.objects.filter(due_at=None).exclude(conversation_id__in=waiting.values("pk")).delete()[0]
    )


def failing_for_all() -> bool:
    """Return whether notifications have reached no browser for ten minutes, although there are some."""
    early = timezone.now() - timedelta(minutes=10)
    if not PushSubscription.objects.filter(failing_since__lt=early).exists():
        return False
    return not PushSubscription.objects.filter(failing_since=None, last_success_at__isnull=False).exists()
