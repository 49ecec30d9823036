"""Start, pause, resume and cancel the history import of a channel. `services.recovery.history_import` does it."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from channels_im.models import Channel, HistoryImport, Page
from desk import audit_log
from desk.audit_log import Actor
from desk.errors import Refused
from desk.live import publish
from desk.models import User
from desk.queue import enqueue
from desk.sentences import counted, sentence

TASK = "channels_im.tasks.drain_history_imports"
#: How many days before its creation a channel can import.
DAYS = (7, 30, 90)

State = HistoryImport.State
OPEN = (State.WAITING, State.RUNNING, State.PAUSED)
IN_PROGRESS = (State.WAITING, State.RUNNING)


def newest(channel: Channel) -> HistoryImport | None:
    """Return the channel's last import, or None."""
    return HistoryImport.objects.filter(channel=channel).order_by("-pk").first()


def is_open(channel: Channel) -> bool:
    """Return whether an import of the channel is in progress or paused."""
    return HistoryImport.objects.filter(channel=channel, state__in=OPEN).exists()


def possible_days(channel: Channel) -> tuple[int, ...]:
    """Return the periods that can be imported now: none while an import is open, and no more than once."""
    imports = list(HistoryImport.objects.filter(channel=channel).values_list("state", "days"))
    if channel.is_deleted or any(state in OPEN for state, _days in imports):
        return ()
    longest = max((days for state, days in imports if state == State.DONE), default=0)
    return tuple(days for days in DAYS if days > longest)


def start(actor: User | Actor, channel: Channel, days: int) -> HistoryImport:
    """Request the import of what was written in the `days` before the channel was created. Raises Refused."""
    if days not in DAYS:
        refusal = sentence("The number of days is one of these: %(numbers)s.", numbers=", ".join(map(str, DAYS)))
        raise Refused(refusal, field="history_days")
    with transaction.atomic():
        Page.objects.select_for_update().get(pk=channel.page_id)
        channel = Channel.objects.get(pk=channel.pk)
        until = channel.created_at.replace(microsecond=0)  # Meta gives seconds: what is in doubt counts as live
        if days not in possible_days(channel):
            raise Refused(
                sentence("This history is imported already, or its import is not over."), code="history_import"
            )
        row = HistoryImport.objects.create(
            channel=channel,
            page_id=channel.page_id,
            days=days,
            since=until - timedelta(days=days),
            until=until,
        )
        started = counted(
            "Started the import of the history: the last %(count)s day before the channel was created.",
            "Started the import of the history: the last %(count)s days before the channel was created.",
            days,
        )
        audit_log.record(actor, channel, audit_log.CHANGE, started)
        _announce(channel)
        enqueue(TASK)
    return row


def pause(actor: User | Actor, channel: Channel) -> bool:
    """Pause the channel's import; return False when none is in progress."""
    return _change(actor, channel, IN_PROGRESS, sentence("Paused the import of the history."), state=State.PAUSED)


def resume(actor: User | Actor, channel: Channel) -> bool:
    """Let a paused import go on; return False when none is paused."""
    fields = {"state": State.WAITING, "retry_after": None, "attempts": 0, "error": ""}
    return _change(actor, channel, (State.PAUSED,), sentence("Resumed the import of the history."), **fields)


def cancel(actor: User | Actor, channel: Channel) -> bool:
    """End the channel's import; what was imported stays. Returns False when none is open."""
    fields = {"state": State.CANCELLED, "finished_at": timezone.now(), "cursor": "", "handled": []}
    return _change(
        actor, channel, OPEN, sentence("Cancelled the import of the history. What was imported stays."), **fields
    )


def hold(channel: Channel) -> None:
    """Stop a piece that runs now, because the channel was deactivated: the import goes on when it is activated."""
    running = HistoryImport.objects.filter(channel=channel, state=State.RUNNING)
    running.update(state=State.WAITING, claimed_by="", claimed_at=None)


def _change(actor: User | Actor, channel: Channel, states: tuple[str, ...], entry: str, **fields: object) -> bool:
    """Change the channel's import if it is in one of `states`. A worker that is at it loses its claim."""
    with transaction.atomic():
        rows = HistoryImport.objects.filter(channel=channel, state__in=states)
        if not rows.update(claimed_by="", claimed_at=None, **fields):
            return False
        audit_log.record(actor, channel, audit_log.CHANGE, entry)
        _announce(channel)
        if fields["state"] == State.WAITING:
            enqueue(TASK)
    return True


def _announce(channel: Channel) -> None:
    publish.announce("channel", channel=channel.pk)
