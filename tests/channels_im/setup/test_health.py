"""Setup → Health: failures by cause, how fast messages are, and charts with their tables."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from channels_im import tasks
from channels_im.messenger.pages import SUBSCRIBED_FIELDS
from channels_im.models import Channel, Page, RecoveryRun, WebhookDelivery
from channels_im.services.facebook import connection as facebook
from channels_im.services.journal import store
from channels_im.setup import figures
from desk import timing_reports, timings
from desk.models import Department, TimingCount, User
from tests import factories as make
from tests.factories import NOON
from tests.matching import search
from tests.pages import html_of
from tickets.models import EventDelivery, EventSubscription, Message

HEALTH = "/admin/instant-messaging/health/"
GOOD: dict[str, Any] = {
    "subscription": "subscribed",
    "subscribed_fields": list(SUBSCRIBED_FIELDS),
    "checked_at": NOON - timedelta(minutes=30),
}


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    timings._counts.clear()
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller
    timings._counts.clear()


@pytest.fixture
def channel(departments: list[Department]) -> Channel:
    return make.make_channel(make.make_page(name="Berg", **GOOD), departments[0], name="Shop")


def health(client: Client) -> str:
    return html_of(client.get(HEALTH))


# --- Failures ---------------------------------------------------------------------------------------------------------
def failed_reply(channel: Channel, minutes: float, state: str = "failed", reason: str = "Facebook refused it.") -> None:
    at = NOON - timedelta(minutes=minutes)
    message = make.answer(make.make_conversation(channel), at=at, state=state, reason=reason)
    Message.objects.filter(pk=message.pk).update(claimed_at=at)


def failed_delivery(minutes: float = 5, error: str = "1 of 2 events failed.\n\nTraceback: secret") -> None:
    at = NOON - timedelta(minutes=minutes)
    WebhookDelivery.objects.create(body=b"{}", state="failed", processed_at=at, error=error)


def failure_rows(page: str) -> list[tuple[str, ...]]:
    """Return what failed and why, the counts of the last hour and day, and the address behind *View*."""
    found = []
    for table in re.findall(r'<table class="rows failures">.*?</table>', page):
        for row in re.findall(r"<tr> <th scope=\"row\">.*?</tr>", table):
            texts = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
            address = re.search(r'href="([^"]*)"', row)
            found.append((" ".join(texts[0].split()), *texts[1:3], address[1] if address else ""))
    return found


def test_who_may_only_look_sees_the_checks_without_buttons_and_no_way_that_is_closed(channel: Channel) -> None:
    viewer = make.make_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_channel"))
    client = Client()
    client.force_login(viewer)
    facebook.require_reauth(channel.page, Page.Reason.TOKEN_EXPIRED, Page.DetectedBy.CHECK)
    failed_delivery()
    page = health(client)
    assert "Facebook no longer accepts" in page
    assert "Deliveries from Facebook that were not processed" in page
    assert "/journal/?state=failed" not in page
    assert '<button class="button button--small' not in page


def test_failures_are_counted_by_cause_in_the_last_hour_and_day(
    setup: Client, channel: Channel, departments: list[Department]
) -> None:
    other = make.make_channel(make.make_page(name="Tal", **GOOD), departments[1])
    for minutes in (1, 59, 61, 60 * 23, 60 * 25):
        failed_reply(channel, minutes)
    failed_reply(channel, 30, reason="The window is closed.")
    failed_reply(channel, 10, state="unsure", reason="No answer.")
    failed_reply(channel, 10, state="held", reason="Re-authenticate the Page.")
    failed_reply(channel, 10, state="sent", reason="")
    failed_reply(other, 90)
    page = health(setup)
    inbox = reverse("inbox")
    assert failure_rows(page) == [
        ("Replies that were not sent Facebook refused it.", "2", "4", inbox),
        *sorted(
            [
                ("Replies that were not sent The window is closed.", "1", "1", inbox),
                ("Replies that may not have been sent No answer.", "1", "1", inbox),
                ("Held replies Re-authenticate the Page.", "1", "1", inbox),
            ],
            key=lambda row: failure_rows(page).index(row),
        ),
        ("Replies that were not sent Facebook refused it.", "0", "1", inbox),
    ]
    assert "What else failed" not in page


def test_what_belongs_to_no_page_stands_below_with_the_way_to_it(setup: Client, channel: Channel) -> None:
    failed_delivery()
    failed_delivery(minutes=90)
    webhook = EventSubscription.objects.create(name="CRM", url="https://crm.example/hook")
    EventDelivery.objects.create(
        subscription=webhook,
        type="message.created",
        state="failed",
        settled_at=NOON,
        reason="The address answered 500.",
    )
    page = health(setup)
    rows = failure_rows(page)
    journal = f"{reverse('setup:journal')}?state=failed"
    assert len(rows) == 2
    assert rows[0][0].startswith("Deliveries from Facebook that were not processed 1 of 2 events failed.")
    assert rows[0][1:] == ("1", "2", journal)
    assert rows[1][0] == "Webhook events that were given up The address answered 500. Webhook “CRM”"
    assert rows[1][3] == reverse("programs:event_edit", args=[webhook.pk])
    assert "Traceback" not in page
    assert "No reply failed in the last 24 hours." in page
    for _row, *_counts, address in rows:
        assert setup.get(address).status_code == 200


def test_of_very_many_causes_the_rest_is_counted(setup: Client, channel: Channel) -> None:
    for number in range(figures.MAX_CAUSES + 3):
        failed_reply(channel, 5, reason=f"Reason {number}.")
    rows = failure_rows(health(setup))
    assert len(rows) == figures.MAX_CAUSES + 1
    assert rows[-1] == ("For other reasons", "", "3", "")


# --- Times ------------------------------------------------------------------------------------------------------------
def stored() -> int:
    timings.flush()
    return timing_reports.between(NOON - timedelta(days=1), NOON)[timings.STORED].count


def test_without_messages_the_page_says_so(setup: Client, channel: Channel) -> None:
    page = health(setup)
    assert "No messages came by webhook in the last hour, and none in the last 24 hours." in page
    assert "There were no messages in the last 24 hours." in page
    assert "Nothing failed in the last 24 hours." in page
    assert '<svg class="chart' not in page


def test_times_are_those_of_real_messages(setup: Client, channel: Channel, clock: time_machine.Traveller) -> None:
    make.post_webhook(setup, make.delivery(channel.page, make.text_item(channel.page, "7001", at=NOON)))
    clock.shift(0.13)
    tasks.drain_journal()
    assert stored() == 1
    page = health(setup)
    line = search(r"From the webhook until stored</th>.*?</tr>", page)[0]
    assert re.findall(r">([^<>]+)</td>", line) == ["125 ms", "148 ms", "125 ms", "148 ms"]
    assert "Measured on 1 message of the last 24 hours; 1 in the last hour." in page
    clock.shift(timedelta(hours=2))
    assert "there were no messages in the last hour." in health(setup)


def test_what_was_replayed_parked_or_recovered_says_nothing_about_speed(
    setup: Client, channel: Channel, clock: time_machine.Traveller
) -> None:
    def deliver(mid: str) -> None:
        make.post_webhook(setup, make.delivery(channel.page, make.text_item(channel.page, "7001", at=NOON, mid=mid)))

    deliver("m_1")
    tasks.drain_journal()
    assert stored() == 1
    clock.shift(3600)
    store.replay(WebhookDelivery.objects.values_list("pk", flat=True))
    tasks.drain_journal()
    assert stored() == 1
    Channel.objects.update(is_active=False)
    deliver("m_2")
    tasks.drain_journal()
    assert WebhookDelivery.objects.latest("pk").state == "parked"
    clock.shift(3600)
    Channel.objects.update(is_active=True)
    assert store.import_parked(channel.page) == 1
    tasks.drain_journal()
    assert Message.objects.filter(mid="m_2").exists()
    assert stored() == 1
    recovered = make.body_of(make.delivery(channel.page, make.text_item(channel.page, "7001", at=NOON, mid="m_3")))
    store.add_recovered(recovered, WebhookDelivery.Source.RECOVERED)
    tasks.drain_journal()
    assert Message.objects.filter(mid="m_3").exists()
    assert stored() == 1


# --- Charts and cost --------------------------------------------------------------------------------------------------
def test_each_chart_has_a_title_a_description_and_its_table(setup: Client, channel: Channel) -> None:
    conversation = make.make_conversation(channel)
    for minutes in (5, 10, 90):
        make.receive(conversation, at=NOON - timedelta(minutes=minutes))
    make.answer(conversation, at=NOON - timedelta(minutes=3))
    make.answer(conversation, at=NOON - timedelta(minutes=2), state="queued")
    make.answer(conversation, "Look", kind="note", at=NOON - timedelta(minutes=1))
    make.receive(conversation, at=NOON - timedelta(hours=24, minutes=1))
    failed_reply(channel, 30)
    timings.record(timings.SCREEN, 0.12)
    timings.flush()
    page = health(setup)
    assert len(re.findall(r'<svg class="chart__drawing"', page)) == 3
    for svg in re.findall(r'<svg class="chart__drawing".*?</svg>', page):
        title, text = search(r'aria-labelledby="(\S+) (\S+)"', svg).groups()
        assert f'<title id="{title}">' in svg
        assert re.search(rf'<desc id="{text}">.*The highest value is', svg)
    table = search(r"Table<span[^>]*> of Messages by hour</span></summary>(.*?)</table>", page)[1]
    rows = [re.findall(r">([^<>]+)</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", table)]
    assert rows[0] == ["Hour", "From customers", "Replies"]
    assert len(rows) == 26
    assert rows[-3:] == [["20 Nov, 10:00", "1", "0"], ["20 Nov, 11:00", "2", "1"], ["20 Nov, 12:00", "0", "0"]]
    assert "3 messages came in and 1 was sent." in page


@pytest.mark.slow
def test_a_page_with_more_channels_messages_and_failures_costs_the_same_queries(
    setup: Client, channel: Channel, administrator: User
) -> None:
    failed_reply(channel, 5)
    make.receive(make.make_conversation(channel), at=NOON)
    health(setup)
    with CaptureQueriesContext(connection) as few:
        health(setup)
    for number in range(4):
        other = make.make_channel(make.make_page(**GOOD))
        facebook.require_reauth(other.page, Page.Reason.TOKEN_EXPIRED, Page.DetectedBy.CHECK)
        RecoveryRun.objects.filter(page=other.page).delete()
        RecoveryRun.objects.create(page=other.page, reason="nightly", since=NOON, state="done")
        for minutes in range(10):
            failed_reply(other, minutes * 60, reason=f"{number} {minutes}")
            make.receive(make.make_conversation(other), at=NOON - timedelta(hours=minutes))
            TimingCount.objects.create(
                kind="screen", slot=NOON - timedelta(minutes=5 * minutes), bound_ms=5 + number, count=1
            )
    with CaptureQueriesContext(connection) as many:
        health(setup)
    assert len(many) == len(few) <= 20


def test_only_rows_of_the_last_day_or_of_a_few_states_are_read(setup: Client, channel: Channel) -> None:
    make.receive(make.make_conversation(channel), at=NOON)
    with CaptureQueriesContext(connection) as captured:
        health(setup)
    large = re.compile(r'FROM "(tickets_message|channels_im_webhookdelivery|desk_timingcount|tickets_eventdelivery)"')
    queries = [query["sql"] for query in captured.captured_queries if large.search(query["sql"])]
    assert len(queries) == 7
    with connection.cursor() as cursor:
        is_postgresql = connection.vendor == "postgresql"
        if is_postgresql:
            cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in queries:
            cursor.execute(("EXPLAIN " if is_postgresql else "EXPLAIN QUERY PLAN ") + sql)
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
            assert not re.search(r"Seq Scan on tickets_message|SCAN tickets_message(?! USING)", plan), plan


def test_complete_up_to_is_shown_for_each_page(setup: Client, channel: Channel) -> None:
    Page.objects.update(last_event_at=NOON - timedelta(minutes=1))
    assert "Complete up to" in health(setup)
    RecoveryRun.objects.create(page=channel.page, reason="nightly", since=NOON, state="failed", error="Refused.")
    page = health(setup)
    assert "Not known up to when it is complete" in page
    assert "Stopped: Refused." in page
    assert timezone.now() == NOON


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0.2396, "240 ms"),
        (0.9996, "1.0 s"),
        (9.96, "10 s"),
        (119.4, "119 s"),
        (119.6, "2 min"),
        (86_400, "24 h"),
    ],
)
def test_times_are_in_the_unit_that_people_would_use(seconds: float | None, words: str) -> None:
    assert figures.seconds_in_words(seconds) == words


def test_times_have_the_decimal_sign_of_the_reader() -> None:
    with translation.override("de"):
        assert figures.seconds_in_words(2.4).startswith("2,4")


# --- Reloading --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("due_in", "error", "reloads"),
    [
        (timedelta(0), "", True),
        (timedelta(seconds=90), "", True),  # a worker is at it
        (timedelta(minutes=30), "Facebook could not be reached.", False),
        (-timedelta(minutes=10), "", False),  # no worker is there
        (None, "Facebook could not be reached.", False),
    ],
)
def test_the_page_reloads_only_while_a_check_is_near(
    setup: Client, channel: Channel, due_in: timedelta | None, error: str, reloads: bool
) -> None:
    """Each reload closes the tables of the charts and takes the focus away."""
    due_at = None if due_in is None else NOON + due_in
    Page.objects.update(subscription_due_at=due_at, subscription_error=error, subscription_attempts=4 if error else 1)
    assert ("data-reload" in health(setup)) is reloads
