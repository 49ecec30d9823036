"""Claims: which deliveries a worker processes. A claim is committed before anything else runs."""

import logging
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from channels_im.models import WebhookDelivery
from channels_im.services.journal import store
from desk.backoff import delay_after

logger = logging.getLogger(__name__)

State = WebhookDelivery.State


def claim_new(limit: int) -> list[WebhookDelivery]:
    """Claim up to `limit` deliveries that were never tried, oldest first."""
    return _claim(list(store.due().filter(attempts=0).order_by("id").values_list("pk", flat=True)[:limit]))


def claim_retry() -> WebhookDelivery | None:
    """Claim one delivery that was tried before, the one with the fewest attempts first.

    It is claimed alone, because it may be what kills the worker.
    """
    ids = store.due().filter(attempts__gt=0).order_by("attempts", "id").values_list("pk", flat=True)[:1]
    claimed = _claim(list(ids))
    return claimed[0] if claimed else None


def _claim(ids: list[int]) -> list[WebhookDelivery]:
    """Claim those of `ids` that are still free: the condition is checked again under each row's lock."""
    if not ids:
        return []
    token = uuid.uuid4().hex
    claimed = WebhookDelivery.objects.filter(pk__in=ids, state=State.PENDING).update(
        state=State.PROCESSING, claimed_at=timezone.now(), claimed_by=token, attempts=F("attempts") + 1
    )
    if not claimed:
        return []
    return list(WebhookDelivery.objects.filter(pk__in=ids, claimed_by=token).order_by("id"))


def finish(delivery: WebhookDelivery, **fields: object) -> bool:
    """Write the result of a claimed delivery and end its claim; return False when it was reclaimed meanwhile."""
    return finish_all([delivery], **fields)


def finish_all(deliveries: list[WebhookDelivery], **fields: object) -> bool:
    """Write the same result for all these claimed deliveries; return False when one was reclaimed meanwhile."""
    tokens = {delivery.claimed_by for delivery in deliveries}
    claimed = WebhookDelivery.objects.filter(
        pk__in=[delivery.pk for delivery in deliveries], claimed_by__in=tokens, state=State.PROCESSING
    )
    return claimed.update(claimed_by="", claimed_at=None, **fields) == len(deliveries)


def release(deliveries: list[WebhookDelivery]) -> None:
    """Give claimed deliveries back as if they had not been tried."""
    ids = [delivery.pk for delivery in deliveries]
    tokens = {delivery.claimed_by for delivery in deliveries}
    WebhookDelivery.objects.filter(pk__in=ids, claimed_by__in=tokens, state=State.PROCESSING).update(
        state=State.PENDING, claimed_by="", claimed_at=None, attempts=F("attempts") - 1
    )


def reclaim_stale() -> int:
    """Free what a worker claimed more than DESK_CLAIM_SECONDS ago and never finished; return how many rows.

    Each waits the delay of its attempts before it is claimed again, because it may be what killed the worker.
    """
    stale = WebhookDelivery.objects.filter(
        state=State.PROCESSING, claimed_at__lt=timezone.now() - timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    )
    freed = 0
    with transaction.atomic():
        for pk, attempts, token in list(stale.values_list("pk", "attempts", "claimed_by")):
            delay = delay_after(attempts) or timedelta(0)
            freed += WebhookDelivery.objects.filter(pk=pk, claimed_by=token, state=State.PROCESSING).update(
                state=State.PENDING, claimed_by="", claimed_at=None, retry_after=timezone.now() + delay
            )
    if freed:
        logger.warning("Freed %s deliveries claimed by a worker that died", freed)
    return freed
