"""What happens in each channel now: for the first page of Setup."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.utils import timezone

from channels_im.models import Channel
from desk.models import Agent
from tickets.models import Conversation, Message


@dataclass(frozen=True)
class ChannelOverview:
    """A channel with its messages of today and yesterday, agents, and who waits how long for a reply."""

    channel: Channel
    today: int
    yesterday: int
    online: int
    agents: int
    waiting: int
    longest_wait: timedelta | None


def of_channels(channels: Iterable[Channel], now: datetime | None = None) -> list[ChannelOverview]:
    """Return the overview of each channel, in three queries. Days begin in the current time zone.

    Messages are those of customers and replies, not notes and events.
    """
    listed, now = list(channels), now or timezone.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    messages = _messages(midnight, midnight - timedelta(days=1))
    agents, waiting = _agents(listed), _waiting(listed)
    overviews = []
    for channel in listed:
        today, yesterday = messages.get(channel.pk, (0, 0))
        online, all_agents = agents.get(channel.pk, (0, 0))
        count, since = waiting.get(channel.pk, (0, None))
        wait = now - since if since else None
        overviews.append(ChannelOverview(channel, today, yesterday, online, all_agents, count, wait))
    return overviews


def _messages(today: datetime, yesterday: datetime) -> dict[int, tuple[int, int]]:
    recent = Message.objects.filter(sent_at__gte=yesterday, kind=Message.Kind.MESSAGE).order_by()
    rows = recent.values_list("conversation__channel").annotate(
        today=Count("pk", filter=Q(sent_at__gte=today)), yesterday=Count("pk", filter=Q(sent_at__lt=today))
    )
    return {pk: (of_today, of_yesterday) for pk, of_today, of_yesterday in rows}


def _agents(channels: list[Channel]) -> dict[int, tuple[int, int]]:
    active = Agent.objects.filter(channels__in=channels, user__is_active=True).order_by()
    rows = active.values_list("channels").annotate(
        online=Count("pk", filter=Q(presence=Agent.Presence.ONLINE)), every=Count("pk")
    )
    return {pk: (online, every) for pk, online, every in rows}


def _waiting(channels: list[Channel]) -> dict[int, tuple[int, datetime | None]]:
    waiting = Conversation.objects.filter(channel__in=channels, waiting_since__isnull=False).order_by()
    rows = waiting.values_list("channel").annotate(count=Count("pk"), since=Min("waiting_since"))
    return {pk: (count, since) for pk, count, since in rows}
