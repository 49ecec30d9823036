"""A Page's connection: lost once, told once, healed by a login."""

import smtplib
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django_q.models import OrmQ

from channels_im.models import Page
from channels_im.services.facebook import connection
from tests.factories import NOON, make_admin, make_channel, make_page, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def page():
    return make_channel(name="Shop").page


@pytest.fixture
def admin():
    admin = make_admin()
    admin.email = "admin@example.org"
    admin.save()
    return admin


def lose(page, reason="token_expired", by="send", **fields):
    return connection.require_reauth(page, reason, by, **fields)


def test_a_lost_connection_has_a_reason_a_time_and_who_noticed(page):
    assert lose(page, "password_changed", "check")

    page.refresh_from_db()
    assert not page.is_connected
    assert (page.reauth_reason, page.reauth_since, page.reauth_detected_by) == ("password_changed", NOON, "check")


def test_losing_it_again_is_no_news(page, clock):
    lose(page)
    clock.shift(60)

    assert not lose(page)
    page.refresh_from_db()
    assert page.reauth_since == NOON


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        ("password_changed", "token_expired", "password_changed"),
        ("token_expired", "permission_revoked", "token_expired"),
        ("token_expired", "password_changed", "password_changed"),
        ("permission_revoked", "page_deselected", "page_deselected"),
        ("page_deselected", "app_removed", "app_removed"),
        ("app_removed", "token_expired", "app_removed"),
        ("app_removed", "page_deselected", "app_removed"),
    ],
)
def test_the_first_reason_stays_unless_a_later_one_says_more(page, first, then, kept):
    lose(page, first)
    lose(page, then)

    page.refresh_from_db()
    assert page.reauth_reason == kept


def test_a_token_that_is_no_longer_the_pages_says_nothing(page):
    assert not lose(page, token="an older token")
    assert page.is_connected
    assert lose(page, token=page.page_token)


def test_healing_forgets_all_of_it(page):
    lose(page)

    assert connection.mark_connected(page)
    assert not connection.mark_connected(page)
    page.refresh_from_db()
    assert (page.is_connected, page.reauth_reason, page.reauth_since) == (True, "", None)


def test_administrators_get_one_e_mail_however_many_replies_fail(page, admin):
    for _ in range(10):
        lose(page)
        connection.mail_administrators()

    (message,) = mail.outbox
    assert message.to == ["admin@example.org"]


def test_the_e_mail_is_queued_and_not_sent_in_the_transaction(page, admin):
    lose(page)

    assert not mail.outbox
    assert OrmQ.objects.count() == 1


def test_the_e_mail_names_channel_page_reason_remedy_and_address(page, admin, settings):
    settings.PUBLIC_URL = "https://desk.example.org"
    lose(page, "role_lost")
    connection.mail_administrators()

    (message,) = mail.outbox
    channel = page.channels.get()
    for part in (
        "Shop",
        page.name,
        "no longer has a role on the Page",
        "Another administrator of the Page",
        f"https://desk.example.org/admin/instant-messaging/messenger/{channel.pk}/",
    ):
        assert part in message.body
    assert page.page_token not in message.body


def test_a_name_with_a_line_break_makes_no_second_header(page, admin):
    Page.objects.update(name="Shop\nBcc: someone@example.org")
    lose(page)
    connection.mail_administrators()

    assert "\n" not in mail.outbox[0].subject


def test_only_active_administrators_with_an_address_are_told(page, admin):
    make_user("staff", is_staff=True, email="staff@example.org")
    make_user("gone", is_staff=True, is_active=False, email="gone@example.org")
    make_user("agent", email="agent@example.org")
    make_admin("nameless")
    lose(page)
    connection.mail_administrators()

    assert mail.outbox[0].to == ["admin@example.org", "staff@example.org"]


def test_without_any_address_nothing_is_due_for_ever(page):
    lose(page)
    connection.mail_administrators()

    assert not connection.mail_is_due()


def test_the_next_incident_is_told_again(page, admin):
    lose(page)
    connection.mail_administrators()
    connection.mark_connected(page)
    lose(page)
    connection.mail_administrators()

    assert len(mail.outbox) == 2


def test_a_mail_server_that_refuses_is_asked_again_a_few_minutes_later(page, admin, clock, settings):
    settings.EMAIL_BACKEND = "tests.channels_im.services.test_connection.RefusingBackend"
    lose(page)
    assert connection.mail_administrators() == 0
    assert not connection.mail_is_due()
    clock.shift(timedelta(minutes=5))
    assert connection.mail_is_due()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    assert connection.mail_administrators() == 1


class RefusingBackend:
    """A mail server that says no."""

    def __init__(self, **options):
        pass

    def send_messages(self, messages):
        raise smtplib.SMTPServerDisconnected("no")


def test_trouble_keeps_the_time_it_began_and_goes_when_it_is_over(page, clock):
    connection.note_trouble(page, "page_restricted", "Facebook has restricted this page.")
    clock.shift(60)
    connection.note_trouble(page, "page_restricted", "Facebook has restricted this page more.")
    page.refresh_from_db()
    assert page.trouble["page_restricted"]["since"] == NOON.isoformat()
    assert page.trouble["page_restricted"]["sentence"].endswith("more.")
    connection.clear_trouble(page, "page_restricted")

    page.refresh_from_db()
    assert page.trouble == {}


def test_other_trouble_stays(page):
    connection.note_trouble(page, "page_restricted", "Restricted.")
    connection.note_trouble(page, "app_misconfigured", "Not live.")
    page.refresh_from_db()
    connection.clear_trouble(page, "page_restricted")

    page.refresh_from_db()
    assert list(page.trouble) == ["app_misconfigured"]


def test_a_page_without_a_channel_can_be_lost_and_told_too(admin):
    lose(make_page(name="Lonely"))
    connection.mail_administrators()

    assert "Lonely" in mail.outbox[0].body
