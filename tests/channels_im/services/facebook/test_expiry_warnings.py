"""The warnings at 14, 7 and 1 days before a Facebook login ends: each once, to administrators, with what to do."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from time_machine import Traveller

from channels_im import tasks
from channels_im.models import Channel, FacebookAccount
from desk.models import User
from tests.factories import NOON, make_admin, make_agent, make_channel, make_page, make_user

pytestmark = pytest.mark.django_db
END = NOON + timedelta(days=20)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def administrator() -> User:
    administrator = make_admin()
    administrator.email = "admin@example.org"
    administrator.save()
    return administrator


@pytest.fixture
def account() -> FacebookAccount:
    return FacebookAccount.objects.create(
        facebook_user_id="9", name="Anna Berg", user_token="user-token-9", expires_at=END
    )


@pytest.fixture(autouse=True)
def channel(account: FacebookAccount) -> Channel:
    return make_channel(make_page(name="Berg Bikes", facebook_account=account), name="Bikes")


def subjects() -> list[str]:
    return [str(message.subject) for message in mail.outbox]


@pytest.mark.slow
def test_hour_by_hour_over_sixty_days_there_are_three_e_mails_each_at_its_time(
    clock: Traveller, account: FacebookAccount
) -> None:
    told = []
    while (left := END - timezone.now()) > timedelta(days=-40):
        if tasks.warn_of_ending_logins():
            told.append(left)
        clock.shift(timedelta(hours=1) if left > timedelta(days=-2) else timedelta(days=1))

    assert told == [timedelta(days=14), timedelta(days=7), timedelta(days=1)]
    assert len(mail.outbox) == 3


@pytest.mark.parametrize(
    ("left", "step"),
    [
        (timedelta(days=14, seconds=1), None),
        (timedelta(days=14), 14),
        (timedelta(days=7, seconds=1), 14),
        (timedelta(days=7), 7),
        (timedelta(days=1, seconds=1), 7),
        (timedelta(days=1), 1),
        (timedelta(seconds=-1), 1),
    ],
)
def test_a_step_is_reached_to_the_second(account: FacebookAccount, left: timedelta, step: int | None) -> None:
    FacebookAccount.objects.update(expires_at=NOON + left)
    tasks.warn_of_ending_logins()

    account.refresh_from_db()
    assert account.last_warned_days == step
    assert len(mail.outbox) == (0 if step is None else 1)


def test_steps_that_were_missed_while_nothing_ran_are_one_e_mail(clock: Traveller) -> None:
    clock.move_to(END - timedelta(hours=3))
    tasks.warn_of_ending_logins()
    tasks.warn_of_ending_logins()

    assert subjects() == ["The Facebook login of Anna Berg ends on 10 December"]


def test_the_e_mail_says_who_when_which_channels_and_what_to_do(
    clock: Traveller, settings: Settings, channel: Channel, account: FacebookAccount
) -> None:
    settings.PUBLIC_URL = "https://desk.example.org"
    make_channel(make_page(name="Berg Bakery", facebook_account=account), name="Bakery")
    clock.move_to(END - timedelta(days=7))
    tasks.warn_of_ending_logins()

    (message,) = mail.outbox
    for part in (
        "The Facebook login of Anna Berg ends on 10 December 2026 at 12:00 UTC.",
        "- Bikes Page “Berg Bikes”",
        "- Bakery Page “Berg Bakery”",
        "Re-authenticate",
        f"https://desk.example.org/admin/instant-messaging/messenger/{channel.pk}/",
    ):
        assert part in " ".join(str(message.body).split())
    assert "token-" not in message.body


def test_only_active_administrators_are_warned(clock: Traveller) -> None:
    make_user("staff", is_staff=True, email="staff@example.org")
    make_user("gone", is_staff=True, is_active=False, email="gone@example.org")
    make_agent("alice")
    clock.move_to(END - timedelta(days=1))
    tasks.warn_of_ending_logins()

    assert mail.outbox[0].to == ["admin@example.org", "staff@example.org"]


def test_a_login_that_was_renewed_is_warned_of_again_the_next_time(clock: Traveller, account: FacebookAccount) -> None:
    clock.move_to(END - timedelta(days=1))
    tasks.warn_of_ending_logins()
    account.expires_at, account.last_warned_days = END + timedelta(days=60), None
    account.save()
    tasks.warn_of_ending_logins()
    assert len(mail.outbox) == 1

    clock.move_to(END + timedelta(days=46))
    tasks.warn_of_ending_logins()
    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda account, channel: FacebookAccount.objects.update(expires_at=None),
        lambda account, channel: FacebookAccount.objects.update(app_removed_at=NOON),
        lambda account, channel: type(channel).objects.update(is_active=False, deleted_at=NOON),
        lambda account, channel: type(channel.page).objects.update(
            connection="reauth_required", reauth_reason="password_changed"
        ),
    ],
    ids=["without an end", "app removed", "no channel", "told already"],
)
def test_what_needs_no_warning_gets_none(
    clock: Traveller, account: FacebookAccount, channel: Channel, change: Callable[[FacebookAccount, Channel], object]
) -> None:
    change(account, channel)
    clock.move_to(END - timedelta(days=1))
    tasks.warn_of_ending_logins()

    assert not mail.outbox


def test_a_mail_server_that_refuses_is_asked_again(
    clock: Traveller, settings: Settings, account: FacebookAccount
) -> None:
    clock.move_to(END - timedelta(days=7))
    settings.EMAIL_BACKEND = "tests.mail_backends.Refusing"
    assert tasks.warn_of_ending_logins() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    assert tasks.warn_of_ending_logins() == 1


def test_a_worker_that_dies_while_it_sends_leaves_the_warning_to_the_next(
    clock: Traveller, settings: Settings, account: FacebookAccount
) -> None:
    clock.move_to(END - timedelta(days=7))
    on, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.mail_backends.Killing"
    with pytest.raises(SystemExit):
        tasks.warn_of_ending_logins()
    settings.EMAIL_BACKEND = on
    account.refresh_from_db()
    assert account.last_warned_days is None
    assert tasks.warn_of_ending_logins() == 0  # the dead worker's claim holds
    clock.shift(timedelta(hours=1))

    assert (tasks.warn_of_ending_logins(), tasks.warn_of_ending_logins()) == (1, 0)


def test_setup_says_so_too_and_says_when_it_has_ended(clock: Traveller, administrator: User) -> None:
    client = Client()
    clock.move_to(END - timedelta(days=2, hours=23))
    client.force_login(administrator)
    assert "The Facebook login of Anna Berg ends in 2 days." in client.get("/admin/").content.decode()
    clock.move_to(END + timedelta(days=2))
    client.force_login(administrator)
    assert "The Facebook login of Anna Berg ended on 10 December 2026." in client.get("/admin/").content.decode()
