"""The presence of agents: online or away, as their colleagues see it."""

from django.db import transaction

from desk.live import publish
from desk.models import Agent


def set_presence(agent: Agent, presence: str) -> None:
    """Set the presence (one of Agent.Presence) and announce it to open pages. Any other value is ignored."""
    if presence not in Agent.Presence.values:
        return
    with transaction.atomic():
        if Agent.objects.filter(pk=agent.pk).exclude(presence=presence).update(presence=presence):
            publish.announce("presence", user=agent.user_id, presence=presence)
    agent.presence = presence
