"""Stickers and templates that are sent later follow the rules of stickers and templates, at both times."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from channels_im.models import MessageTemplate
from desk import planned_times
from desk.models import User
from tests.factories import deliver, delivery, make_admin, png, text_item
from tickets.models import Attachment, Conversation, Message, ScheduledReply
from tickets.rules import sent_as
from tickets.rules.sending import Refusal
from tickets.services.outgoing import replies, scheduled_replies, scheduled_sending, stickers, template_replies
from tickets.services.outgoing.replies import ReplyError, SpecialPart
from tickets.services.outgoing.scheduled_replies import Changes
from tickets.services.privacy import erasure

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THUMB = "369239263222822"


@pytest.fixture(autouse=True)
def _stopped(clock: time_machine.Traveller) -> None:
    """The time stands still, five minutes after the customer wrote."""


@pytest.fixture
def template(conversation: Conversation) -> MessageTemplate:
    return MessageTemplate.objects.create(
        page=conversation.channel.page,
        name="order_left",
        language="en_US",
        body="Hi {{1}}, it has left.",
        state=MessageTemplate.State.APPROVED,
    )


def later(user: User, conversation: Conversation, special: SpecialPart, after: timedelta, **fields: Any) -> Any:
    return scheduled_replies.schedule(user, conversation, timezone.now() + after, special=special, **fields)


def sticker(user: User) -> SpecialPart:
    return stickers.part_of(user, THUMB)


def letter(conversation: Conversation, value: str = "Maria") -> SpecialPart:
    return template_replies.part_of(conversation, "order_left", "en_US", [value])


def out(conversation: Conversation) -> list[Message]:
    rows = Message.objects.filter(conversation=conversation, direction="out", kind="message")
    return list(rows.order_by("pk"))


def refusal(call: Any) -> str:
    with pytest.raises(ReplyError) as refused:
        call()
    return refused.value.verdict.code


def test_a_sticker_is_sent_at_its_time(alice: User, conversation: Conversation, clock: time_machine.Traveller) -> None:
    row = later(alice, conversation, sticker(alice), HOUR)
    assert scheduled_sending.send_due() == 0
    clock.shift(HOUR)
    assert scheduled_sending.send_due() == 1
    [message] = out(conversation)
    assert (message.sent_as, message.author, message.state) == ({"sticker_id": THUMB}, alice, "queued")
    assert (message.card or {})["title"] == "👍 Thumbs up"
    row.refresh_from_db()
    assert (row.state, row.sent_as, row.card) == ("sent", None, None)


def test_a_sticker_is_refused_beforehand_after_24_hours(alice: User, conversation: Conversation) -> None:
    assert refusal(lambda: later(alice, conversation, sticker(alice), DAY)) == Refusal.STICKER_REFUSED
    assert not ScheduledReply.objects.exists()
    assert scheduled_replies.schedule(alice, conversation, timezone.now() + DAY, text="A text may").pk


def test_a_sticker_of_a_customer_has_its_own_copy_of_the_picture(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    received = Message.objects.filter(conversation=conversation, direction="in").get()
    Message.objects.filter(pk=received.pk).update(sent_as=sent_as.of_sticker("77"))
    picture = Attachment(message=received, position=0, kind="sticker", name="s.png", content_type="image/png", size=9)
    picture.state = Attachment.State.STORED
    picture.file.save("s.png", ContentFile(png()))
    later(alice, conversation, stickers.part_of(alice, "77"), HOUR)
    default_storage.delete(picture.file.name or "")
    clock.shift(HOUR)
    scheduled_sending.send_due()
    [message] = out(conversation)
    with message.attachments.get().file.open("rb") as copy:
        assert copy.read() == png()
    assert message.sent_as == {"sticker_id": "77"}


@pytest.mark.usefixtures("template")
def test_a_template_may_be_sent_when_the_window_is_closed(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    later(alice, conversation, letter(conversation), 9 * DAY)
    planned_times.pull_back()
    assert scheduled_sending.send_due() == 0
    clock.shift(9 * DAY)
    assert scheduled_sending.send_due() == 1
    [message] = out(conversation)
    assert (message.text, message.state) == ("Hi Maria, it has left.", "queued")
    assert sent_as.template_in(message.sent_as) == sent_as.TemplateUse("order_left", "en_US", ("Maria",))


@pytest.mark.usefixtures("template")
def test_what_a_clock_that_was_ahead_has_planned_is_asked_about(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    """The longest time of each: a text cannot be sent after seven days, a template after a year."""
    text = scheduled_replies.schedule(alice, conversation, timezone.now() + HOUR, text="Hi")
    template = later(alice, conversation, letter(conversation), HOUR)
    for row, days in ((text, 8), (template, 367)):
        ScheduledReply.objects.filter(pk=row.pk).update(
            **dict.fromkeys(("send_at", "due_at"), row.send_at + days * DAY)
        )
    planned_times.pull_back()
    assert scheduled_sending.send_due() == 2
    for row in (text, template):
        row.refresh_from_db()
        assert (row.state, "clock" in row.reason) == ("not_sent", True)


@pytest.mark.parametrize("change", [{"state": "rejected"}, {"body": "Hi {{1}} and {{2}}."}, None])
def test_a_template_that_cannot_be_sent_any_more_waits_with_the_reason(
    alice: User,
    conversation: Conversation,
    template: MessageTemplate,
    clock: time_machine.Traveller,
    change: dict[str, str] | None,
) -> None:
    row = later(alice, conversation, letter(conversation), HOUR)
    MessageTemplate.objects.filter(pk=template.pk).update(**change) if change else template.delete()
    assert refusal(lambda: scheduled_replies.send_now(alice, row)) == Refusal.TEMPLATE_REFUSED
    clock.shift(HOUR)
    scheduled_sending.send_due()
    row.refresh_from_db()
    assert (row.state, bool(row.reason), out(conversation)) == ("not_sent", True, [])


@pytest.mark.usefixtures("template")
def test_who_wrote_it_must_still_be_there(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    rows = [later(alice, conversation, part, HOUR) for part in (sticker(alice), letter(conversation))]
    User.objects.filter(pk=alice.pk).update(is_active=False)
    clock.shift(HOUR)
    scheduled_sending.send_due()
    assert out(conversation) == []
    for row in rows:
        row.refresh_from_db()
        assert (row.state, "deactivated" in row.reason) == ("not_sent", True)


@pytest.mark.usefixtures("template")
def test_the_customer_writes_first(client: Client, alice: User, conversation: Conversation) -> None:
    row = later(alice, conversation, letter(conversation), HOUR, cancel_if_customer_writes=True)
    page = conversation.channel.page
    deliver(client, delivery(page, text_item(page, conversation.contact.psid, "It came", at=timezone.now())))
    row.refresh_from_db()
    assert row.state == "cancelled"


@pytest.mark.usefixtures("template")
def test_its_time_can_be_changed_and_its_words_cannot(alice: User, conversation: Conversation) -> None:
    row = later(alice, conversation, letter(conversation), HOUR)
    sticky = later(alice, conversation, sticker(alice), HOUR)
    moved = scheduled_replies.change(alice, row, Changes(send_at=timezone.now() + 9 * DAY))
    assert moved.due_at == timezone.now() + 9 * DAY
    far = Changes(send_at=timezone.now() + DAY)
    assert refusal(lambda: scheduled_replies.change(alice, sticky, far)) == Refusal.STICKER_REFUSED
    for one in (row, sticky):
        assert refusal(lambda one=one: scheduled_replies.change(alice, one, Changes(text="x"))) == Refusal.NOT_POSSIBLE
        assert refusal(lambda one=one: scheduled_replies.take_back(alice, one)) == Refusal.NOT_POSSIBLE
    [message] = scheduled_replies.send_now(alice, row)
    assert message.text == "Hi Maria, it has left."


@pytest.mark.usefixtures("template")
def test_nothing_is_kept_of_a_customer_who_is_erased_at_that_moment(
    alice: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    special, admin = letter(conversation, "Zwetschge"), make_admin()
    check = replies.check_reply_to

    def erase_first(*args: Any) -> None:
        check(*args)
        erasure.erase(admin, conversation.contact)

    monkeypatch.setattr(replies, "check_reply_to", erase_first)
    assert refusal(lambda: later(alice, conversation, special, HOUR)) == Refusal.CONTACT_ERASED
    assert not ScheduledReply.objects.exists()


def test_the_same_key_schedules_one_sticker(alice: User, conversation: Conversation) -> None:
    first, second = (later(alice, conversation, sticker(alice), HOUR, client_key="k") for _ in range(2))
    assert first == second
