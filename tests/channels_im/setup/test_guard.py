"""A login that would stop a channel is saved only after the administrator has confirmed it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from channels_im.models import Channel, FacebookAccount, Page, PendingLink
from desk import audit_log, sweeper
from desk.models import Department
from tests.channels_im.setup.fake_meta import FakeMeta
from tests.factories import make_admin, make_channel
from tests.http import Response
from tests.matching import present
from tests.pages import html_of

DECIDE = "/admin/instant-messaging/messenger/link/decide/"


def text(response: Response) -> str:
    return html_of(response)


@pytest.fixture
def linked(setup: Client, meta: FakeMeta, departments: list[Department]) -> tuple[Channel, Channel]:
    """Anna's two Pages linked, each with a channel."""
    meta.log_in(setup, meta.anna)
    bikes, bakery = Page.objects.order_by("page_id")
    return make_channel(bikes, departments[0], name="Bikes"), make_channel(bakery, departments[1], name="Bakery")


def test_unticking_a_page_with_a_channel_saves_nothing_and_shows_what_stops(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    before = FacebookAccount.objects.get().user_token
    response = meta.log_in(setup, meta.anna, ["1002"])
    assert response.redirect_chain[-1][0] == DECIDE
    page = text(response)
    assert page.index("Stops") < page.index("Bikes") < page.index("Stays") < page.index("Bakery")
    assert "The Page was not ticked at the last Facebook login." in page
    assert FacebookAccount.objects.get().user_token == before
    assert not Page.objects.filter(connection="reauth_required").exists()


def test_continue_anyway_saves_and_stops_that_channel_alone(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    meta.log_in(setup, meta.anna, ["1002"])
    response = setup.post(DECIDE, {"decision": "continue"}, follow=True)
    assert Page.objects.get(page_id="1001").reauth_reason == "page_deselected"
    assert Page.objects.get(page_id="1001").reauth_detected_by == "login"
    assert Page.objects.get(page_id="1002").is_connected
    assert not PendingLink.objects.exists()
    assert "Stopped until re-authenticated: “Berg Bikes”." in text(response)


def test_dropping_the_login_asks_facebook_what_still_works(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    Page.objects.update(subscription_due_at=None)
    meta.log_in(setup, meta.anna, ["1002"])
    setup.post(DECIDE, {"decision": "drop"})
    due = Page.objects.filter(subscription_due_at__isnull=False).values_list("page_id", flat=True)
    assert list(due) == ["1001"]


def test_dropping_the_login_changes_nothing(setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]) -> None:
    before = FacebookAccount.objects.get().user_token
    meta.log_in(setup, meta.anna, ["1002"])
    setup.post(DECIDE, {"decision": "drop"})
    assert FacebookAccount.objects.get().user_token == before
    assert not PendingLink.objects.exists()
    assert not Page.objects.filter(connection="reauth_required").exists()


def test_going_back_and_ticking_everything_saves_and_forgets_the_other_login(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    meta.log_in(setup, meta.anna, ["1002"])
    meta.log_in(setup, meta.anna)
    assert not PendingLink.objects.exists()
    assert not Page.objects.filter(connection="reauth_required").exists()


def test_declining_a_needed_permission_would_stop_every_channel(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    page = text(meta.log_in(setup, meta.anna, declined=("pages_messaging",)))
    assert "This login would stop 2 channels that work now." in page
    assert "A Page permission was revoked." in page
    setup.post(DECIDE, {"decision": "continue"})
    assert set(Page.objects.values_list("reauth_reason", flat=True)) == {"permission_revoked"}


def test_unticking_a_page_without_a_channel_needs_no_decision(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    linked[0].deleted_at, linked[0].is_active = linked[0].created_at, False
    linked[0].save()
    response = meta.log_in(setup, meta.anna, ["1002"])
    assert "successfully linked" in text(response)
    lost = Page.objects.get(page_id="1001")
    assert lost.is_connected
    assert lost.page_token is None


def test_other_people_of_facebook_are_not_touched(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    response = meta.log_in(setup, meta.omar)
    assert "successfully linked" in text(response)
    assert all(Page.objects.get(pk=channel.page_id).is_connected for channel in linked)


def test_an_account_that_a_colleague_linked_goes_over_only_when_confirmed(
    meta: FakeMeta, linked: tuple[Channel, Channel], client: Client
) -> None:
    colleague = make_admin("bea")
    client.force_login(colleague)
    page = text(meta.log_in(client, meta.anna))
    assert "was linked by <b>admin</b>" in page
    assert present(FacebookAccount.objects.get().linked_by).username == "admin"
    client.post(DECIDE, {"decision": "continue"})
    account = FacebookAccount.objects.get()
    assert account.linked_by == colleague
    assert present(account.social_account).user == colleague
    assert all(Page.objects.get(pk=channel.page_id).is_connected for channel in linked)


def test_a_pending_login_belongs_to_who_made_it(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel], client: Client
) -> None:
    meta.log_in(setup, meta.anna, ["1002"])
    client.force_login(make_admin("bea"))
    response = client.post(DECIDE, {"decision": "continue"}, follow=True)
    assert "No Facebook login is waiting for a decision." in text(response)
    assert Page.objects.get(page_id="1001").is_connected


def test_the_token_of_a_pending_login_is_not_shown(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    page = text(meta.log_in(setup, meta.anna, ["1002"]))
    assert "long-token-" not in page


def test_the_way_back_leads_to_the_channel_that_was_edited(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    meta.log_in(setup, meta.anna, ["1002"], channel=linked[1].pk)
    response = setup.post(DECIDE, {"decision": "continue"})
    assert response["Location"] == reverse("setup:messenger_edit", args=[linked[1].pk])


def test_a_login_that_waited_too_long_is_not_saved(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    meta.log_in(setup, meta.anna, ["1002"])
    PendingLink.objects.update(created_at=timezone.now() - timedelta(hours=2))
    response = setup.post(DECIDE, {"decision": "continue"})
    assert "waited too long" in text(response)
    assert Page.objects.get(page_id="1001").is_connected
    assert not PendingLink.objects.exists()


def test_what_a_login_did_stands_in_the_history_of_each_channel(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    meta.log_in(setup, meta.anna, ["1002"])
    setup.post(DECIDE, {"decision": "continue"})
    stopped, kept = (audit_log.entries_of(channel)[0].sentence for channel in linked)
    assert stopped == "Stopped by a Facebook login of Anna Berg: The Page was not ticked at the last Facebook login."
    assert kept == "Re-authenticated with the Facebook account of Anna Berg."


def test_a_login_nobody_decided_about_is_forgotten_with_its_token_after_an_hour(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    meta.log_in(setup, meta.anna, ["1002"])
    sweeper.reclaim()
    assert PendingLink.objects.exists()
    PendingLink.objects.update(created_at=timezone.now() - timedelta(hours=1, seconds=1))
    Page.objects.update(subscription_due_at=None)
    sweeper.reclaim()
    assert not PendingLink.objects.exists()
    assert Page.objects.filter(subscription_due_at__isnull=False).exists()  # Facebook took note of it: it is asked
    assert "log in again" in text(setup.get(DECIDE, follow=True))
    assert Page.objects.filter(connection="connected").count() == 2
