"""Channels: create, change, deactivate, activate, delete. Every door of Setup, and the demo, comes through here."""

from collections.abc import Callable
from typing import Any

from django.core.files import File
from django.db import IntegrityError, transaction
from django.utils import timezone

from channels_im.models import Channel, ChannelAgent, Page, ParkedDelivery
from channels_im.services.facebook import subscriptions
from channels_im.services.facebook.linking import NEEDED_TASKS
from channels_im.services.icons import CheckedIcon, IconError, check_icon
from desk import audit_log
from desk.errors import Refused
from desk.live import publish
from desk.models import Department

MAX_NAME = 100
# What can be turned on and off for a channel, in words for its history.
SWITCHES = {
    "receive_audio_video": "audio and video",
    "shows_typing": "showing customers that an agent is typing",
    "shows_seen": "showing customers that an agent has read",
}


class ChannelError(Refused):
    """The channel cannot be saved like this; the sentence is for the administrator."""


def limit_reached() -> str:
    """Return why no further channel can be created, or "" (seed: as many channels as departments)."""
    channels, departments = Channel.objects.existing().count(), Department.objects.count()
    if channels < departments:
        return ""
    if not departments:
        return "There is no department yet, and every channel belongs to one. Create a department first."
    return (
        f"You have {channels} of {departments} possible {'channel' if departments == 1 else 'channels'}: there can be "
        "as many channels as departments. One more department allows one more channel."
    )


def page_obstacle(page: Page, user: Any) -> str:
    """Return why `user` cannot create a channel for this Page, or ""."""
    taken = next((channel for channel in page.channels.all() if not channel.is_deleted), None)
    account = page.facebook_account
    if taken:
        return f"Used by the channel “{taken.name}”."
    if account and account.linked_by_id not in (None, user.pk) and not user.is_superuser:
        return (
            f"Linked by {account.linked_by}. Log in with your own Facebook account, or ask them to create the channel."
        )
    if not page.is_connected:
        return f"Must be re-authenticated: {page.get_reauth_reason_display().lower()}."
    missing = [task for task in NEEDED_TASKS if task not in page.tasks]
    if not page.page_token and not (page.tasks and missing):
        return "Facebook gave no access to this Page. Re-authenticate and make sure that the Page is ticked."
    if "MESSAGING" in missing:
        return "You can't message from this Page. Ask a Page admin for Messages access."
    if missing:
        return "You can't block people on this Page. Ask a Page admin for Community activity access."
    return ""


def switches(channel: Channel) -> dict[str, bool]:
    """Return which of SWITCHES are on."""
    return {name: getattr(channel, name) for name in SWITCHES}


def create_channel(user: Any, *, name: str, icon: File, page: Page, department: Department, **turned: bool) -> Channel:
    """Create a channel and queue the subscription of its Page. `icon` is an uploaded file (see icons.check_icon).

    `turned`: which of SWITCHES are on; those not named are off.

    Raises ChannelError. There are never more channels than departments: all departments are locked while we count.
    """
    name, icon = _clean_name(name), _clean_icon(icon)
    channel = Channel(name=name, icon=icon, **turned)
    try:
        with transaction.atomic():
            channel.department = _lock_departments(department)
            if sentence := limit_reached():
                raise ChannelError(sentence)
            channel.page = _lock_page(page)
            if sentence := page_obstacle(channel.page, user):
                raise ChannelError(f"This Page cannot be chosen. {sentence}", field="page")
            channel.save()
            audit_log.record(
                user, channel, audit_log.ADDITION, f"Created for the Page “{channel.page}” in {department}."
            )
            subscriptions.request_check(channel.page_id)
            publish.announce("channel", channel=channel.pk)
    except BaseException as error:
        _forget_icon(channel)
        if isinstance(error, IntegrityError):
            raise ChannelError("This Page has just been taken by another channel.", field="page") from error
        raise
    return channel


def change_channel(
    user: Any,
    channel: Channel,
    *,
    name: str,
    department: Department,
    icon: File | None = None,
    **turned: bool,
) -> list[str]:
    """Change an existing channel; return what changed, in words. A channel keeps its Page.

    `turned`: which of SWITCHES are turned on or off; those not named stay.

    Agents who are not members of a new department lose their association. Raises ChannelError.
    """
    name = _clean_name(name)
    new_icon = _clean_icon(icon) if icon else None
    changes = []
    with transaction.atomic():
        department = _lock_departments(department)
        channel = _lock_channel(channel)
        old_icon = channel.icon.name
        if channel.name != name:
            changes.append(f"name from “{channel.name}” to “{name}”")
        for switch, is_on in turned.items():
            if getattr(channel, switch) != is_on:
                changes.append(f"{SWITCHES[switch]} turned {'on' if is_on else 'off'}")
                setattr(channel, switch, is_on)
        if channel.department_id != department.pk:
            changes.append(f"department from {channel.department} to {department}")
            leaving = ChannelAgent.objects.filter(channel=channel).exclude(agent__departments=department)
            if count := leaving.delete()[0]:
                changes.append(f"{count} {'agent' if count == 1 else 'agents'} not associated any more")
        if new_icon:
            changes.append("icon")
            channel.icon = new_icon
        channel.name, channel.department = name, department
        channel.save(update_fields=["name", "icon", "department", *SWITCHES])
        if changes:
            audit_log.record(user, channel, audit_log.CHANGE, f"Changed: {'; '.join(changes)}.")
            publish.announce("channel", channel=channel.pk)
        if new_icon and old_icon:
            transaction.on_commit(lambda: channel.icon.storage.delete(old_icon))
    return changes


def deactivate(user: Any, channel: Channel) -> bool:
    """Turn a channel off: nothing in or out, history intact. False when it was off already. Raises ChannelError."""
    with transaction.atomic():
        channel = _lock_channel(channel)
        if not channel.is_active:
            return False
        channel.is_active, channel.deactivated_at = False, timezone.now()
        channel.save(update_fields=["is_active", "deactivated_at"])
        _announce(user, channel, "Deactivated.")
    return True


def activate(user: Any, channel: Channel) -> bool:
    """Turn a channel on again. False when it was on already. Raises ChannelError."""
    with transaction.atomic():
        channel = _lock_channel(channel)
        if channel.is_active:
            return False
        channel.is_active, channel.deactivated_at = True, None
        channel.save(update_fields=["is_active", "deactivated_at"])
        _announce(user, channel, "Activated.")
    return True


def delete(user: Any, channel: Channel) -> bool:
    """Delete a channel: its conversations stay readable, its Page is free. False when it was deleted already."""
    with transaction.atomic():
        channel = Channel.objects.select_for_update().get(pk=channel.pk)
        if channel.is_deleted:
            return False
        channel.deleted_at = timezone.now()
        channel.is_active = False
        channel.save(update_fields=["deleted_at", "is_active"])
        subscriptions.request_check(channel.page_id)
        publish.announce("channel", channel=channel.pk)
        audit_log.record(user, channel, audit_log.DELETION, "Deleted. Its conversations stay readable.")
    return True


_work_reporters: list[Callable[[Channel], list[str]]] = []


def register_work_reporter(report: Callable[[Channel], list[str]]) -> None:
    """Let an app above this one say what goes on in a channel, in sentences ("12 conversations are open.")."""
    if report not in _work_reporters:
        _work_reporters.append(report)


def open_work(channel: Channel) -> list[str]:
    """Return what goes on in the channel now, for the dialog that asks before it is turned off or deleted."""
    return [sentence for report in _work_reporters for sentence in report(channel)]


def parked_count(channel: Channel) -> int:
    """Return how many deliveries wait in the journal for this channel's Page."""
    return ParkedDelivery.objects.filter(page_id=channel.page_id).count()


def _announce(user: Any, channel: Channel, sentence: str) -> None:
    subscriptions.request_check(channel.page_id)
    publish.announce("channel", channel=channel.pk)
    audit_log.record(user, channel, audit_log.CHANGE, sentence)


def _lock_departments(department: Department) -> Department:
    """Lock every department, in one order, so that nobody else counts or deletes; return the one asked for."""
    departments = {row.pk: row for row in Department.objects.select_for_update().order_by("pk")}
    if department.pk not in departments:
        raise ChannelError("This department has been deleted meanwhile. Choose another one.", field="department")
    return departments[department.pk]


def _lock_page(page: Page) -> Page:
    locked = Page.objects.select_for_update().filter(pk=page.pk).first()
    if locked is None:
        raise ChannelError("This Page is not linked any more. Choose another one.", field="page")
    return locked


def _lock_channel(channel: Channel) -> Channel:
    locked = Channel.objects.select_for_update().get(pk=channel.pk)
    if locked.is_deleted:
        raise ChannelError("This channel has been deleted. Its conversations stay readable.")
    return locked


def _clean_name(name: str) -> str:
    name = " ".join(name.replace("\0", "").split())
    if not name:
        raise ChannelError("Give the channel a name.", field="name")
    if len(name) > MAX_NAME:
        raise ChannelError(f"The name has {len(name)} characters; at most {MAX_NAME} fit.", field="name")
    return name


def _clean_icon(icon: File) -> CheckedIcon:
    if isinstance(icon, CheckedIcon):
        return icon
    try:
        return check_icon(icon, icon.name or "", icon.size)
    except IconError as error:
        raise ChannelError(str(error), field="icon") from error


def _forget_icon(channel: Channel) -> None:
    """The transaction is rolled back, the file it wrote is not."""
    if channel.icon and channel.icon._committed:
        channel.icon.storage.delete(channel.icon.name)
