"""React to changes outside Instant Messaging."""

from typing import Any

from django.db.models.signals import m2m_changed, post_delete, post_save

from channels_im.models import ChannelAgent
from channels_im.services.preferences import leave_departments
from desk.live import access_changes
from desk.models import Agent


def connect() -> None:
    """Connect the signal handlers. Call it from `AppConfig.ready()`."""
    m2m_changed.connect(_agent_left, sender=Agent.departments.through, dispatch_uid="agent_left_departments")
    for signal in (post_save, post_delete):
        signal.connect(_association_changed, sender=ChannelAgent, dispatch_uid="association_changed")


def _association_changed(instance: ChannelAgent, **_kwargs: Any) -> None:
    """Let the open pages of the agent notice at once which channels they see."""
    user_ids = Agent.objects.filter(pk=instance.agent_id).values_list("user_id", flat=True)
    access_changes.announce_users(user_ids)


def _agent_left(instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_kwargs: Any) -> None:
    """Remove the channels of a department from an agent who leaves it: Preferences would no longer show them."""
    if action == "pre_clear" and not reverse:
        leave_departments(instance, list(instance.departments.values_list("pk", flat=True)))
    elif action == "pre_clear":
        for agent in instance.agents.all():
            leave_departments(agent, [instance.pk])
    elif action == "post_remove" and not reverse:
        leave_departments(instance, pk_set or ())
    elif action == "post_remove":
        for agent in Agent.objects.filter(pk__in=pk_set or ()):
            leave_departments(agent, [instance.pk])
