"""Preferences of a department: the threading intermission, and which agents answer which of its channels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from channels_im.models import Channel, ChannelAgent, ImPreferences
from channels_im.models.channels import DEFAULT_INTERMISSION_MINUTES
from desk import audit_log
from desk.live import publish
from desk.models import Agent, Department


@dataclass(frozen=True)
class Preview:
    """How many tickets an intermission (minutes) would have made of the department's last 30 days."""

    minutes: int
    tickets: int


Previewer = Callable[[Department, Iterable[int]], list[Preview]]
_previewers: list[Previewer] = []


def register_previewer(previewer: Previewer) -> None:
    """Name who can count tickets: an app above this one, from `AppConfig.ready()`."""
    _previewers[:] = [previewer]


def previews(department: Department, minutes: Iterable[int]) -> list[Preview]:
    return _previewers[0](department, minutes) if _previewers else []


def intermission(department: Department) -> int:
    """Return the threading intermission of a department in minutes."""
    saved = ImPreferences.objects.filter(department=department).values_list("threading_intermission", flat=True).first()
    return saved or DEFAULT_INTERMISSION_MINUTES


def set_intermission(user: Any, department: Department, minutes: int) -> bool:
    """Save the intermission (60 to 1440 minutes); return whether that is news. Raises ValidationError.

    It applies from now on: tickets that are there stay as they are.
    """
    with transaction.atomic():
        department = Department.objects.select_for_update().get(pk=department.pk)
        preferences, _created = ImPreferences.objects.get_or_create(department=department)
        old = preferences.threading_intermission
        if old == minutes:
            return False
        preferences.threading_intermission = minutes
        preferences.full_clean()
        preferences.save(update_fields=["threading_intermission"])
        audit_log.record(
            user, department, audit_log.CHANGE, f"Threading intermission changed from {old} to {minutes} minutes."
        )
    return True


def associate(user: Any, agent: Agent, department: Department, channels: Iterable[Channel]) -> tuple[int, int]:
    """Let `agent` answer exactly these channels of the department; return how many came and how many went.

    Raises ValidationError when the agent is not a member, or a channel is not an existing one of the department.
    """
    with transaction.atomic():
        if not agent.departments.select_for_update().filter(pk=department.pk).exists():
            raise ValidationError(f"{agent} is not a member of {department} any more.")
        own = {c.pk: c for c in Channel.objects.existing().select_for_update().filter(department=department)}
        wanted = {channel.pk for channel in channels}
        if not wanted <= own.keys():
            raise ValidationError("A channel that you chose has been deleted or moved meanwhile. Choose again.")
        now = set(ChannelAgent.objects.filter(agent=agent, channel__in=own).values_list("channel_id", flat=True))
        ChannelAgent.objects.bulk_create(
            [ChannelAgent(agent=agent, channel_id=pk) for pk in sorted(wanted - now)], ignore_conflicts=True
        )
        ChannelAgent.objects.filter(agent=agent, channel__in=now - wanted).delete()
        if wanted != now:
            names = ", ".join(own[pk].name for pk in sorted(wanted)) or "none"
            audit_log.record(user, agent, audit_log.CHANGE, f"Channels of {department} associated: {names}.")
            for pk in wanted ^ now:
                publish.announce("channel", channel=pk)
    return len(wanted - now), len(now - wanted)


def leave_departments(agent: Agent, departments: Iterable[int]) -> int:
    """End the associations of an agent who left these departments (primary keys); return how many."""
    return ChannelAgent.objects.filter(agent=agent, channel__department__in=departments).delete()[0]
