"""Telling programs: signed, in order, again after failures, and to no place where nothing may be sent."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail

from tests import factories
from tests.factories import NOON
from tests.sandbox.receiver import Received, Receiver
from tickets import tasks
from tickets.api import payloads
from tickets.models import Conversation, EventDelivery, EventSubscription, EventType, Message
from tickets.services import event_calls, event_sending, handling
from tickets.services.event_subscriptions import Refused, change, create, rotate, send_again, send_test

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False) as travelled:
        yield travelled


@pytest.fixture(autouse=True)
def _clock(clock: Any) -> None:
    """Every test moves the clock by hand."""


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    started = Receiver()
    settings.DESK_EVENT_HOSTS = [started.url.removeprefix("http://")]
    yield started
    started.stop()  # twice does no harm


@pytest.fixture
def admin() -> Any:
    return factories.make_user("admin", is_staff=True, is_superuser=True, email="admin@example.org")


@pytest.fixture
def crm(admin: Any, receiver: Receiver) -> EventSubscription:
    return create(admin, name="CRM", url=f"{receiver.url}/desk?from=desk", events=EventType.values)


@pytest.fixture
def conversation() -> Conversation:
    return factories.make_conversation(psid="7001", name="Maria Lopez")


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(post.raw) for post in receiver.posts]


def states() -> list[str]:
    return list(EventDelivery.objects.order_by("id").values_list("state", flat=True))


def is_signed(post: Received, secret: str) -> bool:
    """Verify as docs/api.md tells a receiver to, without any code of ours."""
    time_part, *marks = post.headers["Desk-Signature"].split(",")
    signed = time_part.removeprefix("t=").encode() + b"." + post.raw
    expected = "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(expected, mark) for mark in marks)


# --- What is sent -----------------------------------------------------------------------------------------------------
def test_a_message_is_told_with_its_conversation(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
):
    message = factories.receive(conversation, "Where is my order? 🚚", mid="m_1")
    assert tasks.send_events() == 2
    opened, created = bodies(receiver)
    row = EventDelivery.objects.get(type="message.created")
    assert (opened["type"], opened["data"]["ticket"]["id"]) == ("ticket.opened", message.ticket_id)
    assert {name: created[name] for name in ("id", "type", "created_at")} == {
        "id": str(row.event_id),
        "type": "message.created",
        "created_at": "2026-11-20T13:00:00.000Z",
    }
    assert created["data"]["by"] is None
    assert created["data"]["message"]["text"] == "Where is my order? 🚚"
    assert created["data"]["conversation"]["contact"] == {"psid": "7001", "name": "Maria Lopez", "blocked": False}
    post = receiver.posts[1]
    assert post.path == "/desk?from=desk"
    assert post.headers["Content-Type"] == "application/json"
    assert (post.headers["Desk-Event-Id"], post.headers["Desk-Event-Type"]) == (str(row.event_id), "message.created")
    assert states() == ["delivered", "delivered"]


def test_it_is_signed_with_the_secret_and_for_a_day_with_the_one_before(
    crm: EventSubscription, receiver: Receiver, admin: Any, clock: Any
):
    before = crm.secret
    now = rotate(admin, crm)
    assert before != now
    send_test(admin, crm)
    tasks.send_events()
    assert [is_signed(receiver.posts[0], secret) for secret in (before, now, "another")] == [True, True, False]
    clock.shift(timedelta(days=1, seconds=1))
    send_test(admin, crm)
    tasks.send_events()
    assert [is_signed(receiver.posts[1], secret) for secret in (before, now)] == [False, True]


def test_a_file_has_an_address_of_desk(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, settings: Any
):
    settings.PUBLIC_URL = "https://desk.example.com"
    message = factories.receive(conversation)
    attachment = message.attachments.create(kind="image", name="a.png", state="stored", file="a.png")
    tasks.send_events()
    [file] = bodies(receiver)[1]["data"]["message"]["attachments"]
    assert file["url"] == f"https://desk.example.com/api/v1/attachments/{attachment.pk}/content/"


def test_what_is_gone_is_not_told(crm: EventSubscription, receiver: Receiver, conversation: Conversation):
    factories.receive(conversation)
    Message.objects.all().delete()
    tasks.send_events()
    assert [event["type"] for event in bodies(receiver)] == ["ticket.opened"]
    assert sorted(states()) == ["delivered", "dropped"]


def test_the_number_of_queries_to_put_events_together_does_not_grow(
    crm: EventSubscription, conversation: Conversation, django_assert_max_num_queries: Any
):
    for number in range(15):
        factories.receive(conversation, str(number), at=NOON + timedelta(minutes=number))
    rows = list(EventDelivery.objects.all())
    with django_assert_max_num_queries(4):
        assert len(payloads.bodies(rows)) == 16


# --- Order, failures --------------------------------------------------------------------------------------------------
def test_a_conversations_events_come_in_order(crm: EventSubscription, receiver: Receiver, conversation: Conversation):
    others = [factories.make_conversation(conversation.channel) for _ in range(3)]
    for number in range(5):
        for one in (conversation, *others):
            factories.receive(one, str(number), at=NOON + timedelta(minutes=number))
    tasks.send_events()
    for one in (conversation, *others):
        mine = [event["data"] for event in bodies(receiver) if event["data"]["conversation"]["id"] == one.pk]
        assert [data["message"]["text"] for data in mine if "message" in data] == ["0", "1", "2", "3", "4"]


def test_a_failure_is_tried_again_with_the_same_id_and_content(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, clock: Any
):
    EventSubscription.objects.update(events=["message.created"])
    message = factories.receive(conversation, "As it was")
    receiver.always = 503
    tasks.send_events()
    Message.objects.filter(pk=message.pk).update(text="As it is")
    row = EventDelivery.objects.get()
    assert (row.state, row.status, row.attempts) == ("pending", 503, 1)
    assert "503" in row.reason
    receiver.always = None
    assert tasks.send_events() == 0  # not yet
    clock.shift(timedelta(seconds=10))
    assert tasks.send_events() == 1
    first, second = receiver.posts
    assert first.raw == second.raw
    assert first.headers["Desk-Event-Id"] == second.headers["Desk-Event-Id"]
    assert first.headers["Desk-Signature"] != second.headers["Desk-Signature"]
    crm.refresh_from_db()
    assert (crm.failures, crm.failing_since, states()) == (0, None, ["delivered"])


def test_a_program_that_fails_is_asked_with_one_event_at_a_time_ever_more_rarely(
    crm: EventSubscription, receiver: Receiver, clock: Any, conversation: Conversation
):
    EventSubscription.objects.update(events=["message.created"])
    for _ in range(30):
        factories.receive(factories.make_conversation(conversation.channel))
    receiver.always = 500
    tasks.send_events()
    first_calls = len(receiver.posts)
    assert first_calls <= event_sending.AT_ONCE_EACH
    for pause in (10, 20, 40, 80):
        clock.shift(timedelta(seconds=pause - 1))
        assert tasks.send_events() == 0
        clock.shift(timedelta(seconds=1))
        assert tasks.send_events() == 1
    receiver.always = None
    clock.shift(timedelta(hours=1))
    tasks.send_events()
    assert set(states()) == {"delivered"}
    assert len({event["id"] for event in bodies(receiver)}) == 30


def test_one_event_that_is_refused_does_not_stop_the_others(
    crm: EventSubscription, receiver: Receiver, clock: Any, conversation: Conversation
):
    EventSubscription.objects.update(events=["message.created"])
    poison = factories.receive(conversation)
    receiver.answers = [500]
    tasks.send_events()
    other = factories.receive(factories.make_conversation(conversation.channel))
    receiver.answers = [200]
    clock.shift(timedelta(seconds=9))
    EventDelivery.objects.filter(message_id=poison.pk).update(retry_after=NOON + timedelta(days=1))
    clock.shift(timedelta(seconds=1))
    tasks.send_events()
    assert EventDelivery.objects.get(message_id=other.pk).state == "delivered"
    assert EventDelivery.objects.get(message_id=poison.pk).state == "pending"


def test_after_a_day_an_event_is_given_up(
    crm: EventSubscription, receiver: Receiver, clock: Any, conversation: Conversation
):
    EventSubscription.objects.update(events=["message.created"])
    factories.receive(conversation)
    receiver.always = 500
    for _ in range(8):
        tasks.send_events()
        clock.shift(timedelta(hours=4))
    assert states() == ["failed"]
    assert EventDelivery.objects.get().attempts == 7


def test_after_three_days_of_failures_it_is_turned_off_and_administrators_are_told(
    crm: EventSubscription, receiver: Receiver, clock: Any, conversation: Conversation, admin: Any
):
    receiver.always = 404
    for hour in range(19):
        factories.receive(conversation, at=NOON + timedelta(hours=hour))
        tasks.send_events()
        crm.refresh_from_db()
        assert crm.is_active is (hour < 18)
        clock.shift(timedelta(hours=4))
    assert "404" in crm.disabled_reason
    [letter] = mail.outbox
    assert "CRM" in letter.subject
    count = EventDelivery.objects.count()
    factories.receive(conversation, at=NOON + timedelta(days=4))
    assert EventDelivery.objects.count() == count
    receiver.always = None
    change(admin, crm, name=crm.name, url=crm.url, events=crm.events, is_active=True)
    crm.refresh_from_db()
    assert (crm.failures, crm.disabled_reason) == (0, "")
    receiver.forget()
    clock.shift(timedelta(hours=1))
    tasks.send_events()
    assert receiver.posts
    assert "pending" not in states()


def test_a_program_that_is_gone_for_good_is_told_nothing_more(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
):
    receiver.always = 410
    factories.receive(conversation)
    tasks.send_events()
    crm.refresh_from_db()
    assert (crm.is_active, crm.disabled_reason) == (False, "It answered 410: it is gone for good.")


def test_a_redirect_is_not_followed(crm: EventSubscription, receiver: Receiver, admin: Any):
    receiver.always = 302
    row = send_test(admin, crm)
    tasks.send_events()
    row.refresh_from_db()
    assert (row.state, len(receiver.posts)) == ("failed", 1)
    assert "redirect" in row.reason


def test_nobody_listens_there(crm: EventSubscription, receiver: Receiver, admin: Any):
    receiver.stop()
    row = send_test(admin, crm)
    tasks.send_events()
    row.refresh_from_db()
    assert (row.state, row.reason) == ("failed", "The address could not be reached, or broke off.")


def test_what_a_dead_worker_was_sending_is_sent_again_with_the_same_id(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, clock: Any
):
    EventSubscription.objects.update(events=["message.created"])
    factories.receive(conversation)
    EventDelivery.objects.update(state="sending", claimed_by="dead", claimed_at=NOON + timedelta(hours=1), attempts=1)
    assert tasks.send_events() == 0
    assert not event_sending.is_due()
    clock.shift(timedelta(seconds=91))
    assert event_sending.is_due()
    assert tasks.send_events() == 1
    assert states() == ["delivered"]


def test_an_outcome_that_comes_after_the_claim_was_taken_back_changes_nothing(
    crm: EventSubscription, conversation: Conversation
):
    factories.receive(conversation)
    row = EventDelivery.objects.first()
    row.claimed_by = "an older claim"
    EventDelivery.objects.filter(pk=row.pk).update(state="sending", claimed_by="a newer claim")
    event_sending.record(row, event_calls.Outcome(200, ""))
    row.refresh_from_db()
    assert (row.state, row.claimed_by) == ("sending", "a newer claim")


def test_events_that_cannot_be_put_together_wait(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
):
    factories.receive(conversation)

    def broken(rows: Any) -> Any:
        raise ValueError

    assert event_sending.drain_events(broken) == 0
    assert set(states()) == {"pending"}
    assert EventDelivery.objects.filter(attempts=1).exists()
    assert not receiver.posts


# --- By hand ----------------------------------------------------------------------------------------------------------
def test_an_event_is_sent_again_by_hand_with_the_same_id(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, admin: Any
):
    EventSubscription.objects.update(events=["message.created"])
    factories.receive(conversation)
    tasks.send_events()
    row = EventDelivery.objects.get()
    send_again(admin, row)
    with pytest.raises(Refused):
        send_again(admin, row)
    tasks.send_events()
    assert len({post.headers["Desk-Event-Id"] for post in receiver.posts}) == 1
    assert len(receiver.posts) == 2
    EventSubscription.objects.update(is_active=False)
    with pytest.raises(Refused, match="turned off"):
        send_again(admin, row)


def test_a_test_is_sent_once_also_while_it_is_turned_off_or_fails(
    crm: EventSubscription, receiver: Receiver, admin: Any
):
    EventSubscription.objects.update(
        is_active=False, failures=5, failing_since=NOON, retry_after=NOON + timedelta(days=2)
    )
    send_test(admin, crm)
    assert tasks.send_events() == 1
    [event] = bodies(receiver)
    assert (event["type"], event["data"]) == ("test", {"by": "admin"})


def test_old_rows_are_forgotten(crm: EventSubscription, receiver: Receiver, conversation: Conversation, clock: Any):
    factories.receive(conversation)
    tasks.send_events()
    clock.shift(timedelta(days=6))
    event_sending.tidy()
    assert EventDelivery.objects.count() == 2
    EventDelivery.objects.filter(type="ticket.opened").update(state="failed")
    clock.shift(timedelta(days=2))
    event_sending.tidy()
    assert states() == ["failed"]
    clock.shift(timedelta(days=30))
    event_sending.tidy()
    assert states() == []


# --- Where ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example.com/",
        "ftp://crm.example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "crm.example.com",
        "https://",
        "https://user:secret@crm.example.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://192.168.1.4:8443/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://localhost/",
        "https://crm.example.com:99999/",
        "https://crm.example.com/a b",
        "https://crm.example.com\\@evil.example/",
        "https://crm.example.com/\r\nX: y",
        "https://ｘ.example.com/",
    ],
)
def test_an_address_where_nothing_may_be_sent_is_refused_with_a_sentence(url: str):
    with pytest.raises(event_calls.AddressRefused) as refusal:
        event_calls.target(url)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("url", ["https://crm.example.com", "https://crm.example.com:8443/a?b=c", "https://8.8.8.8/"])
def test_any_public_https_address_may_be_told(url: str):
    assert not event_calls.target(url).listed


@pytest.mark.parametrize(("url", "allowed"), [("http://crm.intern:8080/x", True), ("http://crm.intern/x", False)])
def test_a_host_of_ones_own_network_is_allowed_by_the_setting(url: str, allowed: bool, settings: Any):
    settings.DESK_EVENT_HOSTS = ["CRM.intern:8080"]
    if allowed:
        assert event_calls.target(url).listed
    else:
        with pytest.raises(event_calls.AddressRefused):
            event_calls.target(url)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["fd00::1"]])
def test_a_name_that_leads_to_a_private_address_is_not_called(addresses: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(event_calls, "resolve", lambda host, port: addresses)
    outcome = event_calls.Call("https://rebind.example.com/", "id", "test", b"{}", ("secret",)).make()
    assert outcome == event_calls.Outcome(None, event_calls.PRIVATE)


def test_closing_a_ticket_waits_for_no_program(crm: EventSubscription, receiver: Receiver, conversation: Conversation):
    factories.receive(conversation)
    handling.close(factories.make_agent("alice", channels=(conversation.channel,)), conversation)
    assert receiver.posts == []
