"""A scheduled reply is sent once, at its time, by the outbox; or it waits for an agent with the reason."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from desk.models import User
from tests import factories
from tests.factories import NOON, deliver, delivery, text_item
from tests.tickets.services.graph import FakeGraph
from tests.tickets.services.outgoing.scheduled import HOUR, PDF, has_scheduled, lines, pdf, sent, state_of
from tickets.models import Conversation, EventDelivery, EventType, Message, ScheduledReply, ScheduledReplyFile
from tickets.services.conversation import access
from tickets.services.inbox import actions, notifications
from tickets.services.outgoing import (
    outbox,
    scheduled_files,
    scheduled_replies,
    scheduled_sending,
    scheduled_specials,
)
from tickets.services.outgoing.replies import ReplyError
from tickets.services.outgoing.scheduled_replies import Changes
from tickets.services.outgoing.scheduled_specials import TooLateError
from tickets.services.webhooks.subscriptions import create

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _stopped(clock: time_machine.Traveller) -> None:
    """The time stands still, five minutes after the customer wrote."""


def test_at_its_time_it_is_an_ordinary_reply_with_its_files_and_quote_behind_those_before_it(
    later: Callable[..., ScheduledReply],
    queue: Callable[..., Message],
    conversation: Conversation,
    graph: FakeGraph,
    clock: time_machine.Traveller,
) -> None:
    mid = Message.objects.filter(direction="in").values_list("mid", flat=True).get()
    row = later(files=[pdf()], reply_to_mid=mid)
    assert (sent(conversation), has_scheduled(conversation)) == ([], True)
    clock.shift(HOUR - timedelta(seconds=1))
    assert (scheduled_sending.is_due(), scheduled_sending.send_due()) == (False, 0)
    clock.shift(timedelta(seconds=1))
    queue("One moment")
    assert (scheduled_sending.is_due(), scheduled_sending.send_due(), scheduled_sending.is_due()) == (True, 1, False)
    assert sent(conversation) == ["One moment", "Good morning", "offer.pdf"]
    reply, file = Message.objects.filter(direction="out", kind="message").order_by("pk")[1:]
    assert (reply.author, reply.reply_to_mid, reply.state) == (row.author, mid, "queued")
    with file.attachments.get().file.open("rb") as content:
        assert content.read() == PDF
    assert (state_of(row), has_scheduled(conversation)) == (("sent", ""), False)
    assert not ScheduledReplyFile.objects.exists()
    outbox.drain_outbox()
    assert graph.texts()[:2] == ["One moment", "Good morning"]


def test_what_the_customer_said_since_it_was_written_is_not_answered_by_it(
    later: Callable[..., ScheduledReply], conversation: Conversation, clock: time_machine.Traveller
) -> None:
    later()
    clock.shift(HOUR / 2)
    factories.receive(conversation, "And the price?", timezone.now())
    clock.shift(HOUR / 2)
    scheduled_sending.send_due()
    conversation.refresh_from_db()
    assert conversation.unread_count == 2
    assert conversation.waiting_since is not None


def test_the_latest_time_is_before_the_window_closes(
    later: Callable[..., ScheduledReply], conversation: Conversation
) -> None:
    closes = scheduled_specials.closes_at(conversation, timezone.now())
    assert closes is not None
    with pytest.raises(TooLateError, match="The latest time") as refused:
        later(after=closes - timezone.now())
    assert refused.value.latest == closes - timedelta(minutes=5)
    assert not ScheduledReply.objects.exists()
    later(after=refused.value.latest - timezone.now())


@pytest.mark.parametrize("after", [timedelta(0), -HOUR])
def test_a_time_that_is_over_is_refused(later: Callable[..., ScheduledReply], after: timedelta) -> None:
    with pytest.raises(ReplyError, match="still to come"):
        later(after=after)


def test_the_same_key_is_one_reply_also_after_it_was_sent(
    later: Callable[..., ScheduledReply], queue: Callable[..., Message], conversation: Conversation
) -> None:
    row = later(client_key="k1", files=[pdf()])
    assert later(client_key="k1", files=[pdf()]).pk == row.pk
    assert ScheduledReplyFile.objects.count() == 1
    assert row.author is not None
    scheduled_replies.send_now(row.author, row)
    assert later(client_key="k1").state == "sent"
    assert sent(conversation) == ["Good morning", "offer.pdf"]
    queue("At once", client_key="k2")
    with pytest.raises(ReplyError, match="was sent at once"):
        later("At once", client_key="k2")


def make_blocked(alice: User, conversation: Conversation) -> None:
    actions.block(alice, conversation)


def make_inactive(alice: User, conversation: Conversation) -> None:
    conversation.channel.is_active = False
    conversation.channel.save()


def make_deleted(alice: User, conversation: Conversation) -> None:
    conversation.channel.is_active, conversation.channel.deleted_at = False, timezone.now()
    conversation.channel.save()


def close_window(alice: User, conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(last_customer_message_at=NOON - timedelta(days=30))


def deactivate(alice: User, conversation: Conversation) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)


def take_off(alice: User, conversation: Conversation) -> None:
    alice.agent.associations.all().delete()
    alice.agent.departments.clear()


def delete_author(alice: User, conversation: Conversation) -> None:
    alice.delete()


OBSTACLES: dict[Callable[[User, Conversation], None], str] = {
    make_blocked: "is blocked",
    make_inactive: "is deactivated",
    make_deleted: "was deleted",
    close_window: "messaging window closed",
    deactivate: "alice was deactivated. Nothing is sent in their name",
    take_off: "alice may no longer answer",
    delete_author: "who wrote it was deleted",
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_cannot_be_sent_at_its_time_waits_with_the_reason(
    obstacle: Callable[[User, Conversation], None],
    alice: User,
    conversation: Conversation,
    later: Callable[..., ScheduledReply],
    clock: time_machine.Traveller,
) -> None:
    row = later(files=[pdf()])
    obstacle(alice, conversation)
    clock.shift(HOUR)
    assert scheduled_sending.send_due() == 1
    state, reason = state_of(row)
    assert (state, row.text, row.files.count()) == ("not_sent", "Good morning", 1)
    assert OBSTACLES[obstacle] in reason
    assert (sent(conversation), has_scheduled(conversation), scheduled_sending.is_due()) == ([], True, False)
    assert lines(conversation)[-1].startswith("A scheduled reply")


@pytest.mark.parametrize(
    ("obstacle", "told"), [(close_window, {"alice"}), (deactivate, {"bert"}), (delete_author, {"bert"})]
)
def test_its_author_is_told_else_the_assignee(
    obstacle: Callable[[User, Conversation], None],
    told: set[str],
    alice: User,
    conversation: Conversation,
    later: Callable[..., ScheduledReply],
    clock: time_machine.Traveller,
) -> None:
    bert, carol = (factories.make_agent(name, channels=(conversation.channel,)) for name in ("bert", "carol"))
    later()
    actions.assign(bert, conversation, bert)
    obstacle(alice, conversation)
    seen = Message.objects.latest("pk").pk
    clock.shift(HOUR)
    scheduled_sending.send_due()
    found = {
        user.username
        for user in User.objects.filter(username__in=["alice", "bert", "carol"])
        if notifications.since(user, access.facts_for(user), seen).messages
    }
    assert (found, carol.username in found) == (told, False)


@pytest.mark.parametrize("cancels", [True, False])
def test_a_message_of_the_customer_cancels_what_shall_be_cancelled(
    client: Client, conversation: Conversation, later: Callable[..., ScheduledReply], cancels: bool
) -> None:
    row = later(cancel_if_customer_writes=cancels)
    item = text_item(conversation.channel.page, conversation.contact.psid, "I found it", timezone.now())
    deliver(client, delivery(conversation.channel.page, item))
    state, reason = state_of(row)
    assert state == ("cancelled" if cancels else "scheduled")
    assert ("customer wrote" in reason, row.text) == (cancels, "Good morning")
    assert lines(conversation) == (["A scheduled reply was cancelled, because the customer wrote"] if cancels else [])


def test_taken_back_it_is_not_sent_and_the_edited_one_replaces_it(
    alice: User,
    conversation: Conversation,
    later: Callable[..., ScheduledReply],
    clock: time_machine.Traveller,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    row = later(files=[pdf()])
    scheduled_replies.take_back(alice, row)
    clock.shift(HOUR)
    assert (scheduled_sending.send_due(), state_of(row)[0]) == (0, "editing")
    kept = row.files.get()
    name = str(kept.file.name)
    with (
        django_capture_on_commit_callbacks(execute=True),
        scheduled_files.opened(conversation, [kept.pk]) as files,
    ):
        edited = later("Good evening", files=files, replaces=row.pk)
    assert list(ScheduledReply.objects.values_list("pk", "text")) == [(edited.pk, "Good evening")]
    assert not default_storage.exists(name)
    assert default_storage.exists(str(edited.files.get().file.name))


def test_who_changes_the_words_is_the_author_and_who_sends_it_now_is_too(
    conversation: Conversation, later: Callable[..., ScheduledReply]
) -> None:
    bert = factories.make_agent("bert", channels=(conversation.channel,))
    row = scheduled_replies.change(bert, later(), Changes(send_at=timezone.now() + 2 * HOUR))
    assert str(row.author) == "alice"
    row = scheduled_replies.change(bert, row, Changes(text="Hello"))
    assert (str(row.author), row.due_at) == ("bert", timezone.now() + 2 * HOUR)
    other = later("Second")
    [message] = scheduled_replies.send_now(bert, other)
    assert (message.author, message.text) == (bert, "Second")


def test_a_new_time_does_not_bring_back_words_that_a_colleague_has_changed(
    alice: User, conversation: Conversation, later: Callable[..., ScheduledReply]
) -> None:
    row, dora = later("We open at 8"), factories.make_agent("dora", channels=(conversation.channel,))
    read_before = ScheduledReply.objects.get(pk=row.pk)
    scheduled_replies.change(alice, row, Changes(text="We open at 9"))
    changed = scheduled_replies.change(dora, read_before, Changes(send_at=timezone.now() + 2 * HOUR))
    assert (changed.text, changed.author) == ("We open at 9", alice)


def test_a_deactivated_author_is_replaced_by_who_schedules_it_again(
    alice: User, conversation: Conversation, later: Callable[..., ScheduledReply], clock: time_machine.Traveller
) -> None:
    bert = factories.make_agent("bert", channels=(conversation.channel,))
    row = later()
    deactivate(alice, conversation)
    clock.shift(HOUR)
    scheduled_sending.send_due()
    row = scheduled_replies.change(bert, row, Changes(send_at=timezone.now() + HOUR))
    clock.shift(HOUR)
    scheduled_sending.send_due()
    assert (state_of(row)[0], sent(conversation)) == ("sent", ["Good morning"])


def test_too_late_after_desk_was_down_it_is_not_sent_unasked(
    conversation: Conversation, later: Callable[..., ScheduledReply], clock: time_machine.Traveller
) -> None:
    row = later()
    clock.shift(HOUR + timedelta(hours=12))
    scheduled_sending.send_due()
    other = later("Second", after=HOUR)
    clock.shift(HOUR + timedelta(hours=12, seconds=1))
    scheduled_sending.send_due()
    assert (sent(conversation), state_of(row)[0], state_of(other)[0]) == (["Good morning"], "sent", "not_sent")


def test_webhooks_hear_of_each_change_without_the_text(
    alice: User, later: Callable[..., ScheduledReply], clock: time_machine.Traveller
) -> None:
    create(factories.make_admin(), name="CRM", url="https://crm.example.com/desk", events=EventType.values)
    later()
    clock.shift(HOUR)
    scheduled_sending.send_due()
    scheduled_replies.cancel(alice, later())
    found = EventDelivery.objects.filter(type__startswith="scheduled").order_by("pk")
    assert [(row.type, row.facts["by"], row.facts["scheduled_reply"]["state"]) for row in found] == [
        ("scheduled_reply.created", "alice", "scheduled"),
        ("scheduled_reply.updated", None, "sent"),
        ("scheduled_reply.created", "alice", "scheduled"),
        ("scheduled_reply.deleted", "alice", "scheduled"),
    ]
    assert "Good morning" not in str([row.facts for row in found])
