"""E-mail through a real mail server: the test message of Setup, and what is not told when it is not accepted."""

import logging
import time
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from channels_im.models import Page
from channels_im.services.facebook import connection
from desk import mail
from desk.models import User
from launcher.ports import free_port
from tests import smtp_server
from tests.desk.accounts.queue import run_queued_tasks
from tests.factories import make_admin, make_channel, make_page
from tests.history import changes
from tests.pages import html_of

pytestmark = pytest.mark.django_db
NONE = "django.core.mail.backends.dummy.EmailBackend"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[smtp_server.Inbox, int]]:
    with smtp_server.accepting() as running:
        yield running


@pytest.fixture
def inbox(server: tuple[smtp_server.Inbox, int], settings: Settings) -> smtp_server.Inbox:
    smtp_server.use(settings, server[1])
    server[0].messages.clear()
    server[0].refusal = ""
    return server[0]


@pytest.fixture
def admin() -> User:
    admin = make_admin()
    admin.email = "admin@example.org"
    admin.save()
    return admin


@pytest.fixture
def setup(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture
def lost() -> Page:
    page = make_channel(make_page(name="Shop")).page
    connection.require_reauth(page, "token_expired", "send")
    return page


def told(page: Page) -> bool:
    page.refresh_from_db()
    return page.reauth_mailed_at is not None


def press_test(client: Client) -> str:
    return html_of(client.post(reverse("setup:health_test_mail"), follow=True))


# --- The test message -------------------------------------------------------------------------------------------------
def test_a_test_message_arrives_and_is_in_the_history(setup: Client, inbox: smtp_server.Inbox) -> None:
    assert "accepted a test message to admin@example.org" in press_test(setup)
    (message,) = inbox.messages
    assert (message["To"], message["Subject"]) == ("admin@example.org", "Test message from Desk")
    assert "test message to admin@example.org was accepted" in changes().get().sentence


def test_the_answer_of_a_server_that_refuses_is_shown_as_it_is(setup: Client, inbox: smtp_server.Inbox) -> None:
    inbox.refusal = "550 5.7.1 Relaying denied"
    assert "refused the recipient: 550 5.7.1 Relaying denied." in press_test(setup)
    assert "550 5.7.1" in changes().get().sentence


def test_a_server_that_never_answers_is_left_after_the_time_out(setup: Client, settings: Settings) -> None:
    with smtp_server.silent() as port:
        smtp_server.use(settings, port, timeout=0.3)
        began = time.monotonic()
        assert f"The mail server 127.0.0.1:{port} did not answer within 0.3 seconds." in press_test(setup)
        assert time.monotonic() - began < 3


def test_a_port_without_a_server_is_said_so(setup: Client, settings: Settings) -> None:
    smtp_server.use(settings, free_port())
    assert "cannot be reached: Connection refused." in press_test(setup)


def test_only_those_who_may_change_channels_send_a_test_message(admin: User, inbox: smtp_server.Inbox) -> None:
    User.objects.filter(pk=admin.pk).update(is_superuser=False)
    client = Client()
    client.force_login(admin)
    assert client.post(reverse("setup:health_test_mail")).status_code == 403
    assert not inbox.messages


# --- Mail that goes nowhere -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", [NONE, "django.core.mail.backends.console.EmailBackend"])
def test_setup_says_that_e_mail_reaches_nobody(setup: Client, settings: Settings, backend: str) -> None:
    settings.EMAIL_BACKEND = backend
    home, health = html_of(setup.get("/admin/")), html_of(setup.get(reverse("setup:health")))
    assert mail.problem()
    assert mail.problem() in home
    assert "attention__item--danger" in home
    assert mail.problem() in health
    assert "Send a test mail" not in health
    assert "The test message could not be sent" in press_test(setup)


def test_with_a_server_setup_offers_the_test_message(setup: Client) -> None:
    home = html_of(setup.get("/admin/"))
    assert "E-mail is sent" in home
    assert "E-mail is turned off" not in home
    health = html_of(setup.get(reverse("setup:health")))
    assert "Send a test mail" in health
    assert "Reaches nobody" not in health


def test_e_mail_that_would_be_printed_is_not_served(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert [found.id for found in mail.check_mail()] == ["desk.E002"]
    with pytest.raises(CommandError, match="EMAIL_URL"):
        call_command("preflight", "--before-migrate")
    settings.EMAIL_BACKEND = NONE
    assert not mail.check_mail()
    call_command("preflight", "--before-migrate")


# --- Told only when it was --------------------------------------------------------------------------------------------
def test_a_lost_page_is_told_once(lost: Page, admin: User, inbox: smtp_server.Inbox) -> None:
    assert (connection.mail_administrators(), connection.mail_administrators()) == (1, 0)
    assert told(lost)
    assert len(inbox.messages) == 1


def test_a_silent_server_leaves_it_untold(lost: Page, admin: User, settings: Settings) -> None:
    with smtp_server.silent() as port:
        smtp_server.use(settings, port, timeout=0.2)
        assert connection.mail_administrators() == 0
    assert not told(lost)
    assert not connection.mail_is_due()  # not before RETRY_DELAY


def test_while_e_mail_is_off_what_happened_waits_to_be_told(
    lost: Page, admin: User, settings: Settings, inbox: smtp_server.Inbox
) -> None:
    on, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, NONE
    assert (connection.mail_is_due(), connection.mail_administrators()) == (False, 0)
    assert not told(lost)
    settings.EMAIL_BACKEND = on
    assert connection.mail_administrators() == 1
    assert told(lost)


# --- Links that reset a password --------------------------------------------------------------------------------------
def request_reset(client: Client) -> None:
    assert client.post(reverse("account_reset_password"), {"email": "admin@example.org"}).status_code == 302


def test_a_link_that_resets_a_password_arrives(admin: User, inbox: smtp_server.Inbox) -> None:
    request_reset(Client())
    run_queued_tasks()
    assert "/accounts/password/reset/key/" in inbox.messages[0].as_string()


@pytest.mark.parametrize("off", [True, False], ids=["turned off", "refused"])
def test_such_a_link_is_in_no_log_when_it_cannot_be_sent(
    admin: User, settings: Settings, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], off: bool
) -> None:
    smtp_server.use(settings, free_port())
    if off:
        settings.EMAIL_BACKEND = NONE
    with caplog.at_level(logging.INFO):
        request_reset(Client())
        run_queued_tasks()
    assert "e-mail to a user" in caplog.text
    printed = capfd.readouterr()
    assert "reset/key" not in caplog.text + printed.out + printed.err
