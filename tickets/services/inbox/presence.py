"""The presence of agents: online or away, as their colleagues see it."""

from django.db import transaction
from django.utils import timezone

from desk import wake
from desk.live import publish
from desk.models import Agent
from tickets.models import Availability
from tickets.services.conversation import assigning


def set_presence(agent: Agent, presence: str) -> None:
    """Set the presence (one of Agent.Presence) and announce it to open pages. Any other value is ignored.

    Since when they are away is kept, and one who comes online gets what waits for an agent.
    """
    if presence not in Agent.Presence.values:
        return
    with transaction.atomic():
        if Agent.objects.filter(pk=agent.pk).exclude(presence=presence).update(presence=presence):
            publish.announce("presence", user=agent.user_id, presence=presence)
            if presence == Agent.Presence.ONLINE:
                Availability.objects.filter(agent=agent).update(away_since=None)
                wake.wake(assigning.JOB)
            else:
                kept, _created = Availability.objects.get_or_create(agent=agent)
                Availability.objects.filter(pk=kept.pk, away_since=None).update(away_since=timezone.now())
    agent.presence = presence
