"""When a recovery is requested, since when it looks, and up to when a Page counts as complete."""

from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from channels_im import tasks
from channels_im.models import Channel, Page, RecoveryRun
from channels_im.services import channels
from channels_im.services.facebook import connection, recovery_requests
from channels_im.services.recovery import reading, runs, schedule
from desk import uptime
from desk.backup import after_restore
from desk.models import Heartbeat
from tests import factories as make
from tests.factories import NOON

pytestmark = pytest.mark.django_db
Reason, State = RecoveryRun.Reason, RecoveryRun.State
HOUR, MARGIN = timedelta(hours=1), recovery_requests.MARGIN


@pytest.fixture
def clock() -> time_machine.Traveller:  # type: ignore[misc]
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def channel(clock: time_machine.Traveller) -> Channel:
    return make.make_channel()


def finish(run: RecoveryRun) -> None:
    RecoveryRun.objects.filter(pk=run.pk).update(state=State.DONE, finished_at=timezone.now())


def test_a_page_has_one_run_at_a_time_and_another_request_reaches_further_back(channel: Channel) -> None:
    page = channel.page
    first = recovery_requests.request(page.pk, Reason.NIGHTLY, NOON - HOUR)
    second = recovery_requests.request(page.pk, Reason.REQUEST, NOON - 5 * HOUR)
    assert (first.pk, second.since, second.is_requested_again) == (second.pk, NOON - 5 * HOUR, False)
    RecoveryRun.objects.update(until=NOON)
    again = recovery_requests.request(page.pk, Reason.OUTAGE, NOON - HOUR)
    assert (again.since, again.is_requested_again) == (NOON - 5 * HOUR, True)
    assert RecoveryRun.objects.count() == 1


def test_a_page_is_complete_up_to_its_last_webhook_unless_something_is_missing(channel: Channel) -> None:
    Page.objects.update(last_event_at=NOON - HOUR)
    channel.refresh_from_db()
    page = Page.objects.get()
    assert recovery_requests.complete_until(page) == NOON - HOUR
    run = recovery_requests.request(page.pk, Reason.NIGHTLY, NOON - 2 * HOUR)
    assert recovery_requests.complete_until(page) == NOON - HOUR
    run = recovery_requests.request(page.pk, Reason.OUTAGE, NOON - 3 * HOUR)
    assert recovery_requests.complete_until(page) == NOON - 3 * HOUR
    RecoveryRun.objects.filter(pk=run.pk).update(state=State.FAILED)
    assert recovery_requests.complete_until(page) == NOON - 3 * HOUR
    finish(run)
    assert recovery_requests.complete_until(page) == NOON - HOUR


def test_a_web_server_that_was_down_requests_a_recovery_of_every_active_channel_once(
    channel: Channel, clock: time_machine.Traveller
) -> None:
    make.make_channel(is_active=False)
    assert not uptime.beat(uptime.WEB)
    clock.shift(30)
    assert not uptime.beat(uptime.WEB)
    clock.shift(3600)
    assert uptime.beat(uptime.WEB)
    assert not uptime.beat(uptime.WEB)
    run = RecoveryRun.objects.get()
    assert (run.page_id, run.reason) == (channel.page_id, Reason.OUTAGE)
    assert run.since == NOON + timedelta(seconds=30) - MARGIN
    assert Heartbeat.objects.get(name="web").beat_at == timezone.now()


def test_a_heartbeat_whose_consequence_fails_is_not_recorded(
    channel: Channel, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    uptime.beat(uptime.WEB)
    clock.shift(3600)
    with monkeypatch.context() as patch:
        patch.setattr(uptime, "_registered", [lambda since: 1 / 0])
        with pytest.raises(ZeroDivisionError):
            uptime.beat(uptime.WEB)
    assert uptime.beat(uptime.WEB)
    assert RecoveryRun.objects.count() == 1


def test_what_came_while_a_channel_was_off_or_a_page_was_lost_is_looked_for(
    channel: Channel, clock: time_machine.Traveller
) -> None:
    admin = make.make_admin()
    channels.deactivate(admin, channel)
    clock.shift(HOUR)
    channels.activate(admin, channel)
    run = RecoveryRun.objects.get()
    assert (run.reason, run.since) == (Reason.ACTIVATION, NOON - MARGIN)
    finish(run)
    connection.require_reauth(channel.page, Page.Reason.APP_REMOVED, Page.DetectedBy.CALLBACK)
    clock.shift(HOUR)
    assert tasks.drain_recovery() == 0
    connection.mark_connected(channel.page)
    run = RecoveryRun.objects.get(state=State.WAITING)
    assert (run.reason, run.since) == (Reason.REAUTHENTICATION, NOON + HOUR - MARGIN)


def test_every_night_each_page_has_its_hour(channel: Channel, clock: time_machine.Traveller) -> None:
    Page.objects.update(last_event_at=NOON - HOUR)
    counts = {}
    for hour in range(24):
        clock.move_to(NOON.replace(hour=0) + timedelta(days=1, hours=hour))
        counts[hour] = schedule.recover_nightly()
        for run in RecoveryRun.objects.filter(state=State.WAITING):
            assert run.since == NOON - HOUR - MARGIN
            assert run.retry_after is not None
            assert timezone.now() <= run.retry_after < timezone.now() + HOUR
            finish(run)
    assert sum(counts.values()) == 1
    assert not [hour for hour, count in counts.items() if count and hour not in schedule.NIGHT]


def test_a_restored_backup_is_followed_by_a_recovery(channel: Channel) -> None:
    sentences = after_restore.run(after_restore.Circumstances((NOON - HOUR).isoformat(), moved=False))
    assert any("recovered from Facebook" in sentence for sentence in sentences)
    assert RecoveryRun.objects.get().since == NOON - HOUR - MARGIN


def test_the_command_requests_and_refuses(channel: Channel, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("recover_messages", days=3)
    assert f"{channel.name} ({channel.page.page_id}): requested." in capsys.readouterr().out
    assert RecoveryRun.objects.get().since == NOON - timedelta(days=3)
    with pytest.raises(CommandError, match="No active channel"):
        call_command("recover_messages", "4711")
    with pytest.raises(CommandError, match="1 to 90"):
        call_command("recover_messages", days=91)


def test_a_run_fails_in_words_when_desk_itself_does_and_when_it_kills_the_worker(
    channel: Channel, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recovery_requests.request(channel.page_id, Reason.REQUEST, NOON - HOUR)
    monkeypatch.setattr(runs, "_Piece", lambda run: 1 / 0)
    assert tasks.drain_recovery() == 1
    run.refresh_from_db()
    assert (run.state, run.error, run.attempts) == (State.WAITING, reading.OUR_FAULT, 1)
    assert tasks.drain_recovery() == 0  # it waits
    RecoveryRun.objects.update(attempts=40, retry_after=None)
    assert tasks.drain_recovery() == 1
    run.refresh_from_db()
    assert (run.state, run.error) == (State.FAILED, runs.KILLED)


def test_the_run_of_a_deleted_channel_is_discarded_and_a_deactivated_one_keeps_its_time(channel: Channel) -> None:
    Page.objects.update(last_event_at=NOON - HOUR)
    admin = make.make_admin()
    channels.deactivate(admin, Channel.objects.get())
    assert recovery_requests.complete_until(Page.objects.get()) == NOON - HOUR
    recovery_requests.request(channel.page_id, Reason.REQUEST, NOON - HOUR)
    channels.delete(admin, channel)
    assert not RecoveryRun.objects.exists()


def test_one_worker_at_a_time_recovers_so_that_others_are_free_for_replies(channel: Channel) -> None:
    busy = recovery_requests.request(channel.page_id, Reason.REQUEST, NOON - HOUR)
    recovery_requests.request(make.make_channel().page_id, Reason.REQUEST, NOON - HOUR)
    assert runs.claims.claim([busy.pk])
    assert not runs.is_due()
    assert tasks.drain_recovery() == 0
