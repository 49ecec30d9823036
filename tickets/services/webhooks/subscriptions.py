"""Who is told of events: subscriptions that administrators make, change, rotate and delete; history keeps each step."""

import secrets
from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from desk import audit_log
from desk.encryption import Secret
from desk.errors import Refused
from desk.models import User
from desk.queue import enqueue
from desk.safe_http import AddressError
from tickets.models import EventDelivery, EventSubscription, EventType
from tickets.models.events import TEST_EVENT
from tickets.services.webhooks.events import TASK
from tickets.services.webhooks.http_call import sentence_for, webhook_target

State = EventDelivery.State
SETTLED = (State.DELIVERED, State.FAILED, State.DROPPED)


def check_address(url: str) -> None:
    """Raise ValidationError when nothing may be sent to this address. Asks no DNS: that is done before each call."""
    try:
        webhook_target(url)
    except AddressError as refused:
        raise ValidationError(sentence_for(refused)) from None


def create(user: User, *, name: str, url: str, events: Collection[str]) -> EventSubscription:
    """Make a subscription; its `secret` is to be shown this once. Raises ValidationError."""
    check_address(url)
    with transaction.atomic():
        made = EventSubscription.objects.create(
            name=name, url=url, events=_in_order(events), secret=_new_secret(), created_by=user
        )
        audit_log.record(user, made, audit_log.ADDITION, f"Added for {_place(url)}.")
    return made


def change(
    user: User, subscription: EventSubscription, *, name: str, url: str, events: Collection[str], is_active: bool
) -> bool:
    """Change it, or turn it on or off; return whether anything was changed. Raises ValidationError.

    Turned on, or given another address, it is asked again at once with what waits.
    """
    check_address(url)
    with transaction.atomic():
        row = EventSubscription.objects.select_for_update().get(pk=subscription.pk)
        wanted = {"name": name, "url": url, "events": _in_order(events), "is_active": is_active}
        changed = [field for field, value in wanted.items() if getattr(row, field) != value]
        if not changed:
            return False
        for field, value in wanted.items():
            setattr(row, field, value)
        if "url" in changed or "is_active" in changed:
            row.failures, row.failing_since, row.disabled_reason = 0, None, ""
            row.retry_after = timezone.now()  # what waits is due from now on: nobody was late with it
        row.save()
        if "is_active" in changed:
            audit_log.record(user, row, audit_log.CHANGE, "Turned on." if is_active else "Turned off.")
        if others := [field for field in changed if field != "is_active"]:
            words = {"name": "name", "url": f"address ({_place(url)})", "events": "events"}
            audit_log.record(user, row, audit_log.CHANGE, f"Changed: {', '.join(words[field] for field in others)}.")
        if is_active:
            enqueue(TASK)
    return True


def rotate(user: User, subscription: EventSubscription) -> Secret:
    """Give it a new secret and return it, to be shown this once; the one before signs too for another day."""
    made = _new_secret()
    with transaction.atomic():
        row = EventSubscription.objects.select_for_update().get(pk=subscription.pk)
        row.previous_secret, row.secret, row.rotated_at = row.secret, made, timezone.now()
        row.save(update_fields=["secret", "previous_secret", "rotated_at"])
        audit_log.record(user, row, audit_log.CHANGE, "Secret rotated.")
    return made


def delete(user: User, subscription: EventSubscription) -> None:
    """Delete it with everything it was told or waits to be told of."""
    with transaction.atomic():
        audit_log.record(user, subscription, audit_log.DELETION, "Deleted.")
        subscription.delete()


def send_test(user: User, subscription: EventSubscription) -> EventDelivery:
    """Queue an event that says nothing; it is sent even while the subscription is turned off, and tried once."""
    with transaction.atomic():
        facts = {"by": user.username}
        row = EventDelivery.objects.create(subscription=subscription, type=TEST_EVENT, facts=facts)
        enqueue(TASK)
    return row


def resend(user: User, delivery: EventDelivery) -> None:
    """Queue a settled event again, with the same id and content. Raises Refused."""
    with transaction.atomic():
        row = EventDelivery.objects.select_for_update().select_related("subscription").get(pk=delivery.pk)
        if row.type != TEST_EVENT and not row.subscription.is_active:
            raise Refused("This subscription is turned off. Turn it on first, then send the event again.")
        if row.state not in SETTLED and row.retry_after is None:
            raise Refused("This event is on its way already.")
        row.state, row.reason, row.status = State.PENDING, "", None
        row.attempts, row.retry_after, row.settled_at = 0, None, None
        row.save(update_fields=["state", "reason", "status", "attempts", "retry_after", "settled_at"])
        EventSubscription.objects.filter(pk=row.subscription_id).update(retry_after=timezone.now())
        audit_log.record(user, row.subscription, audit_log.CHANGE, f"Sent again: {row.type} {row.event_id}.")
        enqueue(TASK)


def _new_secret() -> Secret:
    return Secret(f"desk_{secrets.token_urlsafe(32)}")


def _in_order(events: Collection[str]) -> list[str]:
    return [event for event in EventType.values if event in events]


def _place(url: str) -> str:
    """Where an address leads, without its path and query: some services write their password there."""
    where = webhook_target(url)
    return f"{where.scheme}://{where.host}"
