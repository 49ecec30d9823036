"""How many messages came in and went out in each hour: for Setup → Health."""

from datetime import datetime

from django.db.models import Count, Q

from channels_im.services.traffic import HourCount
from desk.utc_parts import UtcHour, utc_part
from tickets.models import Message

SENT = (Message.State.SENT, Message.State.DELIVERED, Message.State.READ)


def by_hour(since: datetime, until: datetime) -> list[HourCount]:
    """Return the customers' messages and the replies that were sent, by Page and hour; notes and events do not count.

    One query, which reads the messages of this time only.
    """
    messages = Message.objects.filter(sent_at__gte=since, sent_at__lte=until, kind=Message.Kind.MESSAGE).order_by()
    rows = (
        messages.annotate(hour=UtcHour("sent_at"))
        .values_list("page", "hour")
        .annotate(
            incoming=Count("pk", filter=Q(direction=Message.Direction.IN)),
            outgoing=Count("pk", filter=Q(direction=Message.Direction.OUT, state__in=SENT)),
        )
    )
    return [HourCount(page, utc_part(hour), incoming, outgoing) for page, hour, incoming, outgoing in rows]
