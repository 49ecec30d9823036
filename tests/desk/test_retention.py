"""Data are deleted when they are as old as an administrator chose, in small batches, and never before."""

from datetime import datetime, timedelta
from io import StringIO

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ, Task

from desk import retention, tasks
from desk.models import AuditEntry, RetentionRule, RetentionRun, User
from tests.factories import make_admin, make_agent, make_user
from tests.history import changes
from tests.pages import html_of

pytestmark = pytest.mark.django_db
URL = "/admin/retention/"


@pytest.fixture
def admin() -> User:
    return make_admin()


@pytest.fixture
def setup(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_S", 0)


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def write_history(admin: User, *days: float) -> None:
    for each in days:
        AuditEntry.objects.create(actor=admin, action="changed", sentence=f"{each}", at=ago(each))


class Sand:
    """A kind whose rows are a number; `fails` on the batch with this number."""

    def __init__(self, rows: int, fails: int = -1) -> None:
        self.rows, self.fails, self.batches = rows, fails, 0

    def delete(self, before: datetime, limit: int) -> int:
        self.batches += 1
        if self.batches == self.fails:
            raise OSError("disk")
        count = min(limit, self.rows)
        self.rows -= count
        return count

    def register(self, name: str = "sand", order: int = 0) -> None:
        kind = retention.Kind(name, name, "", 1, lambda before: self.rows, self.delete, batch_size=10, order=order)
        retention.register(kind)


@pytest.fixture
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_registered", dict(retention._registered))


# --- The page
def values(**changed: str) -> dict[str, str]:
    shown = {name: "" if days is None else str(days) for name, days in retention.current_days().items()}
    return {**shown, **changed}


def test_nothing_is_saved_before_the_counts_are_seen(setup: Client, admin: User) -> None:
    write_history(admin, 10, 50, 60)
    html = html_of(setup.post(URL, values(history="40")))
    assert "2 would be deleted" in html
    assert "before: for ever" in html
    assert not RetentionRule.objects.exists()
    setup.post(URL, values(history="40", save="yes"))
    assert retention.current_days()["history"] == 40
    assert changes().latest("pk").sentence == "History: for ever → 40 days."
    assert changes().count() == 4


def test_empty_is_for_ever_and_what_was_typed_stays_on_the_way_back(setup: Client) -> None:
    setup.post(URL, values(journal="", save="yes"))
    assert retention.current_days()["journal"] is None
    html = html_of(setup.post(URL, values(journal="33", edit="yes")))
    assert 'value="33"' in html
    assert retention.current_days()["journal"] is None


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ("6", "At least 7 days. Facebook repeats a delivery"),
        ("0", "At least 7 days"),
        ("-1", "At least 7 days"),
        ("36501", "At most 36,500 days. Leave it empty to keep them for ever."),
        ("99999999999999999999", "At most 36,500 days"),
        ("1.5", "Enter a whole number of days"),
        ("soon", "Enter a whole number of days"),
    ],
)
@pytest.mark.parametrize("action", ["check", "save"])
def test_days_that_cannot_be_are_refused_with_the_limit(setup: Client, days: str, sentence: str, action: str) -> None:
    response = setup.post(URL, values(journal=days, **{action: "yes"}))
    assert response.status_code == 422
    assert sentence in html_of(response)
    assert days in html_of(response)
    assert not RetentionRule.objects.exists()


def test_who_may_not_change_the_rules_sees_them_and_changes_nothing(client: Client) -> None:
    clerk = make_user("clerk", is_staff=True)
    client.force_login(clerk)
    assert client.get(URL).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="view_retentionrule"))
    html = html_of(client.get(URL))
    assert "Data retention" in html
    assert 'name="journal"' not in html
    client.post(URL, values(journal="30", save="yes"))
    assert not RetentionRule.objects.exists()
    client.force_login(make_agent("alice"))
    assert client.get(URL).status_code == 403


def test_the_page_shows_the_last_run(setup: Client, admin: User) -> None:
    assert "No run yet." in html_of(setup.get(URL))
    RetentionRule.objects.create(kind="history", days=30)
    write_history(admin, 31, 32)
    assert tasks.apply_retention() == 2
    assert "2 deleted." in html_of(setup.get(URL))


# --- Deleting
def test_each_kind_loses_what_is_older_and_nothing_else(admin: User) -> None:
    write_history(admin, 31, 29)
    RetentionRule.objects.create(kind="history", days=30)
    for key, days in (("old", 1.1), ("young", 0.9), ("valid", -5)):
        Session.objects.create(session_key=key, session_data="", expire_date=ago(days))
    for key, days in (("old", 31), ("young", 29)):
        Task.objects.create(id=key, name=key, func="f", started=ago(days), stopped=ago(days), success=False)
    for key in ("gone", "valid"):
        line = UserSession.objects.create(user=admin, session_key=key, ip="127.0.0.1", user_agent="")
        UserSession.objects.filter(pk=line.pk).update(last_seen_at=ago(2))
    OrmQ.objects.create(key="desk", payload="x", lock=ago(900))
    retention.apply()
    assert [entry.sentence for entry in AuditEntry.objects.all()] == ["29"]
    assert list(UserSession.objects.values_list("session_key", flat=True)) == ["valid"]
    assert set(Session.objects.values_list("session_key", flat=True)) == {"young", "valid"}
    assert [task.id for task in Task.objects.all()] == ["young"]
    assert OrmQ.objects.exists()


def test_by_default_history_and_conversations_are_kept_for_ever() -> None:
    kept = {name for name, days in retention.current_days().items() if days is None}
    assert kept == {"history", "conversations"}


@pytest.mark.usefixtures("_registry")
def test_a_run_that_is_out_of_time_goes_on_in_another_task_and_only_with_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sand, pebbles = Sand(25), Sand(5)
    sand.register()
    pebbles.register("pebbles")
    clock = iter(range(10_000))
    monkeypatch.setattr(retention.time, "monotonic", lambda: next(clock) / 4)
    retention.apply(max_s_per_kind=0.5)  # one batch
    run = RetentionRun.objects.get(kind="sand")
    assert (run.deleted, run.finished_at) == (10, None)
    assert [row.task["args"] for row in OrmQ.objects.all() if row.task["func"] == retention.TASK] == [(True,)]
    RetentionRun.objects.filter(kind="pebbles").update(finished_at=timezone.now())
    before = pebbles.batches
    retention.apply(resume=True, max_s_per_kind=None)
    run.refresh_from_db()
    assert (run.deleted, run.finished_at is None, sand.rows) == (25, False, 0)
    assert pebbles.batches == before


@pytest.mark.usefixtures("_registry")
def test_a_kind_that_fails_is_shown_and_does_not_stop_the_others(setup: Client) -> None:
    Sand(100, fails=3).register("broken", order=0)
    healthy = Sand(30)
    healthy.register("healthy", order=1)
    retention.apply()
    run = RetentionRun.objects.get(kind="broken")
    assert (run.deleted, run.finished_at is None) == (20, False)
    assert healthy.rows == 0
    assert "Deleting stopped with an error" in html_of(setup.get(URL))


# --- The command
def test_the_dry_run_counts_and_deletes_nothing(admin: User) -> None:
    write_history(admin, 31, 40, 29)
    RetentionRule.objects.create(kind="history", days=30)
    out = StringIO()
    call_command("apply_retention", "--dry-run", stdout=out)
    assert "History, kept 30 days: 2 would be deleted" in out.getvalue()
    assert "Closed conversations, kept for ever: nothing is deleted" in out.getvalue()
    assert (AuditEntry.objects.count(), RetentionRun.objects.count()) == (3, 0)
    call_command("apply_retention", stdout=out)
    assert "History, kept 30 days: 2 deleted" in out.getvalue()
    assert AuditEntry.objects.count() == 1


@pytest.mark.usefixtures("_registry")
def test_the_command_fails_when_a_kind_fails() -> None:
    Sand(100, fails=1).register("broken")
    with pytest.raises(CommandError, match="broken"):
        call_command("apply_retention", stdout=StringIO())
