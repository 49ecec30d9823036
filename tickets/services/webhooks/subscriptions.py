"""Create, change, rotate and delete webhooks. Each step is recorded in the history."""

import secrets
from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from desk import audit_log, wake
from desk.encryption import Secret
from desk.errors import Refused
from desk.models import User
from desk.safe_http import AddressError
from desk.sentences import sentence
from tickets.models import EventDelivery, EventSubscription, EventType
from tickets.models.events import TEST_EVENT
from tickets.services.webhooks.events import JOB
from tickets.services.webhooks.http_call import sentence_for, webhook_target

State = EventDelivery.State
SETTLED = (State.DELIVERED, State.FAILED, State.DROPPED)


def check_address(url: str) -> None:
    """Raise ValidationError for an address that is not allowed. DNS is not looked up here but before each call."""
    try:
        webhook_target(url)
    except AddressError as refused:
        raise ValidationError(sentence_for(refused)) from None


def create(user: User, *, name: str, url: str, events: Collection[str]) -> EventSubscription:
    """Create a webhook and return it; its `secret` may be shown only now. Raises ValidationError."""
    check_address(url)
    with transaction.atomic():
        subscription = EventSubscription.objects.create(
            name=name, url=url, events=_in_order(events), secret=_new_secret(), created_by=user
        )
        audit_log.record(
            user, subscription, audit_log.ADDITION, sentence("Added for %(address)s.", address=_origin(url))
        )
    return subscription


def change(
    user: User, subscription: EventSubscription, *, name: str, url: str, events: Collection[str], is_active: bool
) -> bool:
    """Change a webhook, or turn it on or off; return whether anything was changed. Raises ValidationError.

    When it is turned on or gets another address, the waiting events are sent at once.
    """
    check_address(url)
    with transaction.atomic():
        row = EventSubscription.objects.select_for_update().get(pk=subscription.pk)
        values = {"name": name, "url": url, "events": _in_order(events), "is_active": is_active}
        changed = [field for field, value in values.items() if getattr(row, field) != value]
        if not changed:
            return False
        for field, value in values.items():
            setattr(row, field, value)
        if "url" in changed or "is_active" in changed:
            row.failures, row.failing_since, row.disabled_reason, row.mail_after = 0, None, "", None
            row.retry_after = timezone.now()  # the waiting events are due from now on, so that none counts as late
        row.save()
        if "is_active" in changed:
            audit_log.record(
                user, row, audit_log.CHANGE, sentence("Turned on.") if is_active else sentence("Turned off.")
            )
        if others := [field for field in changed if field != "is_active"]:
            words = {
                "name": sentence("name"),
                "url": sentence("address (%(address)s)", address=_origin(url)),
                "events": sentence("events"),
            }
            names = ", ".join(words[field] for field in others)
            audit_log.record(user, row, audit_log.CHANGE, sentence("Changed: %(fields_text)s.", fields_text=names))
        if is_active:
            wake.wake(JOB)
    return True


def rotate(user: User, subscription: EventSubscription) -> Secret:
    """Replace the secret and return the new one, to be shown only now. The old one also signs for another day."""
    new_secret = _new_secret()
    with transaction.atomic():
        row = EventSubscription.objects.select_for_update().get(pk=subscription.pk)
        row.previous_secret, row.secret, row.rotated_at = row.secret, new_secret, timezone.now()
        row.save(update_fields=["secret", "previous_secret", "rotated_at"])
        audit_log.record(user, row, audit_log.CHANGE, sentence("Secret rotated."))
    return new_secret


def delete(user: User, subscription: EventSubscription) -> None:
    """Delete a webhook with all its sent and waiting events."""
    with transaction.atomic():
        if not EventSubscription.objects.select_for_update().filter(pk=subscription.pk).exists():
            return
        audit_log.record(user, subscription, audit_log.DELETION, sentence("Deleted."))
        subscription.delete()


def send_test(user: User, subscription: EventSubscription) -> EventDelivery:
    """Queue a test event without content. It is sent even while the webhook is turned off, and tried once."""
    with transaction.atomic():
        facts = {"by": user.username}
        row = EventDelivery.objects.create(subscription=subscription, type=TEST_EVENT, facts=facts)
        wake.wake(JOB)
    return row


def resend(user: User, delivery: EventDelivery) -> None:
    """Queue a settled event again, with the same id and content. Raises Refused."""
    with transaction.atomic():
        row = EventDelivery.objects.select_for_update().select_related("subscription").get(pk=delivery.pk)
        if row.type != TEST_EVENT and not row.subscription.is_active:
            raise Refused(sentence("This webhook is turned off. Turn it on first, then send the event again."))
        if row.state not in SETTLED and row.retry_after is None:
            raise Refused(sentence("This event is being sent already."))
        row.state, row.reason, row.status = State.PENDING, "", None
        row.attempts, row.retry_after, row.settled_at = 0, None, None
        row.save(update_fields=["state", "reason", "status", "attempts", "retry_after", "settled_at"])
        EventSubscription.objects.filter(pk=row.subscription_id).update(retry_after=timezone.now())
        entry = sentence("Sent again: %(type)s %(event)s.", type=row.type, event=row.event_id)
        audit_log.record(user, row.subscription, audit_log.CHANGE, entry)
        wake.wake(JOB)


def _new_secret() -> Secret:
    return Secret(f"desk_{secrets.token_urlsafe(32)}")


def _in_order(events: Collection[str]) -> list[str]:
    return [event for event in EventType.values if event in events]


def _origin(url: str) -> str:
    """Return scheme and host of an address, without path and query: some services have a password there."""
    target = webhook_target(url)
    return f"{target.scheme}://{target.host}"
