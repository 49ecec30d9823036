"""What failed on its way out, for the digest to administrators: replies, by reason and Page."""

from datetime import datetime

from django.db.models import Count

from desk.failure_digest import Cause
from tickets.models import Message

WORDS = {
    Message.State.FAILED: ("reply was not sent", "replies were not sent"),
    Message.State.UNSURE: ("reply may not have been sent", "replies may not have been sent"),
}


def reply_causes(since: datetime, until: datetime) -> list[Cause]:
    """Return the replies that failed in their last attempt after `since` and until `until`, or are unsure."""
    rows = (
        Message.objects.filter(
            direction=Message.Direction.OUT, state__in=WORDS, claimed_at__gt=since, claimed_at__lte=until
        )
        .order_by()
        .values("state", "reason", "page__name")
        .annotate(count=Count("pk"))
    )
    return [
        Cause(*WORDS[Message.State(row["state"])], row["count"], row["reason"], f"Page “{row['page__name']}”")
        for row in rows
    ]
