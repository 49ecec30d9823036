"""Deliveries for Pages without a channel, and for channels that are off or deleted."""

import pytest
from django.test import Client

from channels_im.models import Channel, Page, WebhookDelivery
from tests import factories as make
from tests.factories import NOON, deliver, delivery, text_item
from tests.tickets.services.incoming.stored import states, texts
from tickets.models import Message

pytestmark = pytest.mark.django_db


def test_events_of_an_unknown_page_are_ignored_with_the_reason(client: Client, fb_page: Page) -> None:
    deliver(client, {"object": "page", "entry": [{"id": "999", "messaging": [text_item(fb_page, "7001")]}]})
    kept = WebhookDelivery.objects.get()
    assert (kept.state, kept.error) == ("ignored", "No channel belongs to the Page 999.")
    assert Message.objects.count() == 0


def test_a_page_without_channel_is_ignored_and_its_unsubscription_is_queued(client: Client) -> None:
    fb_page = make.make_page()
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")))
    assert states() == ["ignored"]
    fb_page.refresh_from_db()
    assert fb_page.subscription_due_at is not None


def test_a_page_whose_channel_was_deleted_is_ignored(client: Client, fb_page: Page, channel: Channel) -> None:
    channel.is_active, channel.deleted_at = False, NOON
    channel.save()
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")))
    assert states() == ["ignored"]


def test_while_the_channel_is_off_deliveries_are_parked_and_processed_later(
    client: Client, fb_page: Page, channel: Channel
) -> None:
    from channels_im.services.journal import store

    channel.is_active = False
    channel.save()
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "while off")))
    assert states() == ["parked"]
    assert Message.objects.count() == 0
    channel.is_active = True
    channel.save()
    assert store.import_parked(fb_page) == 1
    deliver(client)
    assert texts() == ["while off"]
    assert states() == ["done"]


def test_one_parked_page_does_not_park_its_neighbour(client: Client, fb_page: Page, channel: Channel) -> None:
    other = make.make_channel(is_active=False).page
    both = delivery(fb_page, text_item(fb_page, "7001", "on"))
    both["entry"] += delivery(other, text_item(other, "7002", "off"))["entry"]
    deliver(client, both)
    assert texts() == ["on"]
    parked = WebhookDelivery.objects.get()
    assert parked.state == "parked"
    assert [each.page for each in parked.parked_for.all()] == [other]


def test_a_page_that_must_be_reauthenticated_still_takes_in(client: Client, fb_page: Page) -> None:
    fb_page.connection, fb_page.reauth_reason = "reauth_required", "token_expired"
    fb_page.save()
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "still here")))
    assert texts() == ["still here"]
