"""The login page of everybody, and what it does not offer."""

from typing import Any

import pytest
from django.test import Client

from desk.models import User
from tests.factories import PASSWORD, make_admin, make_agent
from tests.http import Response
from tests.pages import html_of

LOGIN = "/accounts/login/"


def text(response: Response) -> str:
    return html_of(response)


def log_in(client: Client, username: str, password: str = PASSWORD, **fields: Any) -> Response:
    return client.post(LOGIN, {"login": username, "password": password, **fields})


@pytest.mark.django_db
def test_agents_and_administrators_log_in_on_the_same_page(client: Client) -> None:
    make_agent("alice")
    make_admin("admin")
    for name in ("alice", "admin"):
        browser = Client()
        assert log_in(browser, name).status_code == 302
        assert browser.session["_auth_user_id"]


@pytest.mark.django_db
def test_setup_sends_a_stranger_to_that_page_and_back(client: Client) -> None:
    make_admin("admin")
    response = client.get("/admin/desk/department/", follow=True)
    login, _status = response.redirect_chain[-1]
    assert login.startswith(LOGIN)
    assert log_in(client, "admin", next="/admin/desk/department/")["Location"] == "/admin/desk/department/"


@pytest.mark.django_db
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_login_leads_to_no_other_site(client: Client, target: str) -> None:
    make_admin("admin")
    assert "evil" not in log_in(client, "admin", next=target)["Location"]
    response = client.get("/admin/login/", {"next": target})
    assert response["Location"] == "/admin/"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/logout/", "/accounts/reauthenticate/"])
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
def test_neither_logout_nor_a_repeated_password_leads_to_another_site(client: Client, path: str, target: str) -> None:
    client.force_login(make_admin("admin"))
    answer = client.post(path, {"next": target, "password": PASSWORD})
    assert answer.status_code == 302
    assert "evil" not in answer["Location"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", [LOGIN, "/accounts/2fa/webauthn/login/", "/accounts/logout/", "/accounts/sessions/"])
def test_no_other_site_logs_anybody_in_or_out(path: str) -> None:
    make_admin("admin")
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(path, {"login": "admin", "password": PASSWORD}).status_code == 403


@pytest.mark.django_db
def test_password_managers_learn_which_field_is_which(client: Client) -> None:
    login = text(client.get(LOGIN))
    assert 'autocomplete="username"' in login
    assert 'autocomplete="current-password"' in login
    client.force_login(make_agent("alice"))
    change = text(client.get("/accounts/password/change/"))
    assert change.count('autocomplete="new-password"') == 2
    assert 'autocomplete="current-password"' in change
    assert 'autocomplete="one-time-code"' in text(client.get("/accounts/2fa/totp/activate/"))


@pytest.mark.django_db
def test_a_wrong_login_does_not_say_which_part_was_wrong(client: Client) -> None:
    make_agent("alice")
    known, unknown = (text(log_in(client, name, "wrong")) for name in ("alice", "nobody"))
    assert "username and/or password" in known
    assert "username and/or password" in unknown


@pytest.mark.django_db
def test_a_deactivated_person_does_not_get_in(client: Client) -> None:
    user = make_agent("alice")
    user.is_active = False
    user.save()
    log_in(client, "alice")
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
def test_nobody_signs_up(client: Client) -> None:
    assert "No sign-up" in text(client.get("/accounts/signup/"))
    client.post("/accounts/signup/", {"username": "me", "password1": "a-long-password-1"})
    assert not User.objects.exists()


@pytest.mark.django_db
def test_facebook_is_not_offered(client: Client) -> None:
    assert "acebook" not in text(client.get(LOGIN))


@pytest.mark.django_db
def test_an_agent_in_setup_reads_whom_it_is_for(client: Client) -> None:
    client.force_login(make_agent("alice"))
    response = client.get("/admin/")
    assert response.status_code == 403
    assert "Setup is for administrators." in text(response)
    assert "You are logged in as <b>alice</b>." in text(response)


@pytest.mark.django_db
def test_logging_out_of_setup_leads_to_the_login(client: Client) -> None:
    client.force_login(make_admin())
    response = client.post("/admin/logout/")
    assert response["Location"] == LOGIN
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["login", "logout", "password/reset", "password/change"])
def test_the_pages_of_accounts_have_no_script_or_style_of_their_own(path: str) -> None:
    client = Client()
    client.force_login(make_agent("alice")) if path in ("logout", "password/change") else None
    page = text(client.get(f"/accounts/{path}/"))
    assert "entrance__card" in page
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page
