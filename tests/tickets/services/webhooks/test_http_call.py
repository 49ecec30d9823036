"""The HTTP call of a webhook: content, signature, and which addresses are allowed."""

import socket
from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from time_machine import Traveller

from desk.models import User
from desk.safe_http import Problem
from tests import factories
from tests.factories import NOON
from tests.matching import present
from tests.sandbox.receiver import Receiver
from tests.tickets.services.webhooks.deliveries import bodies, is_signed, states
from tickets import tasks
from tickets.api import payloads
from tickets.models import Conversation, EventDelivery, EventSubscription, Message
from tickets.services.inbox import actions
from tickets.services.webhooks import http_call
from tickets.services.webhooks.subscriptions import rotate, send_test

pytestmark = pytest.mark.django_db


# --- What is sent -----------------------------------------------------------------------------------------------------
def test_a_message_is_sent_with_its_conversation(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
) -> None:
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
    crm: EventSubscription, receiver: Receiver, admin: User, clock: Traveller
) -> None:
    before = present(crm.secret)
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
    crm: EventSubscription, receiver: Receiver, conversation: Conversation, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://desk.example.com"
    message = factories.receive(conversation)
    attachment = message.attachments.create(kind="image", name="a.png", state="stored", file="a.png")
    tasks.send_events()
    [file] = bodies(receiver)[1]["data"]["message"]["attachments"]
    assert file["url"] == f"https://desk.example.com/api/v1/attachments/{attachment.pk}/content/"


def test_events_of_deleted_messages_are_dropped(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
) -> None:
    factories.receive(conversation)
    Message.objects.all().delete()
    tasks.send_events()
    assert [event["type"] for event in bodies(receiver)] == ["ticket.opened"]
    assert sorted(states()) == ["delivered", "dropped"]


def test_the_number_of_queries_to_put_events_together_does_not_grow(
    crm: EventSubscription, conversation: Conversation, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(15):
        factories.receive(conversation, str(number), at=NOON + timedelta(minutes=number))
    rows = list(EventDelivery.objects.all())
    with django_assert_max_num_queries(7):
        assert len(payloads.bodies(rows)) == 16


def test_closing_a_ticket_waits_for_no_webhook(
    crm: EventSubscription, receiver: Receiver, conversation: Conversation
) -> None:
    factories.receive(conversation)
    actions.close(factories.make_agent("alice", channels=(conversation.channel,)), conversation)
    assert receiver.posts == []


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
def test_an_address_that_is_not_allowed_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(http_call.AddressError) as refusal:
        http_call.webhook_target(url)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("url", ["https://crm.example.com", "https://crm.example.com:8443/a?b=c", "https://8.8.8.8/"])
def test_any_public_https_address_is_allowed(url: str) -> None:
    assert not http_call.webhook_target(url).is_listed


@pytest.mark.parametrize(("url", "allowed"), [("http://crm.intern:8080/x", True), ("http://crm.intern/x", False)])
def test_a_host_of_ones_own_network_is_allowed_by_the_setting(url: str, allowed: bool, settings: Settings) -> None:
    settings.DESK_EVENT_HOSTS = ["CRM.intern:8080"]
    if allowed:
        assert http_call.webhook_target(url).is_listed
    else:
        with pytest.raises(http_call.AddressError):
            http_call.webhook_target(url)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["fd00::1"]])
def test_a_name_that_leads_to_a_private_address_is_not_called(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    infos = [(socket.AF_UNSPEC, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: infos)  # the edge: DNS
    outcome = http_call.WebhookCall("https://rebind.example.com/", "id", "test", b"{}", ("secret",)).make()
    assert outcome == http_call.CallResult(None, http_call.SENTENCES[Problem.PRIVATE])
