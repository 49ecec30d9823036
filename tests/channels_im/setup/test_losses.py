"""Report lost Pages: one e-mail for all that are lost together, in readable sentences."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from channels_im.messenger.pages import SUBSCRIBED_FIELDS
from channels_im.models import Channel, FacebookAccount, Page
from channels_im.services.facebook import connection
from desk.models import Department, User
from tests.factories import make_channel, make_page
from tests.pages import html_of

LIST = "/admin/instant-messaging/messenger/"


@pytest.fixture
def channels(setup: Client, administrator: User, departments: list[Department]) -> list[Channel]:
    administrator.email = "admin@example.org"
    administrator.save()
    return [make_channel(make_page(name=f"Page {n}"), departments[n], name=f"Channel {n}") for n in range(3)]


def lose(channel: Channel, reason: str = "app_removed") -> None:
    connection.require_reauth(channel.page, reason, "check")


def test_pages_that_are_lost_together_are_one_e_mail_that_names_each(channels: list[Channel]) -> None:
    for channel in channels:
        lose(channel)
    connection.mail_administrators()
    (message,) = mail.outbox
    assert message.subject == "Re-authenticate 3 Pages: Page 0, Page 1, Page 2"
    for channel in channels:
        assert f"- {channel.page.name}\n  Channel “{channel.name}”\n" in message.body


def test_an_e_mail_waits_a_few_seconds_for_pages_that_are_found_lost_one_after_the_other(
    channels: list[Channel], settings: Settings
) -> None:
    settings.MAIL_GATHER_SECONDS = 10
    start = timezone.now()
    with time_machine.travel(start, tick=False) as clock:
        lose(channels[0])
        clock.shift(4)
        lose(channels[1])
        connection.mail_administrators()
        assert not mail.outbox
        clock.move_to(start + timedelta(seconds=10))
        assert connection.mail_is_due()
        connection.mail_administrators()
        clock.shift(60)
        connection.mail_administrators()
    (message,) = mail.outbox
    assert "Page 0" in message.body
    assert "Page 1" in message.body


def test_the_chip_keeps_the_capital_of_facebook(setup: Client, channels: list[Channel]) -> None:
    lose(channels[0], "checkpoint")
    page = html_of(setup.get(LIST))
    assert "Re-authenticate: Facebook asks the person to confirm their account" in page


def test_after_the_app_was_removed_nothing_is_ticked_any_more(setup: Client, channels: list[Channel]) -> None:
    page = channels[0].page
    page.subscription, page.subscribed_fields, page.checked_at = "subscribed", list(SUBSCRIBED_FIELDS), timezone.now()
    page.save()
    lose(channels[0])
    shown = html_of(setup.get(f"{LIST}{channels[0].pk}/"))
    assert "does not send this Page&#x27;s messages, because the app was removed." in shown
    assert "tick--ok" not in shown


def test_a_reply_that_finds_one_page_lost_has_the_others_of_the_same_login_checked(
    channels: list[Channel], administrator: User
) -> None:
    account = FacebookAccount.objects.create(facebook_user_id="2001", name="Anna Berg", linked_by=administrator)
    mine = [channel.page for channel in channels[:2]]
    Page.objects.filter(pk__in=[page.pk for page in mine]).update(facebook_account=account)
    Page.objects.update(subscription_due_at=None)
    connection.require_reauth(mine[0], "password_changed", "send")
    assert list(Page.objects.filter(subscription_due_at__isnull=False)) == [mine[1]]
