"""Delete the content of old webhook deliveries. The row stays, with its times and its result.

A repeated delivery is recognized by the ids of its messages, so nothing depends on the content once it is processed.
Deliveries that wait, are parked or failed are needed and stay whole.
"""

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from channels_im.models import DeliveryMention, WebhookDelivery
from desk import retention
from desk.sentences import sentence

State = WebhookDelivery.State
PROCESSED = (State.DONE, State.IGNORED)


def count(before: datetime) -> int:
    """Count the processed deliveries received before this time.

    Ids grow with the time of receipt, so that the count needs only an index and not the rows with their bodies.
    """
    newest = WebhookDelivery.objects.filter(received_at__lt=before).order_by("-received_at").only("pk").first()
    if newest is None:
        return 0
    return WebhookDelivery.objects.filter(state__in=PROCESSED, retry_after=None, pk__lte=newest.pk).count()


def delete(before: datetime, limit: int) -> int:
    """Empty at most `limit` of them, the oldest first; return how many."""
    with transaction.atomic():
        pks = [pk for state in PROCESSED for pk in _oldest(state, before, limit)][:limit]
        rows = WebhookDelivery.objects.filter(pk__in=pks, state__in=PROCESSED)
        locked = list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
        DeliveryMention.objects.filter(delivery__in=locked).delete()
        return WebhookDelivery.objects.filter(pk__in=locked).update(
            state=State.EMPTIED, body=b"", progress={}, indexed_at=Coalesce("indexed_at", timezone.now())
        )


def _oldest(state: str, before: datetime, limit: int) -> list[int]:
    """Return the oldest deliveries in one state. Ids grow with the time of receipt.

    The order is that of the index `delivery_due`: PostgreSQL would sort all rows for the id alone.
    """
    rows = WebhookDelivery.objects.filter(state=state, retry_after=None).order_by("retry_after", "id")
    return [pk for pk, received_at in rows.values_list("pk", "received_at")[:limit] if received_at < before]


def register() -> None:
    """Register the kind. Called from `AppConfig.ready()`."""
    retention.register(
        retention.Kind(
            name="journal",
            label=sentence("Content of webhook deliveries"),
            text=sentence(
                "What Facebook sent, as it was received. Time and result stay in the journal. Deliveries that wait, "
                "that failed or that belong to a deactivated channel are kept."
            ),
            default_days=90,
            minimum_days=7,
            minimum_reason=sentence(
                "Facebook repeats a delivery for up to 36 hours, and links to files expire within days: "
                "until then only the stored content shows what was sent, and only it can be replayed."
            ),
            count=count,
            delete=delete,
            batch_size=200,  # whole rows are written anew, and on SQLite the webhook waits meanwhile
            order=10,
        )
    )
