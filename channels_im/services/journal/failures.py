"""What failed on its way in, for Health and the digest to administrators: deliveries of the journal, by reason."""

from collections import Counter
from datetime import datetime

from django.db.models.functions import Substr
from django.urls import reverse

from channels_im.models import WebhookDelivery
from desk.failure_digest import Cause
from desk.sentences import counted, sentence

MAX_REASON = 200


def delivery_causes(since: datetime, until: datetime) -> list[Cause]:
    """Return the deliveries that failed after `since` and until `until`: customers' messages may be missing."""
    failed = WebhookDelivery.objects.filter(
        state=WebhookDelivery.State.FAILED, processed_at__gt=since, processed_at__lte=until
    )
    # The reason is the first line; details with a traceback follow.
    rows = failed.order_by().values_list("processed_at", Substr("error", 1, MAX_REASON))
    counts = Counter(
        (at.replace(second=0, microsecond=0), error.strip().partition("\n")[0]) for at, error in rows if at is not None
    )
    return [
        Cause(
            sentence("Deliveries from Facebook that were not processed"),
            _not_processed,
            count,
            why,
            sentence("See Setup → Instant Messaging → Journal"),
            minute=minute,
            path=f"{reverse('setup:journal')}?state={WebhookDelivery.State.FAILED}",
            permissions=("channels_im.view_webhookdelivery",),
        )
        for (minute, why), count in counts.items()
    ]


def _not_processed(count: int) -> str:
    return counted(
        "%(count)s delivery from Facebook was not processed",
        "%(count)s deliveries from Facebook were not processed",
        count,
    )
