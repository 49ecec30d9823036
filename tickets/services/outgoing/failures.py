"""What was not sent, for Setup → Health and the digest to administrators: replies, by reason and Page."""

from datetime import datetime

from django.db.models import Count
from django.urls import reverse

from desk.failure_digest import Cause
from desk.sentences import counted, sentence
from desk.utc_parts import UtcMinute, utc_part
from tickets.models import Message


def _not_sent(count: int) -> str:
    return counted("%(count)s reply was not sent", "%(count)s replies were not sent", count)


def _unsure(count: int) -> str:
    return counted("%(count)s reply may not have been sent", "%(count)s replies may not have been sent", count)


def _held(count: int) -> str:
    return counted("%(count)s reply is held", "%(count)s replies are held", count)


WORDS = {
    Message.State.FAILED: (sentence("Replies that were not sent"), _not_sent),
    Message.State.UNSURE: (sentence("Replies that may not have been sent"), _unsure),
    Message.State.HELD: (sentence("Held replies"), _held),
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
