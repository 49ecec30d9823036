"""Two-step login: codes, recovery codes, who must have it, and what to do when a device is lost."""

from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from desk.accounts import gate
from desk.live import sse
from desk.models import User
from tests.desk.accounts.codes import code_of, protect
from tests.desk.accounts.streams import stream_user
from tests.factories import PASSWORD, make_admin, make_agent
from tests.http import Response
from tests.pages import html_of

pytestmark = pytest.mark.django_db
SECOND_STEP = "/accounts/2fa/authenticate/"
OVERVIEW = "/accounts/2fa/"


def log_in(client: Client, name: str = "admin") -> Response:
    return client.post("/accounts/login/", {"login": name, "password": PASSWORD})


def enter(client: Client, code: str) -> Response:
    return client.post(SECOND_STEP, {"code": code})


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.fixture
def admin() -> User:
    return make_admin()


def test_the_password_alone_does_not_log_in(client: Client, admin: User) -> None:
    secret = protect(admin)
    assert log_in(client)["Location"] == SECOND_STEP
    assert not is_in(client)
    assert client.get("/admin/").status_code == 302
    assert enter(client, code_of(secret)).status_code == 302
    assert is_in(client)


def test_a_wrong_code_does_not_log_in(client: Client, admin: User) -> None:
    secret = protect(admin)
    log_in(client)
    wrong = "000000" if code_of(secret) != "000000" else "111111"
    assert "not correct" in html_of(enter(client, wrong))
    assert not is_in(client)


def test_a_code_works_once(admin: User) -> None:
    secret = protect(admin)
    code = code_of(secret)
    first, second = Client(), Client()
    for browser in (first, second):
        log_in(browser)
        enter(browser, code)
    assert is_in(first)
    assert not is_in(second)


def test_codes_cannot_be_guessed(client: Client, admin: User) -> None:
    secret = protect(admin)
    log_in(client)
    for number in range(5):
        enter(client, f"{number:06}")
    assert "Too many" in html_of(enter(client, code_of(secret)))
    assert not is_in(client)


def test_a_recovery_code_works_once(admin: User) -> None:
    protect(admin)
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    first, second = Client(), Client()
    for browser in (first, second):
        log_in(browser)
        enter(browser, codes[0])
    assert is_in(first)
    assert not is_in(second)


def test_an_agent_sets_it_up_and_gets_recovery_codes(client: Client) -> None:
    user = make_agent("alice")
    client.force_login(user)
    page = html_of(client.get("/accounts/2fa/totp/activate/"))
    secret = client.session["mfa.totp.secret"]
    assert secret in page
    answer = client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}, follow=True)
    codes = Authenticator.objects.get(user=user, type="recovery_codes").wrap().get_unused_codes()
    assert len(codes) == 10
    assert all(code in html_of(answer) for code in codes)


# --- Demanded


@pytest.fixture
def demanded(settings: Settings) -> Settings:
    settings.DESK_REQUIRE_MFA = "staff"
    return settings


@pytest.mark.parametrize("path", ["/admin/", "/inbox/", "/", "/inbox/rows/", "/admin/instant-messaging/messenger/"])
def test_without_it_an_administrator_opens_no_other_page(
    client: Client, admin: User, demanded: Settings, path: str
) -> None:
    client.force_login(admin)
    assert client.get(path)["Location"] == OVERVIEW
    assert client.post(path).status_code == 403
    part = client.get(path, headers={"HX-Request": "true"})
    assert (part.status_code, part["HX-Redirect"]) == (401, OVERVIEW)


@pytest.mark.slow
def test_every_view_is_behind_the_demand_except_the_named_ones(client: Client, admin: User, demanded: Settings) -> None:
    """A view that somebody adds later is behind it too."""
    client.force_login(admin)
    names = [name for name in simple_url_names() if name not in gate.BEFORE_MFA]
    assert len(names) > 30
    for name in names:
        answer = client.get(simple_url_names()[name])
        assert (answer.status_code, answer.headers.get("Location")) in {(302, OVERVIEW), (404, None)}, name


def simple_url_names() -> dict[str, str]:
    """Return the URLs that need no argument, by the name of their view."""
    from django.urls import URLResolver, get_resolver

    found: dict[str, str] = {}

    def walk(patterns: list[Any], prefix: str, namespace: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern).lstrip("^")
            if isinstance(pattern, URLResolver):
                inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
                walk(pattern.url_patterns, path, inner)
            elif pattern.name and not set(path) & set("<(^\\$["):
                found[namespace + pattern.name] = "/" + path

    walk(get_resolver().url_patterns, "", "")
    return {
        name: path for name, path in found.items() if name not in {"healthz", "readyz", "metrics"}
    }  # answered before


def test_the_named_views_exist_and_let_it_be_set_up(client: Client, admin: User, demanded: Settings) -> None:
    client.force_login(admin)
    assert "Set up" in html_of(client.get(OVERVIEW))
    client.get("/accounts/2fa/totp/activate/")
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(client.session["mfa.totp.secret"])})
    assert client.get("/accounts/2fa/recovery-codes/").status_code == 200
    assert client.get("/admin/").status_code == 200


def test_without_it_an_administrator_receives_no_live_updates(
    client: Client, admin: User, demanded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "close_old_connections", lambda: None)
    client.force_login(admin)
    assert stream_user(client) is None
    protect(admin)
    assert stream_user(client) == admin.pk


def test_recovery_codes_alone_are_no_second_step(client: Client, admin: User, demanded: Settings) -> None:
    protect(admin)
    Authenticator.objects.exclude(type="recovery_codes").delete()
    client.force_login(admin)
    assert client.get("/admin/")["Location"] == OVERVIEW


def test_agents_are_left_alone_unless_everyone_must(client: Client, demanded: Settings) -> None:
    client.force_login(make_agent("alice"))
    assert client.get("/inbox/").status_code == 200
    demanded.DESK_REQUIRE_MFA = "everyone"
    assert client.get("/inbox/")["Location"] == OVERVIEW


def test_strangers_and_api_clients_notice_nothing(client: Client, demanded: Settings) -> None:
    assert client.get("/inbox/")["Location"].startswith("/accounts/login/")
    assert client.get("/accounts/login/").status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/v1/channels/").status_code == 401


# --- A lost device
def reset(name: str) -> str:
    out = StringIO()
    call_command("reset_mfa", name, stdout=out)
    return out.getvalue()


def test_after_a_loss_the_password_is_enough_and_all_sessions_have_ended(admin: User) -> None:
    secret = protect(admin)
    lost, new = Client(), Client()
    log_in(lost)
    enter(lost, code_of(secret))
    assert "removed. Sessions ended: 1." in reset("admin")
    assert not Authenticator.objects.exists()
    assert not UserSession.objects.exists()
    assert lost.get("/admin/").status_code == 302
    log_in(new)
    assert is_in(new)
    assert "has no two-step login" in reset("admin")


def test_an_unknown_user_is_said_plainly() -> None:
    with pytest.raises(CommandError, match="no user “nobody”"):
        reset("nobody")
