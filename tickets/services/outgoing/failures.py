"""What was not sent, for Setup → Health and the digest to administrators: replies, by reason and Page."""

from datetime import datetime

from django.db.models import Count
from django.urls import reverse

from desk.failure_digest import Cause
from desk.sentences import sentence
from desk.utc_parts import UtcMinute, utc_part
from tickets.models import Message

WORDS = {
    Message.State.FAILED: (sentence("reply was not sent"), sentence("replies were not sent")),
    Message.State.UNSURE: (sentence("reply may not have been sent"), sentence("replies may not have been sent")),
    Message.State.HELD: (sentence("reply is held"), sentence("replies are held")),
}


def reply_causes(since: datetime, until: datetime) -> list[Cause]:
    """Return the replies that failed, or are unsure or held, since an attempt after `since` and until `until`.

    What has been sent since then, or discarded, is not among them. One query, by the index of the states.
    """
    rows = (
        Message.objects.filter(
            direction=Message.Direction.OUT, state__in=WORDS, claimed_at__gt=since, claimed_at__lte=until
        )
        .order_by()
        .values("state", "reason", "page_id", "page__name", minute=UtcMinute("claimed_at"))
        .annotate(count=Count("pk"))
    )
    return [
        Cause(
            *WORDS[Message.State(row["state"])],
            row["count"],
            row["reason"],
            sentence("Page “%(name)s”", name=row["page__name"]),
            minute=utc_part(row["minute"]),
            page=row["page_id"],
            path=reverse("inbox"),
            permissions=("tickets.view_conversation",),
            is_held=row["state"] == Message.State.HELD,
        )
        for row in rows
    ]
