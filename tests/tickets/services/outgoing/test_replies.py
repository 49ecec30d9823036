"""Queue replies: what is stored, what is refused, and that the same request twice is one reply."""

import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ
from PIL import Image
from pytest_django import Settings

from channels_im.models import Channel
from desk import loops, wake
from desk.models import User
from tests.factories import (
    NOON,
    make_agent,
    make_channel,
    make_conversation,
    make_user,
    png,
    receive,
)
from tests.matching import present
from tickets.models import Attachment, Conversation, Message
from tickets.rules.sending import Verdict
from tickets.services.outgoing import replies

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOON + timedelta(minutes=5), tick=False):
        yield


@pytest.fixture
def channel() -> Channel:
    return make_channel()


@pytest.fixture
def alice(channel: Channel) -> User:
    return make_agent("alice", channels=(channel,))


@pytest.fixture
def conversation(channel: Channel) -> Conversation:
    conversation = make_conversation(channel)
    receive(conversation, "Is it open?", NOON)
    return conversation


def refusal(user: User | None, conversation: Conversation, **reply: Any) -> Verdict:
    with pytest.raises(replies.ReplyError) as refused:
        replies.queue_reply(user, conversation, **reply)
    return refused.value.verdict


def image(name: str = "photo.png", data: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data or png())


# --- Queueing ---------------------------------------------------------------------------------------------------------
def test_a_reply_is_queued_by_its_author_in_the_current_ticket(alice: User, conversation: Conversation) -> None:
    (message,) = replies.queue_reply(alice, conversation, text="Yes")

    assert (message.state, message.source, message.author) == ("queued", "agent", alice)
    assert message.ticket == conversation.current_ticket


def test_text_and_files_are_one_row_each_and_the_text_comes_first(alice: User, conversation: Conversation) -> None:
    parts = replies.queue_reply(alice, conversation, text="Look", files=[image("a.png"), image("b.png")])

    assert [part.text for part in parts] == ["Look", "", ""]
    assert [[file.name for file in part.attachments.all()] for part in parts] == [[], ["a.png"], ["b.png"]]
    assert [part.pk for part in parts] == sorted(part.pk for part in parts)


def test_an_image_is_stored_with_its_kind_type_size_and_dimensions(alice: User, conversation: Conversation) -> None:
    data = png(30, 20)
    (part,) = replies.queue_reply(alice, conversation, files=[image(data=data)])

    stored = part.attachments.get()
    assert (stored.kind, stored.content_type, stored.state) == ("image", "image/png", "stored")
    assert (stored.size, stored.width, stored.height) == (len(data), 30, 20)
    with stored.file.open() as file:
        assert file.read() == data
    assert "photo" not in present(stored.file.name)


def test_an_image_on_its_side_has_the_dimensions_it_is_shown_with(alice: User, conversation: Conversation) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
    (part,) = replies.queue_reply(alice, conversation, files=[image("a.jpg", buffer.getvalue())])

    stored = part.attachments.get()
    assert (stored.width, stored.height) == (20, 30)


def test_text_is_kept_as_it_is_counted(alice: User, conversation: Conversation) -> None:
    (message,) = replies.queue_reply(alice, conversation, text="  one\r\ntwo\x00  ")

    assert message.text == "one\ntwo"


def test_the_customer_no_longer_waits_and_nothing_is_unread(alice: User, conversation: Conversation) -> None:
    replies.queue_reply(alice, conversation, text="Yes")

    conversation.refresh_from_db()
    assert (conversation.waiting_since, conversation.unread_count) == (None, 0)
    assert conversation.preview == "Yes"
    assert conversation.preview_is_ours


def test_the_list_shows_a_picture_as_one(alice: User, conversation: Conversation) -> None:
    replies.queue_reply(alice, conversation, files=[image()])

    conversation.refresh_from_db()
    assert conversation.preview == "📷 Photo"


def test_an_unassigned_conversation_stays_unassigned(alice: User, conversation: Conversation) -> None:
    replies.queue_reply(alice, conversation, text="Yes")

    conversation.refresh_from_db()
    assert conversation.assignee is None


def test_a_reply_wakes_the_outbox(alice: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(wake, "wake", woken.append)
    replies.queue_reply(alice, conversation, text="Yes")

    assert woken == ["outbox"]
    assert "outbox" in loops.names_of(loops.SENDER)
    assert not OrmQ.objects.exists()


def test_the_same_client_key_is_one_reply(alice: User, conversation: Conversation) -> None:
    first = replies.queue_reply(alice, conversation, text="Yes", files=[image()], client_key="k1")
    again = replies.queue_reply(alice, conversation, text="Yes", files=[image()], client_key="k1")

    assert [part.pk for part in again] == [part.pk for part in first]
    assert Message.objects.filter(direction="out").count() == 2
    assert Attachment.objects.count() == 1


def test_the_same_client_key_in_another_conversation_is_another_reply(
    alice: User, channel: Channel, conversation: Conversation
) -> None:
    other = make_conversation(channel)
    receive(other)
    replies.queue_reply(alice, conversation, text="Yes", client_key="k1")

    assert replies.queue_reply(alice, other, text="Yes", client_key="k1")[0].conversation == other


@pytest.mark.parametrize("key", ["a:1", "x" * 500])
def test_any_client_key_can_be_stored(alice: User, conversation: Conversation, key: str) -> None:
    first = replies.queue_reply(alice, conversation, text="Yes", client_key=key)

    assert replies.queue_reply(alice, conversation, text="Yes", client_key=key) == first


@pytest.mark.django_db(transaction=True)
def test_a_double_click_in_two_processes_is_one_reply(alice: User, conversation: Conversation) -> None:
    gate, results = threading.Barrier(4), []

    def click() -> None:
        gate.wait()
        try:
            results.append(replies.queue_reply(alice, conversation, text="Yes", files=[image()], client_key="k1"))
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 4
    assert len({part.pk for parts in results for part in parts}) == 2
    assert Message.objects.filter(direction="out").count() == 2


def test_a_reply_quotes_a_message_of_the_conversation(alice: User, conversation: Conversation) -> None:
    asked = conversation.messages.get()
    (message,) = replies.queue_reply(alice, conversation, text="Yes", reply_to_mid=present(asked.mid))

    assert message.reply_to_mid == asked.mid


def test_a_message_of_another_conversation_cannot_be_quoted(
    alice: User, channel: Channel, conversation: Conversation
) -> None:
    other = receive(make_conversation(channel))

    assert refusal(alice, conversation, text="Yes", reply_to_mid=other.mid).code == "not_possible"


# --- Refusing ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
def test_a_blank_reply_is_refused(alice: User, conversation: Conversation, text: str) -> None:
    assert refusal(alice, conversation, text=text).code == "text_blank"


def test_1601_characters_are_refused_and_1600_are_not(alice: User, conversation: Conversation) -> None:
    assert refusal(alice, conversation, text="😀" * 1601).code == "text_too_long"
    assert replies.queue_reply(alice, conversation, text="😀" * 1600)


def test_a_file_that_may_not_go_out_refuses_the_whole_reply(alice: User, conversation: Conversation) -> None:
    verdict = refusal(alice, conversation, text="Look", files=[image(), image("fake.pdf")])

    assert verdict.code == "file_refused"
    assert "fake.pdf" in verdict.sentence
    assert not Message.objects.filter(direction="out").exists()


def test_a_stranger_is_refused(conversation: Conversation) -> None:
    assert refusal(make_agent(), conversation, text="Yes").code == "not_associated"
    assert refusal(make_user(), conversation, text="Yes").code == "not_associated"


def test_a_deactivated_channel_is_refused_whatever_the_page_at_hand_says(
    alice: User, channel: Channel, conversation: Conversation
) -> None:
    type(channel).objects.update(is_active=False)

    assert refusal(alice, conversation, text="Yes").code == "channel_inactive"


def test_a_deleted_channel_is_refused(alice: User, channel: Channel, conversation: Conversation) -> None:
    type(channel).objects.update(is_active=False, deleted_at=timezone.now())

    assert refusal(alice, conversation, text="Yes").code == "channel_deleted"


def test_a_page_to_re_authenticate_is_refused_with_its_reason(
    alice: User, channel: Channel, conversation: Conversation
) -> None:
    type(channel.page).objects.update(connection="reauth_required", reauth_reason="password_changed")

    verdict = refusal(alice, conversation, text="Yes")
    assert (verdict.code, verdict.action) == ("reauth_required", "reauthenticate")
    assert "password was changed" in verdict.sentence


def test_a_blocked_contact_is_refused(alice: User, conversation: Conversation) -> None:
    type(conversation.contact).objects.update(blocked_at=timezone.now())

    assert refusal(alice, conversation, text="Yes").code == "contact_blocked"


def test_after_the_window_is_closed_a_reply_is_refused(alice: User, conversation: Conversation) -> None:
    with time_machine.travel(NOON + timedelta(days=7)):
        assert refusal(alice, conversation, text="Yes").code == "window_closed"


def test_without_the_human_agent_feature_a_day_is_all(
    alice: User, conversation: Conversation, settings: Settings
) -> None:
    settings.META_HUMAN_AGENT = False
    with time_machine.travel(NOON + timedelta(hours=24)):
        assert refusal(alice, conversation, text="Yes").code == "window_closed"


def test_nothing_automatic_is_queued_after_a_day(conversation: Conversation) -> None:
    with time_machine.travel(NOON + timedelta(hours=25)):
        assert refusal(None, conversation, text="Yes").code == "person_only"


def test_a_refused_reply_leaves_no_file_behind(alice: User, conversation: Conversation, settings: Settings) -> None:
    refusal(alice, conversation, text="x" * 1601, files=[image()])

    assert not list((settings.MEDIA_ROOT / "attachments").rglob("*.png"))
