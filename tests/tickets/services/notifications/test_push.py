"""A browser gets what its person chose, once, and only while they may see it and are logged in there."""

from collections.abc import Callable
from datetime import time, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from desk.models import Agent, User
from tests import factories
from tests.factories import deliver, delivery, text_item
from tests.push_service import PushService
from tests.tickets.services.notifications.conftest import SUBSCRIBE, texts, turn_on, write
from tickets.models import Conversation, Notice, PushDelivery, PushSubscription
from tickets.services.conversation import notices
from tickets.services.inbox import actions
from tickets.services.notifications import push
from tickets.services.outgoing import scheduled_replies, scheduled_sending

pytestmark = pytest.mark.django_db


def test_the_assignee_is_told_of_a_message_that_meta_delivers(
    browser: Client, service: PushService, conversation: Conversation
) -> None:
    page, psid = conversation.channel.page, conversation.contact.psid
    deliver(browser, delivery(page, text_item(page, psid, "Hello 👋 <b>you</b>", timezone.now())))
    push.work()
    [(path, content)] = service.got
    assert path == "/alice"
    assert (content["title"], content["body"]) == ("Maria Lopez", "Hello 👋 <b>you</b>")
    assert content["url"] == f"/inbox/{conversation.pk}/"
    assert content["reply"]["label"] == "Reply"
    assert not Notice.objects.exists()
    assert not PushDelivery.objects.exists()
    push.work()
    assert len(service.got) == 1


def test_nothing_is_written_while_nobody_wants_to_be_told(conversation: Conversation) -> None:
    write(conversation)
    assert not Notice.objects.exists()


@pytest.mark.usefixtures("browser")
def test_the_author_is_told_that_a_scheduled_reply_was_not_sent_until_they_have_seen_to_it(
    service: PushService, conversation: Conversation, alice: User, clock: time_machine.Traveller
) -> None:
    write(conversation)
    Notice.objects.all().delete()
    now = timezone.now()
    rows = [scheduled_replies.schedule(alice, conversation, now + timedelta(hours=1), text="Soon") for _ in range(2)]
    scheduled_replies.cancel(alice, rows[0])
    clock.shift(timedelta(hours=20))  # Desk was not running
    scheduled_sending.send_due()
    push.work()
    [(title, body)] = texts(service)
    assert title == "Not sent: your reply to Maria Lopez"
    assert body.startswith("Desk was not running at that time")
    again = scheduled_replies.change(
        alice, rows[1], scheduled_replies.Changes(send_at=timezone.now() + timedelta(hours=1))
    )
    clock.shift(timedelta(hours=20))
    scheduled_sending.send_due()
    factories.receive(conversation, "Hello?", at=timezone.now())
    Notice.objects.exclude(kind=notices.FAILED).delete()
    scheduled_replies.cancel(alice, again)
    push.work()
    assert len(service.got) == 1


def test_a_colleague_who_sees_the_conversation_is_told_only_of_what_is_unassigned(
    browser: Client,
    service: PushService,
    conversation: Conversation,
    bob: User,
    choose: Callable[..., None],
) -> None:
    turn_on(Client(), bob, service, "/bob")
    stranger = factories.make_agent("carol", channels=(factories.make_channel(),))
    turn_on(Client(), stranger, service, "/carol")
    for user in (bob, stranger):
        choose(user, push={"mine", "unassigned"})
    write(conversation)
    push.work()
    Conversation.objects.update(assignee=None)
    conversation.refresh_from_db()
    write(conversation, "Anybody?")
    push.work()
    assert [path for path, _content in service.got] == ["/alice", "/bob"]


def test_who_was_given_a_conversation_is_told_and_who_took_it_is_not(
    browser: Client, service: PushService, conversation: Conversation, alice: User, bob: User
) -> None:
    Conversation.objects.update(assignee=None)
    conversation.refresh_from_db()
    actions.assign(alice, conversation, alice)
    push.work()
    assert not service.got
    actions.assign(bob, conversation, None)
    actions.assign(bob, conversation, alice)
    push.work()
    assert texts(service) == [("Assigned to you: Maria Lopez", "bob assigned this conversation to you.")]


def test_the_author_is_told_of_a_reply_that_fails(
    browser: Client, service: PushService, conversation: Conversation, alice: User
) -> None:
    write(conversation)
    Notice.objects.all().delete()
    message = factories.answer(
        conversation, "It left", at=timezone.now(), state="failed", author=alice, reason="Facebook refused it."
    )
    notices.reply_failed(conversation, message)
    push.work()
    assert texts(service) == [("Not sent: your reply to Maria Lopez", "Facebook refused it.")]


def test_a_message_that_was_read_or_answered_meanwhile_is_no_news(
    browser: Client, service: PushService, conversation: Conversation, alice: User
) -> None:
    write(conversation)
    actions.close(alice, conversation)
    push.work()
    assert not service.got
    assert not PushDelivery.objects.exists()


def test_recovered_messages_and_blocked_customers_tell_nobody(
    browser: Client, service: PushService, conversation: Conversation, alice: User
) -> None:
    write(conversation, recovered_at=timezone.now())
    assert not Notice.objects.exists()
    write(conversation)
    actions.block(alice, conversation)
    push.work()
    assert not service.got


def test_a_burst_waits_as_one_notification_with_the_newest_text(
    browser: Client, service: PushService, conversation: Conversation
) -> None:
    for number in range(5):
        write(conversation, f"Line {number}")
    push.work()
    assert texts(service) == [("Maria Lopez", "Line 4")]


def test_texts_can_be_hidden(
    browser: Client, service: PushService, conversation: Conversation, choose: Callable[..., None]
) -> None:
    choose(shows_text=False)
    write(conversation)
    push.work()
    [(_path, content)] = service.got
    assert content["body"] == "New message"
    assert "reply" not in content
    assert "Maria" not in str(content)
    assert "parcel" not in str(content)


def test_each_person_reads_it_in_their_language(
    browser: Client, service: PushService, conversation: Conversation, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(language="ar")
    write(conversation)
    push.work()
    assert (service.got[0][1]["lang"], service.got[0][1]["dir"]) == ("ar", "rtl")


# --- Rights at the time of sending ------------------------------------------------------------------------------------
def _deactivate(alice: User, _browser: Client) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)


def _log_out(_alice: User, browser: Client) -> None:
    assert browser.post("/accounts/logout/").status_code == 302


def _end_elsewhere(_alice: User, browser: Client) -> None:
    browser.session.delete()


def _lose_access(alice: User, _browser: Client) -> None:
    alice.agent.associations.all().delete()
    Conversation.objects.update(assignee=None)


def _change_mind(alice: User, _browser: Client) -> None:
    alice.notification_choices.filter(kind="mine").delete()


@pytest.mark.parametrize("lose", [_deactivate, _log_out, _end_elsewhere, _lose_access, _change_mind])
def test_who_may_not_or_does_not_want_it_any_more_gets_nothing_that_waited(
    browser: Client,
    service: PushService,
    conversation: Conversation,
    alice: User,
    lose: Callable[[User, Client], None],
) -> None:
    write(conversation)
    push.recipients.take_notices()
    assert PushDelivery.objects.count() == 1
    lose(alice, browser)
    push.work()
    assert not service.got
    assert not PushDelivery.objects.exists()
    if lose in (_deactivate, _log_out, _end_elsewhere):
        assert not PushSubscription.objects.exists()


def test_an_idle_session_gets_nothing(
    browser: Client, service: PushService, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(days=15))
    write(conversation)
    push.work()
    assert not service.got


def test_the_next_person_in_the_same_browser_gets_nothing_of_the_one_before(
    browser: Client, service: PushService, conversation: Conversation, bob: User
) -> None:
    write(conversation)
    push.recipients.take_notices()
    row = PushSubscription.objects.get()
    browser.force_login(bob)
    fields = {"endpoint": row.endpoint, "p256dh": row.p256dh, "auth": row.auth}
    assert browser.post(SUBSCRIBE, fields).status_code == 200
    push.work()
    assert not service.got
    assert PushSubscription.objects.get().user == bob


# --- When -------------------------------------------------------------------------------------------------------------
def test_in_quiet_hours_nothing_comes(
    browser: Client,
    service: PushService,
    conversation: Conversation,
    choose: Callable[..., None],
    clock: time_machine.Traveller,
) -> None:
    """It is 12:05 in UTC, 13:05 in Berlin."""
    choose(has_quiet_hours=True, quiet_from=time(13), quiet_to=time(14), time_zone="Europe/Berlin")
    write(conversation)
    push.work()
    assert not service.got
    clock.shift(timedelta(hours=1))
    write(conversation, "Now?")
    push.work()
    assert texts(service) == [("Maria Lopez", "Now?")]


@pytest.mark.parametrize(("when", "presence", "comes"), [
    ("online", "online", True), ("online", "away", False), ("online", "off", False),
    ("away", "online", False), ("away", "away", True), ("away", "off", True),
])  # fmt: skip
def test_presence_decides_for_who_wants_that(
    browser: Client,
    service: PushService,
    conversation: Conversation,
    choose: Callable[..., None],
    when: str,
    presence: str,
    comes: bool,
) -> None:
    choose(when=when)
    Agent.objects.update(presence=presence)
    write(conversation)
    push.work()
    assert bool(service.got) is comes
