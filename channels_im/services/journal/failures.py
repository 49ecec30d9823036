"""What failed on its way in, for the digest to administrators: deliveries of the journal, by reason."""

from collections import Counter
from datetime import datetime

from django.db.models.functions import Substr

from channels_im.models import WebhookDelivery
from desk.failure_digest import Cause

WORDS = "delivery from Facebook was not processed", "deliveries from Facebook were not processed"
MAX_REASON = 200


def delivery_causes(since: datetime, until: datetime) -> list[Cause]:
    """Return the deliveries that failed after `since` and until `until`: customers' messages may be missing."""
    failed = WebhookDelivery.objects.filter(
        state=WebhookDelivery.State.FAILED, processed_at__gt=since, processed_at__lte=until
    )
    # The reason is the first line; details with a traceback follow.
    errors = failed.order_by().values_list(Substr("error", 1, MAX_REASON), flat=True)
    counts = Counter(error.strip().partition("\n")[0] for error in errors)
    return [Cause(*WORDS, count, why, "See Setup → Instant Messaging → Journal") for why, count in counts.items()]
