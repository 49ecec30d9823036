"""Create, change, deactivate, activate and delete channels. Setup and the demo data use nothing else."""

from collections.abc import Callable

from django.core.files import File
from django.db import IntegrityError, transaction
from django.utils import timezone

from channels_im.models import Channel, ChannelAgent, Page, ParkedDelivery, RecoveryRun
from channels_im.services.facebook import history_requests, recovery_requests, subscriptions
from channels_im.services.facebook.grants import NEEDED_TASKS
from channels_im.services.icons import CheckedIcon, IconError, check_icon
from desk import audit_log
from desk.errors import Refused
from desk.live import publish
from desk.models import Department, User
from desk.sentences import counted, sentence
from desk.storage import undone_on_failure

MAX_NAME = 100
# What can be turned on and off for a channel, in words for the audit log: when it was turned on, and off.
SWITCHES = {
    "receive_audio_video": (sentence("audio and video turned on"), sentence("audio and video turned off")),
    "shows_typing": (
        sentence("showing customers that an agent is typing turned on"),
        sentence("showing customers that an agent is typing turned off"),
    ),
    "shows_seen": (
        sentence("showing customers that an agent has read turned on"),
        sentence("showing customers that an agent has read turned off"),
    ),
}


class ChannelError(Refused):
    """The channel cannot be saved; the sentence is for the administrator."""


def limit_reached() -> str:
    """Return why no further channel can be created, or "". There can be as many channels as departments."""
    channels, departments = Channel.objects.existing().count(), Department.objects.count()
    if channels < departments:
        return ""
    if not departments:
        return sentence("There is no department yet, and every channel belongs to one. Create a department first.")
    return counted(
        "You have %(channels)s of %(count)s possible channel: there can be as many channels as departments. One more "
        "department allows one more channel.",
        "You have %(channels)s of %(count)s possible channels: there can be as many channels as departments. One more "
        "department allows one more channel.",
        departments,
        channels=channels,
    )


def page_obstacle(page: Page, user: User) -> str:
    """Return why `user` cannot create a channel for this Page, or ""."""
    existing = next((channel for channel in page.channels.all() if not channel.is_deleted), None)
    account = page.facebook_account
    if existing:
        return sentence("Used by the channel “%(channel)s”.", channel=existing.name)
    if account and account.linked_by_id not in (None, user.pk) and not user.is_superuser:
        return sentence(
            "Linked by %(person)s. Log in with your own Facebook account, or ask them to create the channel.",
            person=account.linked_by,
        )
    if not page.is_connected:
        return _MUST_BE_REAUTHENTICATED[Page.Reason(page.reauth_reason)]
    missing = [task for task in NEEDED_TASKS if task not in page.tasks]
    if not page.page_token and not (page.tasks and missing):
        return sentence("Facebook gave no access to this Page. Re-authenticate and make sure that the Page is ticked.")
    if "MESSAGING" in missing:
        return sentence("You can't message from this Page. Ask a Page admin for Messages access.")
    if missing:
        return sentence("You can't block people on this Page. Ask a Page admin for Community activity access.")
    return ""


_MUST_BE_REAUTHENTICATED = {
    Page.Reason.TOKEN_EXPIRED: sentence("Must be re-authenticated: the access token has expired."),
    Page.Reason.PERMISSION_REVOKED: sentence("Must be re-authenticated: a Page permission was revoked."),
    Page.Reason.PAGE_DESELECTED: sentence(
        "Must be re-authenticated: the Page was not ticked at the last Facebook login."
    ),
    Page.Reason.APP_REMOVED: sentence("Must be re-authenticated: the app was removed in the Facebook settings."),
    Page.Reason.PASSWORD_CHANGED: sentence("Must be re-authenticated: the Facebook password was changed."),
    Page.Reason.CHECKPOINT: sentence("Must be re-authenticated: Facebook asks the person to confirm their account."),
    Page.Reason.ROLE_LOST: sentence("Must be re-authenticated: the person no longer has a role on the Page."),
}


def switch_values(channel: Channel) -> dict[str, bool]:
    """Return whether each of SWITCHES is on."""
    return {name: getattr(channel, name) for name in SWITCHES}


def create_channel(
    user: User,
    *,
    name: str,
    icon: "File[bytes]",
    page: Page,
    department: Department,
    history_days: int = 0,
    **switches: bool,
) -> Channel:
    """Create a channel and request the subscription of its Page. `icon` is an uploaded file (see icons.check_icon).

    `history_days`: what was written in so many days before is imported (one of history_requests.DAYS, 0: nothing).
    `switches`: which of SWITCHES are on; those not given are off. All departments are locked while channels are
    counted, so that there are never more channels than departments. Raises ChannelError.
    """
    name, checked_icon = _clean_name(name), _clean_icon(icon)
    channel = Channel(name=name, **switches)
    try:
        with undone_on_failure():
            channel.icon = _store_icon(checked_icon)
            _create(user, channel, page, department, history_days)
    except IntegrityError as error:
        raise ChannelError(sentence("This Page has just been taken by another channel."), field="page") from error
    return channel


def _create(user: User, channel: Channel, page: Page, department: Department, history_days: int) -> None:
    with transaction.atomic():
        channel.department = _lock_departments(department)
        if limit := limit_reached():
            raise ChannelError(limit)
        channel.page = _lock_page(page)
        if why := page_obstacle(channel.page, user):
            refusal = sentence("This Page cannot be chosen. %(why_text)s", why_text=why)
            raise ChannelError(refusal, field="page")
        channel.save()
        created = sentence(
            "Created for the Page “%(page)s” in %(department)s.", page=channel.page, department=department
        )
        audit_log.record(user, channel, audit_log.ADDITION, created)
        subscriptions.request_check(channel.page_id)
        if history_days:
            history_requests.start(user, channel, history_days)
        publish.announce("channel", channel=channel.pk)


def change_channel(
    user: User,
    channel: Channel,
    *,
    name: str,
    department: Department,
    icon: "File[bytes] | None" = None,
    **switches: bool,
) -> list[str]:
    """Change an existing channel; return what changed, in words. A channel keeps its Page.

    `switches`: which of SWITCHES are turned on or off; those not given stay. Agents who are not members of a new
    department lose their association. Raises ChannelError.
    """
    name, checked_icon = _clean_name(name), _clean_icon(icon) if icon else None
    with undone_on_failure():
        new_icon = _store_icon(checked_icon) if checked_icon else ""
        return _change(user, channel, name, department, new_icon, switches)


def _change(
    user: User, channel: Channel, name: str, department: Department, new_icon: str, switches: dict[str, bool]
) -> list[str]:
    changes = []
    with transaction.atomic():
        department = _lock_departments(department)
        channel = _lock_channel(channel)
        old_icon = channel.icon.name
        if channel.name != name:
            changes.append(sentence("name from “%(old)s” to “%(new)s”", old=channel.name, new=name))
        for switch, is_on in switches.items():
            if getattr(channel, switch) != is_on:
                turned_on, turned_off = SWITCHES[switch]
                changes.append(turned_on if is_on else turned_off)
                setattr(channel, switch, is_on)
        if channel.department_id != department.pk:
            changes.append(sentence("department from %(old)s to %(new)s", old=channel.department, new=department))
            non_members = ChannelAgent.objects.filter(channel=channel).exclude(agent__departments=department)
            if count := non_members.delete()[0]:
                changes.append(
                    counted("%(count)s agent no longer associated", "%(count)s agents no longer associated", count)
                )
        if new_icon:
            changes.append(sentence("icon"))
            channel.icon = new_icon
        channel.name, channel.department = name, department
        channel.save(update_fields=["name", "icon", "department", *SWITCHES])
        if changes:
            changed = sentence("Changed: %(changes_text)s.", changes_text="; ".join(changes))
            audit_log.record(user, channel, audit_log.CHANGE, changed)
            publish.announce("channel", channel=channel.pk)
        if new_icon and old_icon:
            transaction.on_commit(lambda: channel.icon.storage.delete(old_icon), robust=True)
    return changes


def deactivate(user: User, channel: Channel) -> bool:
    """Turn a channel off: it neither receives nor sends, and keeps its history.

    Returns False when it was off already. Raises ChannelError.
    """
    with transaction.atomic():
        channel = _lock_channel(channel)
        if not channel.is_active:
            return False
        recovery_requests.freeze(channel.page)
        channel.is_active, channel.deactivated_at = False, timezone.now()
        channel.save(update_fields=["is_active", "deactivated_at"])
        history_requests.hold(channel)
        _publish_change(user, channel, sentence("Deactivated."))
    return True


def activate(user: User, channel: Channel) -> bool:
    """Turn a channel on again; return False when it was on already. Raises ChannelError.

    What customers wrote meanwhile is recovered from Meta: the Page was not subscribed.
    """
    with transaction.atomic():
        channel = _lock_channel(channel)
        if channel.is_active:
            return False
        off_since = channel.deactivated_at or timezone.now()
        channel.is_active, channel.deactivated_at = True, None
        channel.save(update_fields=["is_active", "deactivated_at"])
        recovery_requests.request(channel.page_id, RecoveryRun.Reason.ACTIVATION, off_since - recovery_requests.MARGIN)
        _publish_change(user, channel, sentence("Activated."))
    return True


def delete(user: User, channel: Channel) -> bool:
    """Delete a channel; return False when it was deleted already.

    Its conversations stay readable, and its Page is free for a new channel.
    """
    with transaction.atomic():
        channel = Channel.objects.select_for_update().get(pk=channel.pk)
        if channel.is_deleted:
            return False
        channel.deleted_at = timezone.now()
        channel.is_active = False
        channel.save(update_fields=["deleted_at", "is_active"])
        history_requests.cancel(user, channel)
        subscriptions.request_check(channel.page_id)
        recovery_requests.discard(channel.page_id)
        publish.announce("channel", channel=channel.pk)
        audit_log.record(user, channel, audit_log.DELETION, sentence("Deleted. Its conversations stay readable."))
    return True


_work_reporters: list[Callable[[Channel], list[str]]] = []


def register_work_reporter(report: Callable[[Channel], list[str]]) -> None:
    """Let an app above this one report open work of a channel, in sentences ("12 conversations are open.")."""
    if report not in _work_reporters:
        _work_reporters.append(report)


def open_work(channel: Channel) -> list[str]:
    """Return the open work of the channel, for the dialog that confirms turning it off or deleting it."""
    sentences = [work for report in _work_reporters for work in report(channel)]
    if history_requests.is_open(channel):
        sentences.append(sentence("The import of earlier messages is not finished."))
    return sentences


def parked_count(channel: Channel) -> int:
    """Return how many deliveries wait in the journal for this channel's Page."""
    return ParkedDelivery.objects.filter(page_id=channel.page_id).count()


def _publish_change(user: User, channel: Channel, sentence: str) -> None:
    subscriptions.request_check(channel.page_id)
    publish.announce("channel", channel=channel.pk)
    audit_log.record(user, channel, audit_log.CHANGE, sentence)


def _lock_departments(department: Department) -> Department:
    """Lock every department, in one order, so that nobody else counts or deletes; return `department`, locked."""
    departments = {row.pk: row for row in Department.objects.select_for_update().order_by("pk")}
    if department.pk not in departments:
        raise ChannelError(sentence("This department has just been deleted. Select another one."), field="department")
    return departments[department.pk]


def _lock_page(page: Page) -> Page:
    locked = Page.objects.select_for_update().filter(pk=page.pk).first()
    if locked is None:
        raise ChannelError(sentence("This Page is not linked any more. Choose another one."), field="page")
    return locked


def _lock_channel(channel: Channel) -> Channel:
    locked = Channel.objects.select_for_update().get(pk=channel.pk)
    if locked.is_deleted:
        raise ChannelError(sentence("This channel has been deleted. Its conversations stay readable."))
    return locked


def _clean_name(name: str) -> str:
    name = " ".join(name.replace("\0", "").split())
    if not name:
        raise ChannelError(sentence("Give the channel a name."), field="name")
    if len(name) > MAX_NAME:
        refusal = counted(
            "The name has %(count)s character; at most %(limit)s fit.",
            "The name has %(count)s characters; at most %(limit)s fit.",
            len(name),
            limit=MAX_NAME,
        )
        raise ChannelError(refusal, field="name")
    return name


def _clean_icon(icon: "File[bytes]") -> CheckedIcon:
    if isinstance(icon, CheckedIcon):
        return icon
    try:
        return check_icon(icon, icon.name or "", icon.size)
    except IconError as error:
        raise ChannelError(str(error), field="icon") from error


def _store_icon(icon: CheckedIcon) -> str:
    """Store an icon and return its name. Before anything is locked: the storage may be a service on the network."""
    holder = Channel()
    holder.icon.save(icon.name or "", icon, save=False)
    return holder.icon.name or ""
