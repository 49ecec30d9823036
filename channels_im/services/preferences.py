"""Preferences of a department: the threading intermission, and which agents are associated with its channels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from channels_im.models import Channel, ChannelAgent, ImPreferences
from channels_im.models.channels import DEFAULT_INTERMISSION_MINUTES
from desk import audit_log
from desk.live import access_changes, publish
from desk.models import Agent, Department, User
from desk.sentences import counted, sentence

CHANNEL_GONE = sentence("A channel that you selected has just been deleted or moved. Select again.")


@dataclass(frozen=True)
class Preview:
    """How many tickets the department's last 30 days would have with an intermission of `minutes`.

    Of a busy department only the newest conversations are looked at; `of_newest` is then their number.
    """

    minutes: int
    tickets: int
    of_newest: int | None = None


Previewer = Callable[[Department, Iterable[int]], list[Preview]]
_previewers: list[Previewer] = []


def register_previewer(previewer: Previewer) -> None:
    """Register the function that counts tickets; called from `AppConfig.ready()` of an app above this one."""
    _previewers[:] = [previewer]


def previews(department: Department, minutes: Iterable[int]) -> list[Preview]:
    """Return a Preview for each of `minutes`; nothing when no previewer is registered."""
    return _previewers[0](department, minutes) if _previewers else []


def intermission(department: Department) -> int:
    """Return the threading intermission of a department in minutes."""
    saved = ImPreferences.objects.filter(department=department).values_list("threading_intermission", flat=True).first()
    return saved or DEFAULT_INTERMISSION_MINUTES


def set_intermission(user: User, department: Department, minutes: int) -> bool:
    """Save the intermission (60 to 1440 minutes); return whether it changed. Raises ValidationError.

    It applies to new messages: existing tickets stay as they are.
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
        changed = counted(
            "Threading intermission changed from %(old)s to %(count)s minute.",
            "Threading intermission changed from %(old)s to %(count)s minutes.",
            minutes,
            old=old,
        )
        audit_log.record(user, department, audit_log.CHANGE, changed)
    return True


def associate(user: User, agent: Agent, department: Department, channels: Iterable[Channel]) -> tuple[int, int]:
    """Associate `agent` with exactly these channels of the department; return how many were added and removed.

    Raises ValidationError when the agent is not a member, or a channel is not an existing one of the department.
    """
    with transaction.atomic():
        if not agent.departments.select_for_update().filter(pk=department.pk).exists():
            raise ValidationError(
                sentence("%(agent)s is no longer a member of %(department)s.", agent=agent, department=department)
            )
        existing = {c.pk: c for c in Channel.objects.existing().select_for_update().filter(department=department)}
        chosen = {channel.pk for channel in channels}
        if not chosen <= existing.keys():
            raise ValidationError(CHANNEL_GONE)
        current = set(
            ChannelAgent.objects.filter(agent=agent, channel__in=existing).values_list("channel_id", flat=True)
        )
        ChannelAgent.objects.bulk_create(
            [ChannelAgent(agent=agent, channel_id=pk) for pk in sorted(chosen - current)], ignore_conflicts=True
        )
        ChannelAgent.objects.filter(agent=agent, channel__in=current - chosen).delete()
        if chosen != current:
            names = ", ".join(existing[pk].name for pk in sorted(chosen))
            associated = (
                sentence("Channels of %(department)s associated: %(names)s.", department=department, names=names)
                if names
                else sentence("Channels of %(department)s associated: none.", department=department)
            )
            audit_log.record(user, agent, audit_log.CHANGE, associated)
            access_changes.announce_users([agent.user_id])  # bulk_create sends no signals
            for pk in chosen ^ current:
                publish.announce("channel", channel=pk)
    return len(chosen - current), len(current - chosen)


def leave_departments(agent: Agent, departments: Iterable[int]) -> int:
    """Remove the associations of an agent who left these departments (primary keys); return how many."""
    return ChannelAgent.objects.filter(agent=agent, channel__department__in=departments).delete()[0]
