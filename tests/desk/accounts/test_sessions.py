"""Sessions end without activity and after a time; the list of a user's sessions; a new password ends the others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.test import Client
from pytest_django import Settings

from desk.accounts.views import device_of
from desk.live import sse
from tests.desk.accounts.streams import stream_user
from tests.factories import PASSWORD, make_admin, make_agent
from tests.http import Response
from tests.pages import html_of

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SESSIONS = "/accounts/sessions/"
NEW_PASSWORD = "another-long-passphrase"


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream's reading of the session runs in the test's thread, whose connection must stay open."""
    monkeypatch.setattr(sse, "close_old_connections", lambda: None)


def log_in(name: str, **headers: Any) -> Client:
    client = Client(**headers)
    assert client.post("/accounts/login/", {"login": name, "password": PASSWORD}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/inbox/").status_code == 200


def test_a_session_ends_without_activity(settings: Settings) -> None:
    settings.DESK_SESSION_IDLE = 3600
    make_agent("alice")
    with time_machine.travel(START, tick=False) as clock:
        client = log_in("alice")
        clock.shift(timedelta(minutes=59))
        assert is_in(client)
        clock.shift(timedelta(minutes=59))
        assert is_in(client)
        assert stream_user(client)
        clock.shift(timedelta(minutes=60))
        assert not stream_user(client)
        answer = client.get("/inbox/")
        assert answer["Location"].startswith("/accounts/login/")
        assert "Your session has ended" in html_of(client.get(answer["Location"]))


@pytest.mark.parametrize(
    "headers",
    [
        {"HX-Request": "true"},
        {"X-Requested-With": "fetch"},
        {"Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Dest": "image"},
        {"HX-Request": "true", "Sec-Fetch-Dest": "empty"},
    ],
)
def test_what_an_open_page_requests_by_itself_keeps_no_session(settings: Settings, headers: dict[str, str]) -> None:
    settings.DESK_SESSION_IDLE = 3600
    make_agent("alice")
    with time_machine.travel(START, tick=False) as clock:
        client = log_in("alice")
        for _ in range(3):
            clock.shift(timedelta(minutes=19))
            assert client.get("/inbox/rows/", headers=headers).status_code == 200
        clock.shift(timedelta(minutes=5))
        assert not is_in(client)


@pytest.mark.parametrize(
    "headers", [{"HX-Request": "true", "X-Desk-Activity": "yes"}, {"Sec-Fetch-Dest": "document"}, {}]
)
def test_what_a_person_does_keeps_it(settings: Settings, headers: dict[str, str]) -> None:
    settings.DESK_SESSION_IDLE = 3600
    make_agent("alice")
    with time_machine.travel(START, tick=False) as clock:
        client = log_in("alice")
        for _ in range(3):
            clock.shift(timedelta(minutes=40))
            assert client.get("/inbox/rows/", headers=headers).status_code == 200


def test_a_session_ends_in_any_case(settings: Settings) -> None:
    settings.DESK_SESSION_MAX = 2 * 86_400
    make_agent("alice")
    with time_machine.travel(START, tick=False) as clock:
        client = log_in("alice")
        for _ in range(3):
            clock.shift(timedelta(hours=15))
            assert is_in(client)
        clock.shift(timedelta(hours=3))
        assert not stream_user(client)
        assert not is_in(client)


def test_administrators_are_logged_out_sooner() -> None:
    make_agent("alice")
    make_admin("admin")
    with time_machine.travel(START, tick=False) as clock:
        alice, admin = log_in("alice"), log_in("admin")
        clock.shift(timedelta(hours=13))
        assert is_in(alice)
        assert not is_in(admin)


def test_a_session_that_counts_nothing_has_ended() -> None:
    """One from before the limits, or made by something else."""
    client = Client()
    client.force_login(make_agent("alice"))
    session = client.session
    del session["desk_started_at"]
    session.save()
    assert not stream_user(client)
    assert not is_in(client)


# --- The list
def listed(client: Client) -> str:
    return html_of(client.get(SESSIONS))


def test_the_list_shows_device_address_and_which_one_is_here() -> None:
    make_agent("alice")
    log_in("alice", HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.7")
    here = log_in("alice", REMOTE_ADDR="192.0.2.8")
    page = listed(here)
    assert "Firefox on Windows" in page
    assert "192.0.2.7" in page
    assert "192.0.2.8" in page
    assert page.count("This session") == 1


def test_last_seen_follows_activity() -> None:
    make_agent("alice")
    with time_machine.travel(START, tick=False) as clock:
        client = log_in("alice")
        clock.shift(timedelta(minutes=30))
        client.get("/inbox/")
    assert UserSession.objects.get().last_seen_at == START + timedelta(minutes=30)


def end(client: Client, **fields: str) -> Response:
    return client.post(SESSIONS, fields)


def test_one_session_is_logged_out() -> None:
    make_agent("alice")
    lost, here = log_in("alice"), log_in("alice")
    end(here, session=str(UserSession.objects.order_by("pk")[0].pk))
    assert not stream_user(lost)
    assert not is_in(lost)
    assert stream_user(here)
    assert is_in(here)


def test_the_others_and_all_are_logged_out() -> None:
    make_agent("alice")
    make_agent("bob")
    first, second, here, bob = log_in("alice"), log_in("alice"), log_in("alice"), log_in("bob")
    end(here, others="yes")
    assert [is_in(client) for client in (first, second, here)] == [False, False, True]
    again = log_in("alice")
    assert end(here, everywhere="yes")["Location"] == "/accounts/login/"
    assert [is_in(client) for client in (again, here, bob)] == [False, False, True]


@pytest.mark.parametrize("pk", ["", "x", "-1", "9" * 30, "٣"])
def test_a_session_that_is_none_ends_nothing(pk: str) -> None:
    make_agent("alice")
    here = log_in("alice")
    assert end(here, session=pk).status_code == 302
    assert is_in(here)


def test_nobody_ends_the_session_of_somebody_else() -> None:
    make_agent("alice")
    make_agent("bob")
    alice, bob = log_in("alice"), log_in("bob")
    end(bob, session=str(UserSession.objects.get(user__username="alice").pk))
    assert is_in(alice)


def test_a_new_password_ends_the_other_sessions() -> None:
    make_agent("alice")
    other, here = log_in("alice"), log_in("alice")
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    here.post("/accounts/password/change/", fields)
    assert not stream_user(other)
    assert not is_in(other)
    assert is_in(here)


def test_setup_has_the_same_page_for_the_password() -> None:
    make_admin("admin")
    assert log_in("admin").get("/admin/password_change/")["Location"] == "/accounts/password/change/"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Linux"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5", "Unknown device"),
        ("", "Unknown device"),
    ],
)
def test_devices_have_names(user_agent: str, device: str) -> None:
    assert device_of(user_agent) == device


def test_a_session_gets_a_new_key_at_login(client: Client) -> None:
    """Whoever set the cookie of a stranger's browser before the login has nothing from it."""
    make_agent("alice")
    session = client.session
    session["planted"] = "yes"
    session.save()
    planted = session.session_key
    client.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    assert client.session.session_key != planted
    assert not is_in(browser_with(planted))


def browser_with(session_key: str | None) -> Client:
    browser = Client()
    browser.cookies["sessionid"] = session_key or ""
    return browser


def test_a_link_logs_nobody_out(client: Client) -> None:
    client.force_login(make_admin())
    client.get("/accounts/logout/")
    client.get("/admin/logout/")
    assert is_in(client)
