"""E-mail about accounts: who gets some, what it tells a stranger, and where its links lead."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ
from pytest_django import Settings

from desk.models import User
from tests.desk.accounts.codes import code_of
from tests.desk.accounts.queue import run_queued_tasks
from tests.factories import PASSWORD, make_agent
from tests.http import Response
from tests.pages import html_of

pytestmark = pytest.mark.django_db
RESET = "/accounts/password/reset/"
PUBLIC = "https://desk.example"
NEW_PASSWORD = "another-long-passphrase"


@pytest.fixture
def alice(settings: Settings) -> User:
    settings.PUBLIC_URL = PUBLIC
    settings.ALLOWED_HOSTS = ["testserver", "evil.example"]
    user = make_agent("alice")
    user.email = "Alice@shop.example"
    user.save()
    return user


def ask(email: str, client: Client | None = None, **headers: Any) -> Response:
    return (client or Client()).post(RESET, {"email": email}, **headers)


def link_in(message: EmailMessage) -> str:
    [link] = re.findall(r"https?://\S+/password/\S+", str(message.body))
    return link


def test_the_link_lets_choose_a_new_password_once(alice: User, mailoutbox: list[EmailMessage]) -> None:
    client = Client()
    assert "If there is an account with this address" in html_of(
        client.post(RESET, {"email": alice.email}, follow=True)
    )
    run_queued_tasks()
    [message] = mailoutbox
    assert message.to == [alice.email]
    assert "alice" in str(message.body)
    link = link_in(message).removeprefix(PUBLIC)
    form = client.get(link)["Location"]
    client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    alice.refresh_from_db()
    assert alice.check_password(NEW_PASSWORD)
    assert "_auth_user_id" not in client.session
    again = Client()
    assert again.get(link).status_code == 200  # no redirect to the form
    assert "This link no longer works" in html_of(again.get(link))


def test_a_reset_ends_all_sessions(alice: User, mailoutbox: list[EmailMessage]) -> None:
    thief = Client()
    thief.force_login(alice)
    ask("alice@SHOP.example")
    run_queued_tasks()
    client = Client()
    form = client.get(link_in(mailoutbox[0]).removeprefix(PUBLIC))["Location"]
    client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert thief.get("/inbox/").status_code == 302


@pytest.mark.parametrize("who", ["unknown", "inactive", "without password"])
def test_others_get_no_mail_and_the_same_answer(alice: User, mailoutbox: list[EmailMessage], who: str) -> None:
    known = ask(alice.email.lower())
    OrmQ.objects.all().delete()
    if who == "inactive":
        alice.is_active = False
    elif who == "without password":
        alice.set_unusable_password()
    alice.save()
    answer = ask("nobody@shop.example" if who == "unknown" else alice.email)
    assert (answer.status_code, answer["Location"]) == (known.status_code, known["Location"])
    run_queued_tasks()
    assert mailoutbox == []


def test_the_page_does_the_same_work_for_everybody(alice: User) -> None:
    """It reads nothing about the address, so its time tells nothing about it."""
    counts = []
    for email in (alice.email, "nobody@shop.example"):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            ask(email)
        counts.append([re.sub(r"'[^']*'|\d+", "", each["sql"])[:60] for each in queries])
    assert counts[0] == counts[1]
    assert not [sql for sql in counts[0] if "desk_user" in sql or "emailaddress" in sql]


def test_a_forged_host_changes_no_link(
    alice: User,
    mailoutbox: list[EmailMessage],
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]],
) -> None:
    ask(alice.email, HTTP_HOST="evil.example")
    client = Client()
    client.force_login(alice)
    client.post("/accounts/email/", {"action_add": "", "email": "new@shop.example"}, HTTP_HOST="evil.example")
    client.get("/accounts/2fa/totp/activate/", HTTP_HOST="evil.example")
    code = code_of(client.session["mfa.totp.secret"])
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/2fa/totp/activate/", {"code": code}, HTTP_HOST="evil.example")
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post("/accounts/password/change/", fields, HTTP_HOST="evil.example")
    run_queued_tasks()
    assert Authenticator.objects.filter(user=alice).count() == 2
    assert {message.to[0].lower() for message in mailoutbox} == {alice.email.lower(), "new@shop.example"}
    assert len(mailoutbox) == 4
    for message in mailoutbox:
        assert "evil" not in f"{message.subject} {message.body}"
        assert PUBLIC in str(message.body)


def test_a_user_learns_of_changes_in_the_account(alice: User, mailoutbox: list[EmailMessage]) -> None:
    client = Client()
    client.force_login(alice)
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post("/accounts/password/change/", fields, REMOTE_ADDR="192.0.2.7")
    run_queued_tasks()
    [message] = mailoutbox
    assert "password of your account in Desk was changed" in str(message.body)
    assert "192.0.2.7" in str(message.body)


def test_a_mail_server_that_is_away_stops_no_page(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmailMessage, "send", lambda _self: 1 / 0)
    assert ask(alice.email).status_code == 302
