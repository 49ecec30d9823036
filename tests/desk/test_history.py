"""The history: what is recorded, as whom and from where; and its page, search and export."""

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import DatabaseError
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from desk import audit_log, audit_signals
from desk.admin import history as history_page
from desk.audit_log import Action
from desk.models import AuditEntry, Department, User
from tests import database_faults
from tests.factories import make_admin, make_agent, make_department, make_user
from tests.http import Response, streamed
from tests.pages import html_of

pytestmark = pytest.mark.django_db
HISTORY = "/admin/desk/auditentry/"
LOGIN = "/accounts/login/"
PASSWORD = "desk-demo"


def text(response: Response) -> str:
    return html_of(response)


def log_in(client: Client, name: str, password: str = PASSWORD) -> Response:
    return client.post(LOGIN, {"login": name, "password": password})


def entries(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action).order_by("pk"))


def auditor(*codenames: str) -> User:
    user = make_user("auditor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames or ["view_auditentry"]))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- Coming and going
def test_login_and_logout_are_recorded_with_the_address(client: Client) -> None:
    alice = make_agent("alice")
    log_in(client, "alice")
    client.post("/accounts/logout/")
    [came], [left] = entries(Action.LOGIN), entries(Action.LOGOUT)
    for entry in (came, left):
        assert (entry.actor, entry.actor_name, entry.address, entry.via) == (alice, "alice", "127.0.0.1", "page")


def test_a_failed_login_is_recorded_without_the_password(client: Client) -> None:
    make_agent("alice")
    log_in(client, "alice", "not-my-password")
    [entry] = entries(Action.LOGIN_FAILED)
    assert (entry.actor, entry.actor_kind, entry.actor_name) == (None, "unknown", "alice")
    assert (entry.address, entry.count) == ("127.0.0.1", 1)
    assert "not-my-password" not in str(list(AuditEntry.objects.values()))


def test_a_password_that_was_typed_as_the_name_is_not_stored(client: Client) -> None:
    alice = make_agent("alice")
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")
    for name in ("my-password", "other", "my-password", "ALICE", "Alice@example.com"):
        log_in(client, name, "x")
    lines = [(entry.actor_name, entry.count) for entry in entries(Action.LOGIN_FAILED)]
    assert lines == [(audit_log.unknown_name("my-password"), 2), (audit_log.unknown_name("other"), 1), ("alice", 2)]
    assert "my-password" not in str(list(AuditEntry.objects.values()))


def test_repeats_within_a_minute_are_counted_in_one_line() -> None:
    make_agent("alice")
    now = timezone.now()
    for seconds in (0, 10, 59, 61):
        with time_machine.travel(now + timedelta(seconds=seconds), tick=False):
            audit_log.record_failed_login("alice")
    audit_log.record_failed_login("bob")
    first, second, _bob = entries(Action.LOGIN_FAILED)
    assert (first.actor_name, first.count, first.last_at) == ("alice", 3, now + timedelta(seconds=59))
    assert (second.actor_name, second.count) == ("alice", 1)


def test_other_addresses_have_lines_of_their_own() -> None:
    make_agent("alice")
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        with audit_log.origin_of(RequestFactory().get("/", REMOTE_ADDR=address)):
            audit_log.record_failed_login("alice")
    assert [(entry.address, entry.count) for entry in entries(Action.LOGIN_FAILED)] == [
        ("192.0.2.1", 2),
        ("192.0.2.2", 1),
    ]


def test_a_stranger_with_many_names_cannot_fill_the_disk() -> None:
    with time_machine.travel(timezone.now(), tick=False):
        for number in range(audit_log.FAILED_LIMIT + 50):
            audit_log.record_failed_login(f"name{number}")
    lines = entries(Action.LOGIN_FAILED)
    assert len(lines) == audit_log.FAILED_LIMIT + 1
    assert (lines[-1].actor_name, lines[-1].count) == ("(many names)", 50)


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b", "", "١"])
def test_any_name_can_be_typed(client: Client, name: str) -> None:
    audit_signals._login_failed({"username": name})
    assert len(entries(Action.LOGIN_FAILED)[0].actor_name) <= 200
    assert log_in(client, name, "x").status_code == 200


def test_an_email_change_at_the_account_page_is_recorded() -> None:
    from allauth.account import signals
    from allauth.account.models import EmailAddress

    alice = make_agent("alice")
    old, new = (EmailAddress(user=alice, email=f"{name}@example.org") for name in ("old", "new"))
    signals.email_changed.send(User, request=None, user=alice, from_email_address=old, to_email_address=new)
    signals.email_removed.send(User, request=None, user=alice, email_address=old)
    assert [entry.sentence for entry in entries(Action.EMAIL)] == [
        "E-mail address changed from old@example.org to new@example.org.",
        "E-mail address old@example.org removed.",
    ]


def test_changes_of_the_second_factor_are_recorded_as_who_made_them() -> None:
    """allauth's signals, as sent when `allauth.mfa` is installed; the receivers do not need its tables."""
    from types import SimpleNamespace

    alice, admin = make_agent("alice"), make_admin()
    app = SimpleNamespace(get_type_display=lambda: "TOTP authenticator")
    received = [audit_signals.authenticator_receiver(verb) for verb in ("added", "removed")]
    received[0](request=SimpleNamespace(user=alice), user=alice, authenticator=app)
    received[1](request=SimpleNamespace(user=admin), user=alice, authenticator=app)
    assert [(entry.actor, entry.object_name, entry.sentence) for entry in entries(Action.MFA)] == [
        (alice, "alice", "TOTP authenticator added."),
        (admin, "alice", "TOTP authenticator removed."),
    ]


# --- Entries
def test_an_entry_is_written_with_its_action_or_not_at_all() -> None:
    client = client_of(make_admin())
    with database_faults.failing(f'INSERT INTO "{AuditEntry._meta.db_table}"'), pytest.raises(DatabaseError):
        client.post("/admin/desk/department/add/", {"name": "Sales"})
    assert not Department.objects.exists()


def test_names_stay_after_the_person_and_the_object_are_gone() -> None:
    alice, department = make_agent("alice"), make_department("Sales")
    audit_log.record(alice, department, audit_log.CHANGE, "Renamed.")
    department.delete()
    alice.delete()
    entry = AuditEntry.objects.get(sentence="Renamed.")
    assert (entry.actor, entry.actor_name, entry.object_name) == (None, "alice", "Sales")


def test_outside_of_a_request_nobody_has_an_address() -> None:
    client_of(make_admin()).get("/admin/")
    entry = audit_log.record(audit_log.SYSTEM, make_department(), audit_log.CHANGE, "Done.")
    assert (entry.address, entry.via, entry.actor_kind) == (None, "internal", "system")


def test_the_history_of_an_object_is_for_who_may_see_it() -> None:
    admin, department = make_admin(), make_department("Sales")
    client = client_of(admin)
    client.post(f"/admin/desk/department/{department.pk}/change/", {"name": "Service"})
    url = f"/admin/desk/department/{department.pk}/history/"
    assert "Changed Name." in text(client.get(url))
    assert client_of(auditor()).get(url).status_code == 403
    assert client.get("/admin/desk/department/987654/history/").status_code == 404


# --- The page
@pytest.fixture
def filled() -> dict[str, User]:
    """Three entries of two people, and one of Facebook, on three days."""
    people = {"alice": make_agent("alice"), "admin": make_admin()}
    department = make_department("Sales")
    days: list[tuple[int, Any, str, str]] = [
        (3, people["alice"], Action.EXPORTED, "Exported with internal notes."),
        (2, people["admin"], Action.CHANGED, "Renamed to Service."),
        (1, audit_log.FACEBOOK, Action.FACEBOOK, "Facebook reported a removal."),
        (0, people["admin"], Action.ADDED, "Created 100% anew_."),
    ]
    for days_ago, actor, action, sentence in days:
        with time_machine.travel(datetime(2026, 3, 10, 23, 30, tzinfo=timezone.get_current_timezone())):
            entry = audit_log.record(actor, department, action, sentence)
        AuditEntry.objects.filter(pk=entry.pk).update(at=entry.at - timedelta(days=days_ago))
    return people


def sentences(client: Client, **filters: str) -> list[str]:
    page = text(client.get(HISTORY, filters))
    shown = AuditEntry.objects.exclude(action=Action.LOGIN).order_by("-pk").values_list("sentence", flat=True)
    return [sentence.split()[0] for sentence in shown if sentence in page]


FILTERS: list[tuple[Callable[[dict[str, User]], dict[str, str]], list[str]]] = [
    (lambda _people: {}, ["Created", "Facebook", "Renamed", "Exported"]),
    (lambda people: {"person": str(people["alice"].pk)}, ["Exported"]),
    (lambda _people: {"person": "facebook"}, ["Facebook"]),
    (lambda _people: {"action": "changed"}, ["Renamed"]),
    (lambda _people: {"q": "service RENAMED"}, ["Renamed"]),
    (lambda _people: {"q": "100%"}, ["Created"]),
    (lambda _people: {"q": "anew ＣＲÉATED"}, ["Created"]),
    (lambda _people: {"q": "sales remov"}, ["Facebook"]),
    (lambda _people: {"q": "emoval"}, []),
    (lambda _people: {"q": "renamed reported"}, []),
    (lambda _people: {"q": "anew_."}, ["Created"]),
    (lambda _people: {"since": "2026-03-09"}, ["Created", "Facebook"]),
    (lambda _people: {"since": "2026-03-08", "until": "2026-03-09"}, ["Facebook", "Renamed"]),
    (lambda _people: {"person": "facebook", "action": "changed"}, []),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
def test_entries_are_filtered(
    filled: dict[str, User], filters: Callable[[dict[str, User]], dict[str, str]], expected: list[str]
) -> None:
    assert sentences(client_of(auditor()), **filters(filled)) == expected


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ({"since": "yesterday"}, "Enter a valid date."),
        ({"since": "2026-03-09", "until": "2026-03-01"}, "before the first day"),
        ({"person": "987654"}, "Select a valid choice"),
        ({"action": "x"}, "Select a valid choice"),
        ({"q": "x" * 201}, "at most 200 characters"),
        ({"q": "\x00"}, "Null characters are not allowed."),
    ],
)
def test_a_wrong_filter_is_said_and_shows_nothing(
    filled: dict[str, User], filters: dict[str, str], sentence: str
) -> None:
    answer = client_of(auditor()).get(HISTORY, filters)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert "Renamed" not in text(answer)


def chips(page: str, label: str) -> dict[str, dict[str, str]]:
    """Return the words of the chips with the query of each; that of the chosen one also has `here`."""
    group = page[page.index(f'aria-label="{label}"') :]
    links = re.findall(r'href="\?([^"]*)"( aria-current="true")? ?>([^<]*)</a>', group[: group.index("</nav>")])
    return {
        words.strip(): dict(parse_qsl(query.replace("&amp;", "&"))) | ({"here": "yes"} if here else {})
        for query, here, words in links
    }


def test_persons_and_actions_are_chips_that_keep_the_other_filters(filled: dict[str, User]) -> None:
    client = client_of(auditor())
    kept = {"q": "renamed & moved", "since": "2026-03-01"}
    page = html_of(client.get(HISTORY, {**kept, "action": "changed"}))
    assert chips(page, "Action")["Changed"] == {**kept, "action": "changed", "here": "yes"}
    assert chips(page, "Action")["All actions"] == kept
    assert chips(page, "Action").keys() == {"All actions", *AuditEntry.Action.labels}
    shown = chips(page, "Person")
    assert shown["Everybody"] == {**kept, "action": "changed", "here": "yes"}
    assert shown["Facebook"] == {**kept, "action": "changed", "person": "facebook"}
    assert shown["admin"] == {**kept, "action": "changed", "person": str(filled["admin"].pk)}
    assert '<input type="hidden" name="action" value="changed">' in page


def test_only_persons_who_acted_lately_have_a_chip(filled: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> None:
    idle = make_agent("idle")
    client = client_of(auditor())
    assert "idle" not in chips(html_of(client.get(HISTORY)), "Person")
    assert chips(html_of(client.get(HISTORY, {"person": str(idle.pk)})), "Person")["idle"]["here"] == "yes"
    monkeypatch.setattr(history_page, "RECENT_ENTRIES", 1)  # a limit, lowered: the newest entry is by the auditor
    assert chips(html_of(client.get(HISTORY)), "Person").keys() & {"admin", "alice", "auditor"} == {"auditor"}


def test_pages_are_read_by_key_in_both_directions(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    admin = make_admin()
    for number in range(history_page.PER_PAGE * 2 + 5):
        audit_log.record(admin, None, Action.CHANGED, f"Number {number:03}.")
    every = AuditEntry.objects.all()
    first = history_page.read_page(every, None, None)
    assert first.newer is None
    second = history_page.read_page(every, first.older, None)
    third = history_page.read_page(every, second.older, None)
    assert third.older is None
    assert [*first.entries, *second.entries, *third.entries] == list(every)
    assert history_page.read_page(every, None, third.newer).entries == second.entries
    assert history_page.read_page(every, None, second.newer).entries == first.entries
    client = client_of(auditor())
    with django_assert_max_num_queries(10):
        page = text(client.get(HISTORY, {"q": "Number", "before": str(first.older)}))
    assert f"q=Number&amp;before={second.older}" in page
    assert client_of(admin).get(HISTORY, {"before": "9" * 40}).status_code == 200


@pytest.mark.parametrize("searched", [3, 10, 60, 1000])
def test_a_search_reads_so_many_entries_at_a_time_and_goes_on_without_a_gap(
    monkeypatch: pytest.MonkeyPatch, searched: int
) -> None:
    monkeypatch.setattr(history_page, "SEARCH_ROWS", searched)  # limits, lowered: the entries below pass them
    monkeypatch.setattr(history_page, "PER_PAGE", 5)
    admin = make_admin()
    for number in range(40):
        audit_log.record(admin, None, Action.CHANGED, f"{'Wanted' if number % 4 == 1 else 'Other'} {number:02}.")
    form = history_page.Filters({"q": "WÄNTED"})
    every, matches = form.entries(), form.matches()
    wanted = [entry.pk for entry in every if entry.sentence.startswith("Wanted")]
    assert len(wanted) == 10
    pages = [history_page.read_page(every, None, None, matches)]
    while pages[-1].older is not None:
        pages.append(history_page.read_page(every, pages[-1].older, None, matches))
    assert [entry.pk for page in pages for entry in page.entries] == wanted
    assert all(page.searched_to for page in pages[:-1] if len(page.entries) < 5)
    back = [pages[-1]]
    while back[-1].newer is not None:
        back.append(history_page.read_page(every, None, back[-1].newer, matches))
    seen = [[entry.pk for entry in page.entries] for page in back]
    assert sorted({pk for keys in seen for pk in keys}, reverse=True) == wanted
    assert all(keys == sorted(keys, reverse=True) for keys in seen)
    page = text(client_of(auditor()).get(HISTORY, {"q": "nowhere"}))
    assert ("Searched as far as" in page) == (searched < 40)
    assert ("Nothing matches so far" in page) == (searched < 40)


def test_an_entry_is_found_by_the_beginning_of_its_address() -> None:
    entry = audit_log.record(make_admin(), None, Action.CHANGED, "Renamed.")
    AuditEntry.objects.filter(pk=entry.pk).update(address="2001:db8::7")
    client = client_of(auditor())
    for typed, is_found in (("2001:DB8", True), ("2001:db8 renamed", True), ("db8", False), ("2001:db8::8", False)):
        assert ("Renamed." in text(client.get(HISTORY, {"q": typed}))) == is_found, typed


def test_the_page_is_for_who_may_view_the_history() -> None:
    for client, status in (
        (client_of(auditor("view_user")), 403),
        (client_of(make_agent("alice")), 403),
        (Client(), 302),
    ):
        assert client.get(HISTORY).status_code == status
        assert client.post(f"{HISTORY}export/").status_code == status
    admin = client_of(make_admin())
    for method in ("add", "1/change", "1/delete"):
        assert admin.post(f"{HISTORY}{method}/", {"post": "yes"}).status_code in (302, 403)


# --- The export
def export(client: Client, **filters: str) -> list[dict[str, str]]:
    answer = client.post(f"{HISTORY}export/", filters)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment")
    return list(csv.DictReader(io.StringIO(streamed(answer).decode("utf-8-sig"))))


def test_what_is_shown_is_exported_and_that_is_recorded(filled: dict[str, User]) -> None:
    viewer = auditor()
    rows = export(client_of(viewer), person=str(filled["admin"].pk), q="Renamed")
    assert [(row["person"], row["what"], row["object"], row["action"]) for row in rows] == [
        ("admin", "Renamed to Service.", "Sales", "Changed")
    ]
    entry = entries(Action.EXPORTED)[-1]
    assert entry.actor == viewer
    assert entry.sentence.startswith("Exported 1 entry of the history as CSV (a search, Person")


def test_no_cell_is_a_formula() -> None:
    admin = make_admin()
    dangerous = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1"]
    for name in dangerous:
        User.objects.create(username=name)
        audit_log.record_failed_login(name)
    rows = export(client_of(admin), action="login_failed")
    assert sorted(row["person"] for row in rows) == sorted(f"'{name}" for name in dangerous)


def test_a_get_exports_nothing() -> None:
    assert client_of(make_admin()).get(f"{HISTORY}export/")["Location"] == HISTORY
    assert not entries(Action.EXPORTED)
