"""The content of old deliveries goes; the rows stay, and so does everything that still waits."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from channels_im import tasks
from channels_im.models import Channel, DeliveryMention, WebhookDelivery
from channels_im.services.journal import mentions, retention, store
from tests.factories import deliver, delivery, journal, make_admin, make_channel, text_item
from tests.pages import html_of
from tickets.models import Message

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def channel() -> Channel:
    return make_channel()


def put(channel: Channel, state: str, age: timedelta, text: str = "secret") -> WebhookDelivery:
    body = delivery(channel.page, text_item(channel.page, "5550001234567", text))
    row = journal(body, state=state, received_at=timezone.now() - age)
    mentions.record([(row, None)])
    return row


def before(days: int = 30) -> datetime:
    return timezone.now() - days * DAY


def test_only_what_is_processed_and_old_loses_its_content(channel: Channel) -> None:
    for age in (31, 29):
        for state in WebhookDelivery.State.values:
            put(channel, state, age * DAY)
    assert retention.count(before()) == 2
    assert retention.delete(before(), 100) == 2
    assert retention.delete(before(), 100) == 0
    emptied = WebhookDelivery.objects.filter(body=b"")
    assert {(row.state, row.received_at < before()) for row in emptied} == {("emptied", True)}
    assert emptied.count() == 2
    assert not DeliveryMention.objects.filter(delivery__in=emptied).exists()
    assert WebhookDelivery.objects.exclude(body=b"").count() == 2 * len(WebhookDelivery.State.values) - 2


def test_a_batch_is_no_larger_than_asked_and_takes_the_oldest(channel: Channel) -> None:
    rows = [put(channel, "done", (60 - number) * DAY) for number in range(5)]
    assert [retention.delete(before(), 2) for _batch in range(4)] == [2, 2, 1, 0]
    assert WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows], state="emptied").count() == 5


def test_a_repeated_delivery_is_still_known(channel: Channel, client: Client) -> None:
    body = delivery(channel.page, text_item(channel.page, "5550001234567", mid="m_1"))
    deliver(client, body)
    WebhookDelivery.objects.update(received_at=timezone.now() - 31 * DAY)
    assert retention.delete(before(), 10) == 1
    deliver(client, body)
    assert Message.objects.filter(mid="m_1").count() == 1


def test_what_has_no_content_is_shown_as_such_and_cannot_be_replayed(channel: Channel, client: Client) -> None:
    row = put(channel, "done", 31 * DAY)
    retention.delete(before(), 10)
    client.force_login(make_admin())
    url = f"/admin/instant-messaging/journal/{row.pk}/"
    html = html_of(client.get(url))
    assert "The content was deleted because of its age." in html
    assert "Replay" not in html
    assert "cannot be replayed" in html_of(client.post(f"{url}replay/", follow=True))
    assert store.replay([row.pk]) == 0
    tasks.drain_journal()
    row.refresh_from_db()
    assert row.state == "emptied"
