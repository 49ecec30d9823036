"""Echoes of what others sent, deliveries and reads."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from channels_im.messenger import events
from channels_im.models import Channel
from desk.models import User
from tests.factories import NOON, answer, make_channel, make_conversation, ms, receive
from tests.matching import present
from tickets.models import Contact, Conversation, Message
from tickets.services.incoming import receipts
from tickets.services.outgoing import replies

pytestmark = pytest.mark.usefixtures("clock")

OUR_APP, INBOX, OTHER = "100000000000001", "263902037430900", "424242"


def echo(
    conversation: Conversation,
    text: str | None = "From elsewhere",
    at: datetime | None = None,
    app_id: str | None = INBOX,
    mid: str | None = "m_echo",
    **fields: Any,
) -> Message:
    event = events.Echo(
        page_id=conversation.contact.page.page_id,
        psid=conversation.contact.psid,
        timestamp_ms=ms(at or NOON + timedelta(minutes=1)),
        key=f"message:{mid}",
        mid=present(mid),
        text=text,
        app_id=app_id,
        **fields,
    )
    return present(receipts.take_echo(conversation.channel.page, conversation.channel, event))


def read(conversation: Conversation, at: datetime, **fields: Any) -> None:
    event = events.Read(
        page_id="1", psid=conversation.contact.psid, timestamp_ms=ms(at), key="read", watermark_ms=ms(at), **fields
    )
    receipts.take_read(conversation.channel.page, conversation.channel, event)


def deliver(conversation: Conversation, at: datetime | None = None, mids: Iterable[str | None] = ()) -> None:
    event = events.Delivered(
        page_id="1",
        psid=conversation.contact.psid,
        timestamp_ms=ms(at or NOON),
        key="delivery",
        watermark_ms=ms(at) if at else None,
        mids=tuple(map(present, mids)),
    )
    receipts.take_delivery(conversation.channel.page, conversation.channel, event)


def state_of(message: Message) -> str:
    message.refresh_from_db()
    return message.state


# --- Echoes of others -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("app_id", "metadata", "source"),
    [
        (INBOX, None, "page_inbox"),
        ("26390203743090", None, "page_inbox"),
        (None, None, "page_inbox"),
        (OUR_APP, "from a script", "this_app"),
        (OUR_APP, "desk:999999", "this_app"),
        (OUR_APP, "desk:x", "this_app"),
        (OTHER, None, "other_app"),
        (OTHER, "desk:1", "other_app"),
    ],
)
def test_what_others_sent_says_who(
    conversation: Conversation, app_id: str | None, metadata: str | None, source: str
) -> None:
    message = echo(conversation, app_id=app_id, metadata=metadata)

    assert (message.source, message.state, message.direction) == (source, "sent", "out")
    assert message.sent_at == NOON + timedelta(minutes=1)


def test_another_app_cannot_settle_our_reply_with_our_metadata(conversation: Conversation, alice: User) -> None:
    (reply,) = replies.queue_reply(alice, conversation, text="Yes")
    echo(conversation, app_id=OTHER, metadata=f"desk:{reply.pk}")

    assert state_of(reply) == "queued"


def test_an_answer_from_elsewhere_counts_as_answer(conversation: Conversation) -> None:
    echo(conversation)

    conversation.refresh_from_db()
    assert conversation.waiting_since is None
    assert (conversation.preview, conversation.preview_is_ours) == ("From elsewhere", True)


def test_an_answer_from_elsewhere_joins_the_ticket(conversation: Conversation) -> None:
    assert echo(conversation).ticket == conversation.current_ticket


def test_the_same_echo_twice_is_one_message(conversation: Conversation) -> None:
    first, second = echo(conversation), echo(conversation)

    assert first == second
    conversation.refresh_from_db()
    assert conversation.message_count == 2


def test_an_echo_before_any_word_of_the_customer_makes_the_conversation(channel: Channel) -> None:
    event = events.Echo(
        page_id=channel.page.page_id,
        psid="7999",
        timestamp_ms=ms(NOON),
        key="message:m_1",
        mid="m_1",
        text="Welcome",
        app_id=INBOX,
    )
    message = present(receipts.take_echo(channel.page, channel, event))

    assert message.conversation.contact.psid == "7999"
    assert message.ticket is not None


def test_a_file_sent_from_elsewhere_is_fetched(conversation: Conversation) -> None:
    image = events.AttachmentRef(type="image", url="https://scontent.xx.fbcdn.net/v/photo.png")
    message = echo(conversation, text=None, attachments=(image,))

    assert message.attachments.get().state == "pending"


def test_an_echo_in_standby_is_marked(conversation: Conversation) -> None:
    assert echo(conversation, standby=True).is_standby


def test_answers_from_elsewhere_get_delivered_and_read_states(conversation: Conversation) -> None:
    message = echo(conversation)
    deliver(conversation, message.sent_at)
    assert state_of(message) == "delivered"
    read(conversation, message.sent_at)
    assert state_of(message) == "read"


def test_an_echo_that_comes_after_its_read_is_read(conversation: Conversation) -> None:
    read(conversation, NOON + timedelta(minutes=2))

    assert echo(conversation, at=NOON + timedelta(minutes=1)).state == "read"
    assert echo(conversation, at=NOON + timedelta(minutes=3), mid="m_later").state == "sent"


# --- Watermarks -------------------------------------------------------------------------------------------------------
def test_a_watermark_reads_everything_at_or_before_it_and_nothing_later(conversation: Conversation) -> None:
    times = [NOON + timedelta(minutes=1, milliseconds=n) for n in (-1, 0, 1)]
    messages = [answer(conversation, at=at) for at in times]
    read(conversation, times[1])

    assert [state_of(message) for message in messages] == ["read", "read", "sent"]


def test_what_is_read_was_delivered(conversation: Conversation) -> None:
    message = answer(conversation, at=NOON)
    read(conversation, NOON)

    message.refresh_from_db()
    assert (message.delivered_at, message.read_at) == (NOON, NOON)


def test_a_delivery_after_the_read_changes_nothing(conversation: Conversation) -> None:
    message = answer(conversation, at=NOON)
    read(conversation, NOON)
    deliver(conversation, NOON, mids=(message.mid,))

    assert state_of(message) == "read"


def test_a_delivery_names_messages_beside_its_watermark(conversation: Conversation) -> None:
    early, named = answer(conversation, at=NOON), answer(conversation, at=NOON + timedelta(minutes=2))
    deliver(conversation, NOON, mids=(named.mid,))

    assert (state_of(early), state_of(named)) == ("delivered", "delivered")


def test_a_delivery_without_a_watermark_reaches_only_what_it_names(conversation: Conversation) -> None:
    other, named = answer(conversation, at=NOON), answer(conversation, at=NOON)
    deliver(conversation, mids=(named.mid,))

    assert (state_of(other), state_of(named)) == ("sent", "delivered")


def test_a_watermark_beyond_the_clock_counts_as_now(conversation: Conversation) -> None:
    now = answer(conversation, at=timezone.now())
    later = answer(conversation, at=timezone.now() + timedelta(minutes=1))
    read(conversation, timezone.now() + timedelta(days=400))

    assert (state_of(now), state_of(later)) == ("read", "sent")
    conversation.refresh_from_db()
    assert conversation.read_watermark == timezone.now()


def test_an_older_watermark_after_a_newer_one_changes_nothing(conversation: Conversation) -> None:
    read(conversation, NOON + timedelta(minutes=2))
    read(conversation, NOON)

    conversation.refresh_from_db()
    assert conversation.read_watermark == NOON + timedelta(minutes=2)


@pytest.mark.parametrize("state", ["queued", "sending", "unsure", "failed", "held"])
def test_what_is_not_known_as_sent_is_not_read(conversation: Conversation, state: str) -> None:
    message = answer(conversation, at=NOON, state=state)
    read(conversation, NOON + timedelta(minutes=1))
    deliver(conversation, NOON + timedelta(minutes=1))

    assert state_of(message) == state


def test_the_watermark_may_come_before_the_row_is_known_as_sent(conversation: Conversation, alice: User) -> None:
    (reply,) = replies.queue_reply(alice, conversation, text="Yes")
    Message.objects.filter(pk=reply.pk).update(state="unsure", claimed_at=timezone.now())
    at = NOON + timedelta(minutes=4)
    read(conversation, at)
    echo(conversation, app_id=OUR_APP, metadata=f"desk:{reply.pk}", at=at)

    assert state_of(reply) == "read"


def test_metas_time_in_a_late_echo_makes_a_reply_read_that_ours_left_sent(conversation: Conversation) -> None:
    message = answer(conversation, at=NOON + timedelta(seconds=61))
    read(conversation, NOON + timedelta(seconds=60))
    assert state_of(message) == "sent"
    echo(conversation, app_id=OUR_APP, metadata=f"desk:{message.pk}", mid=message.mid, at=NOON + timedelta(seconds=59))

    assert state_of(message) == "read"


def test_notes_events_and_the_customers_own_messages_have_no_receipts(conversation: Conversation) -> None:
    note = answer(conversation, at=NOON, kind="note")
    read(conversation, NOON + timedelta(minutes=1))

    assert state_of(note) == "sent"
    assert state_of(conversation.messages.get(direction="in")) == "received"


def test_receipts_touch_neither_other_customers_nor_other_channels(
    channel: Channel, conversation: Conversation
) -> None:
    neighbour, stranger = make_conversation(channel), make_conversation(make_channel(), conversation.contact.psid)
    messages = [answer(other, at=NOON) for other in (neighbour, stranger)]
    read(conversation, NOON + timedelta(minutes=1))
    deliver(conversation, NOON + timedelta(minutes=1), mids=tuple(message.mid for message in messages))

    assert [state_of(message) for message in messages] == ["sent", "sent"]


def test_a_receipt_of_somebody_unknown_makes_no_conversation(channel: Channel, conversation: Conversation) -> None:
    event = events.Read(page_id="1", psid="unknown", timestamp_ms=ms(NOON), key="read", watermark_ms=ms(NOON))
    receipts.take_read(channel.page, channel, event)

    assert channel.conversations.count() == 1


def test_a_deleted_channels_conversation_is_left_alone_by_the_new_one(
    channel: Channel, conversation: Conversation
) -> None:
    old = answer(conversation, at=NOON)
    type(channel).objects.update(is_active=False, deleted_at=timezone.now())
    anew = make_channel(channel.page)
    receive(make_conversation_of(conversation.contact, anew))
    read_in = events.Read(
        page_id="1", psid=conversation.contact.psid, timestamp_ms=ms(NOON), key="read", watermark_ms=ms(NOON)
    )
    receipts.take_read(anew.page, anew, read_in)

    assert state_of(old) == "sent"


def make_conversation_of(contact: Contact, channel: Channel) -> Conversation:
    return contact.conversations.create(channel=channel, department=channel.department)
