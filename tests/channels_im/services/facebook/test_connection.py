"""A Page's connection: a loss is recorded and reported once, and a login ends it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django_q.models import OrmQ
from pytest_django import Settings
from time_machine import Traveller

from channels_im.models import FacebookAccount, Page
from channels_im.services.facebook import connection
from desk.mail import LEASE
from desk.models import User
from tests.factories import NOON, make_admin, make_channel, make_page, make_user
from tests.matching import present

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def page() -> Page:
    return make_channel(name="Shop").page


@pytest.fixture
def admin() -> User:
    admin = make_admin()
    admin.email = "admin@example.org"
    admin.save()
    return admin


def lose(page: Page, reason: str = "token_expired", by: str = "send", **fields: Any) -> bool:
    return connection.require_reauth(page, reason, by, **fields)


@pytest.mark.slow
def test_a_lost_connection_has_a_reason_a_time_and_who_noticed(page: Page) -> None:
    assert lose(page, "password_changed", "check")

    page.refresh_from_db()
    assert not page.is_connected
    assert (page.reauth_reason, page.reauth_since, page.reauth_detected_by) == ("password_changed", NOON, "check")


def test_a_second_loss_changes_nothing(page: Page, clock: Traveller) -> None:
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
def test_the_first_reason_stays_unless_a_later_one_says_more(page: Page, first: str, then: str, kept: str) -> None:
    lose(page, first)
    lose(page, then)

    page.refresh_from_db()
    assert page.reauth_reason == kept


def test_a_token_that_is_no_longer_the_pages_says_nothing(page: Page) -> None:
    assert not lose(page, token="an older token")
    assert page.is_connected
    assert lose(page, token=page.page_token)


def test_healing_forgets_all_of_it(page: Page) -> None:
    lose(page)

    assert connection.mark_connected(page)
    assert not connection.mark_connected(page)
    page.refresh_from_db()
    assert (page.is_connected, page.reauth_reason, page.reauth_since) == (True, "", None)


def test_administrators_get_one_e_mail_however_many_replies_fail(page: Page, admin: User) -> None:
    for _ in range(10):
        lose(page)
        connection.mail_administrators()

    (message,) = mail.outbox
    assert message.to == ["admin@example.org"]


def test_the_e_mail_is_queued_and_not_sent_in_the_transaction(page: Page, admin: User) -> None:
    lose(page)

    assert not mail.outbox
    assert OrmQ.objects.count() == 1


def test_the_e_mail_names_channel_page_reason_remedy_and_address(page: Page, admin: User, settings: Settings) -> None:
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
        assert part in " ".join(str(message.body).split())
    assert present(page.page_token) not in str(message.body)


def test_a_name_with_a_line_break_makes_no_second_header(page: Page, admin: User) -> None:
    Page.objects.update(name="Shop\nBcc: someone@example.org")
    lose(page)
    connection.mail_administrators()

    assert "\n" not in mail.outbox[0].subject


def test_only_active_administrators_with_an_address_are_notified(page: Page, admin: User) -> None:
    make_user("staff", is_staff=True, email="staff@example.org")
    make_user("gone", is_staff=True, is_active=False, email="gone@example.org")
    make_user("agent", email="agent@example.org")
    make_admin("nameless")
    lose(page)
    connection.mail_administrators()

    assert mail.outbox[0].to == ["admin@example.org", "staff@example.org"]


def test_without_any_address_nothing_is_due_for_ever(page: Page) -> None:
    lose(page)
    connection.mail_administrators()

    assert not connection.mail_is_due()


def test_the_next_loss_is_reported_again(page: Page, admin: User) -> None:
    lose(page)
    connection.mail_administrators()
    connection.mark_connected(page)
    lose(page)
    connection.mail_administrators()

    assert len(mail.outbox) == 2


def test_a_mail_server_that_refuses_is_asked_again_a_few_minutes_later(
    page: Page, admin: User, clock: Traveller, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "tests.mail_backends.Refusing"
    lose(page)
    assert connection.mail_administrators() == 0
    assert not connection.mail_is_due()
    clock.shift(timedelta(minutes=5))
    assert connection.mail_is_due()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    assert connection.mail_administrators() == 1


def test_a_worker_that_dies_while_it_sends_leaves_the_e_mail_to_the_next(
    page: Page, admin: User, clock: Traveller, settings: Settings
) -> None:
    lose(page)
    on, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.mail_backends.Killing"
    with pytest.raises(SystemExit):
        connection.mail_administrators()
    settings.EMAIL_BACKEND = on
    page.refresh_from_db()
    assert page.reauth_mailed_at is None
    assert connection.mail_administrators() == 0  # the dead worker's claim holds
    clock.shift(LEASE)

    assert connection.mail_administrators() == 1
    assert len(mail.outbox) == 1


@pytest.mark.slow
def test_a_mail_server_that_is_away_for_days_is_asked_until_it_accepts(
    page: Page, admin: User, clock: Traveller, settings: Settings
) -> None:
    lose(page)
    on, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.mail_backends.Refusing"
    for _hour in range(60):
        connection.mail_administrators()
        clock.shift(timedelta(hours=1))
    settings.EMAIL_BACKEND = on

    assert connection.mail_administrators() == 1


def test_a_repeated_e_mail_has_the_same_message_id_and_another_has_not(page: Page, admin: User) -> None:
    for _time in range(2):
        lose(page)
        connection.mail_administrators()
        Page.objects.update(reauth_mailed_at=None)
        connection.mail_administrators()
        connection.mark_connected(page)
        Page.objects.update(reauth_since=None)
    first, again, _other, _other_again = (message.message()["Message-ID"] for message in mail.outbox)

    assert first == again


def test_trouble_keeps_the_time_it_began_and_goes_when_it_is_over(page: Page, clock: Traveller) -> None:
    connection.note_trouble(page, "page_restricted", "Facebook has restricted this page.")
    clock.shift(60)
    connection.note_trouble(page, "page_restricted", "Facebook has restricted this page more.")
    page.refresh_from_db()
    assert page.trouble["page_restricted"]["since"] == NOON.isoformat()
    assert page.trouble["page_restricted"]["sentence"].endswith("more.")
    connection.clear_trouble(page, "page_restricted")

    page.refresh_from_db()
    assert page.trouble == {}


def test_other_trouble_stays(page: Page) -> None:
    connection.note_trouble(page, "page_restricted", "Restricted.")
    connection.note_trouble(page, "app_misconfigured", "Not live.")
    page.refresh_from_db()
    connection.clear_trouble(page, "page_restricted")

    page.refresh_from_db()
    assert list(page.trouble) == ["app_misconfigured"]


def test_the_loss_of_a_page_without_a_channel_is_reported_too(admin: User) -> None:
    lose(make_page(name="Lonely"))
    connection.mail_administrators()

    assert "Lonely" in mail.outbox[0].body


@pytest.mark.parametrize("by", ["send", "check"])
def test_a_loss_requests_a_check_of_the_other_pages_of_the_login(page: Page, by: str, clock: Traveller) -> None:
    account = FacebookAccount.objects.create(facebook_user_id="1", name="Anna")
    others = [make_channel(name=f"Shop {number}").page for number in range(4)]
    stranger, checked, due, other = others
    Page.objects.exclude(pk=stranger.pk).update(facebook_account=account)
    Page.objects.filter(pk=checked.pk).update(checked_at=NOON)
    Page.objects.filter(pk=due.pk).update(subscription_due_at=NOON, subscription_attempts=2)
    page.refresh_from_db()

    lose(page, by=by)
    requested = Page.objects.filter(subscription_due_at=NOON, subscription_attempts=0)
    assert list(requested) == [other]
