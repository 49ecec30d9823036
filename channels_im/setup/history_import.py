"""Edit Channel and the list of channels: progress of the history import, and the buttons that start and stop it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.models import Channel, HistoryImport
from channels_im.services.facebook import history_requests
from channels_im.setup import presenters
from channels_im.setup.access import CHANGE_CHANNEL, SEE_CHANNELS, may, setup_view
from channels_im.setup.recovery_view import obstacle
from desk.errors import Refused
from desk.languages import translated
from desk.requests import UserRequest

State = HistoryImport.State
#: A pause that is shorter needs no words.
SHORT_PAUSE = timedelta(seconds=10)


@dataclass(frozen=True)
class HistoryView:
    """What is shown of a channel's last import (`row`, None without any).

    `state` is a sentence, `progress` says how many conversations are read, `counts` what came of it. `possible_days`
    can be started now.
    """

    row: HistoryImport | None
    state: str = ""
    progress: str = ""
    counts: str = ""
    percent: int = 0
    is_in_progress: bool = False
    is_paused: bool = False
    possible_days: tuple[int, ...] = ()


def of(channel: Channel) -> HistoryView:
    """Return what Edit Channel shows."""
    return _view(channel, history_requests.newest(channel), history_requests.possible_days(channel))


def of_all(channels: Iterable[Channel]) -> dict[int, HistoryView]:
    """Return what the list shows, by channel: nothing of imports that were cancelled. One query."""
    by_pk = {channel.pk: channel for channel in channels}
    newest: dict[int, HistoryImport] = {}
    for row in HistoryImport.objects.filter(channel__in=by_pk).order_by("pk"):
        newest[row.channel_id] = row
    return {pk: _view(by_pk[pk], row) for pk, row in newest.items() if row.state != State.CANCELLED}


def _view(channel: Channel, row: HistoryImport | None, possible_days: tuple[int, ...] = ()) -> HistoryView:
    if row is None:
        return HistoryView(None, possible_days=possible_days)
    total = max(row.total_count, row.conversation_count)
    return HistoryView(
        row,
        state=_state(channel, row, timezone.now()),
        progress=_progress(row, total),
        counts=_counts(row),
        percent=100 if row.state == State.DONE else 100 * row.conversation_count // max(total, 1),
        is_in_progress=row.state in history_requests.IN_PROGRESS,
        is_paused=row.state == State.PAUSED,
        possible_days=possible_days,
    )


def _state(channel: Channel, row: HistoryImport, now: datetime) -> str:
    match row.state:
        case State.DONE:
            return pgettext("an import is", "Done")
        case State.CANCELLED:
            return gettext("Cancelled. What was imported stays.")
        case State.PAUSED:
            return pgettext("an import is", "Paused")
        case State.FAILED:
            return " ".join((pgettext("an import is", "Stopped."), translated(row.error)))
    if blocked := obstacle(channel):
        return " ".join((gettext("Waiting."), blocked))
    page = channel.page
    pauses = (page.background_limited_until, page.rate_limited_until, row.retry_after)
    limit = max((at for at in pauses if at and at > now + SHORT_PAUSE), default=None)
    if limit is not None:
        waiting = gettext("Waiting until %(time)s, then it goes on by itself.")
        return f"{waiting % {'time': f'{timezone.localtime(limit):%H:%M}'}} {translated(row.error)}".strip()
    return gettext("Importing …") if row.is_counted else gettext("Counting conversations …")


def _progress(row: HistoryImport, total: int) -> str:
    values = {"count": intcomma(row.conversation_count), "total": intcomma(total)}
    if row.state == State.DONE:
        return ngettext("%(count)s conversation", "%(count)s conversations", total) % values
    if not row.is_counted and not total:
        return ""
    if not row.is_counted:
        text = ngettext("%(total)s conversation so far", "%(total)s conversations so far", total)
    elif row.is_total_lower_bound:
        text = ngettext(
            "%(count)s of more than %(total)s conversation", "%(count)s of more than %(total)s conversations", total
        )
    else:
        text = ngettext(
            "%(count)s of about %(total)s conversation", "%(count)s of about %(total)s conversations", total
        )
    return text % values


def _counts(row: HistoryImport) -> str:
    values = {"count": intcomma(row.inserted_count), "beyond": intcomma(row.beyond_reach_count)}
    if row.beyond_reach_count:
        text = ngettext(
            "%(count)s message imported, %(beyond)s out of reach",
            "%(count)s messages imported, %(beyond)s out of reach",
            row.inserted_count,
        )
    else:
        text = ngettext("%(count)s message imported", "%(count)s messages imported", row.inserted_count)
    return text % values


@setup_view(*SEE_CHANNELS)
@require_safe
def show(request: UserRequest, pk: int) -> HttpResponse:
    """Return only the progress; Edit Channel requests it again while an import is in progress."""
    channel = get_object_or_404(presenters.channels(), pk=pk)
    context = {"channel": channel, "history_import": of(channel), "may_change": may(request.user, CHANGE_CHANNEL)}
    return render(request, "channels_im/_history_import.html", context)


@setup_view(CHANGE_CHANNEL)
@require_POST
def start(request: UserRequest, pk: int) -> HttpResponse:
    """Start the import of the days that were selected."""
    channel = get_object_or_404(Channel.objects.existing(), pk=pk)
    days = request.POST.get("history_days", "")
    try:
        history_requests.start(request.user, channel, int(days) if days.isdecimal() and len(days) < 4 else 0)
    except Refused as refusal:
        messages.error(request, translated(str(refusal)))
    else:
        messages.success(request, gettext("Desk is importing the history from Facebook. You can leave this page."))
    return redirect("setup:messenger_edit", pk=pk)


@setup_view(CHANGE_CHANNEL)
@require_POST
def pause(request: UserRequest, pk: int) -> HttpResponse:
    """Pause the import."""
    return _change(request, pk, history_requests.pause, gettext("The import is paused."))


@setup_view(CHANGE_CHANNEL)
@require_POST
def resume(request: UserRequest, pk: int) -> HttpResponse:
    """Let a paused import go on."""
    return _change(request, pk, history_requests.resume, gettext("The import goes on."))


@setup_view(CHANGE_CHANNEL)
@require_POST
def cancel(request: UserRequest, pk: int) -> HttpResponse:
    """End the import."""
    return _change(request, pk, history_requests.cancel, gettext("The import is cancelled. What was imported stays."))


def _change(request: UserRequest, pk: int, act: Callable[..., bool], done: str) -> HttpResponse:
    channel = get_object_or_404(Channel.objects.existing(), pk=pk)
    if act(request.user, channel):
        messages.success(request, done)
    else:
        messages.info(request, gettext("The import was over or stopped already."))
    return redirect("setup:messenger_edit", pk=pk)
