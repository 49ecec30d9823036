"""Files are put into the storage before anything is locked: it may be a service on the network, and slow."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from channels_im.messenger.profile import Profile
from channels_im.models import Channel
from channels_im.services import channels
from desk.models import User
from desk.storage import SavedFiles
from tests.channels_im.setup.files import picture
from tests.factories import make_admin, make_agent, make_channel, make_conversation, make_department, make_page, png
from tests.factories import receive as receive_message
from tests.matching import present
from tickets.models import Contact, Conversation
from tickets.services.inbox import notes
from tickets.services.incoming import profiles
from tickets.services.incoming.profiles import ProfileResult
from tickets.services.outgoing import replies, scheduled_replies

pytestmark = pytest.mark.django_db(transaction=True)


def photo() -> "ContentFile[bytes]":
    return ContentFile(png(), name="photo.png")


def icon() -> "ContentFile[bytes]":
    return ContentFile(picture(), name="icon.png")


def add_note(user: User, conversation: Conversation) -> None:
    notes.add_note(user, conversation, "Look", files=[photo()])


def send_reply(user: User, conversation: Conversation) -> None:
    replies.queue_reply(user, conversation, files=[photo()])


def schedule_reply(user: User, conversation: Conversation) -> None:
    scheduled_replies.schedule(user, conversation, timezone.now() + timedelta(hours=1), files=[photo()])


def fetch_profile(user: User, conversation: Conversation) -> None:
    waiting = Contact.objects.filter(pk=conversation.contact_id).select_related("page")
    [contact] = profiles.FETCHES.claim(waiting)
    profiles._store_result(contact, ProfileResult(Profile("Maria", None), photo()))
    contact.refresh_from_db()
    assert (contact.name, contact.picture.storage.exists(present(contact.picture.name))) == ("Maria", True)


def create_channel(user: User, conversation: Conversation) -> None:
    page = make_page(tasks=["MESSAGING", "MODERATE"])
    channels.create_channel(make_admin(), name="New", icon=icon(), page=page, department=make_department())


def change_channel(user: User, conversation: Conversation) -> None:
    channel = conversation.channel
    channels.change_channel(make_admin(), channel, name=channel.name, department=channel.department, icon=icon())
    channel.refresh_from_db()
    assert channel.icon.storage.exists(present(channel.icon.name))


@pytest.mark.parametrize(
    "act",
    [add_note, send_reply, schedule_reply, fetch_profile, create_channel, change_channel],
    ids=lambda act: act.__name__,
)
def test_no_file_is_stored_within_a_transaction(
    act: Callable[[User, Conversation], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = make_conversation(make_channel())
    receive_message(conversation, at=timezone.now())
    alice = make_agent("alice", channels=(conversation.channel,))
    within: list[bool] = []
    save = SavedFiles.save

    def noted(storage: Any, *args: Any, **options: Any) -> str:
        within.append(connection.in_atomic_block)
        return save(storage, *args, **options)

    monkeypatch.setattr(SavedFiles, "save", noted)
    act(alice, conversation)
    assert within == [False]


def test_the_file_of_a_note_that_is_known_already_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests with the same key: the second learns under the lock that the first was faster."""
    conversation = make_conversation(make_channel())
    receive_message(conversation, at=timezone.now())
    alice = make_agent("alice", channels=(conversation.channel,))
    first: list[Any] = []
    names: list[str] = []
    save = SavedFiles.save

    def slowly(storage: Any, *args: Any, **options: Any) -> str:
        monkeypatch.undo()
        first.append(notes.add_note(alice, conversation, "Look", "key", files=[photo()]))
        names.append(save(storage, *args, **options))
        return names[0]

    monkeypatch.setattr(SavedFiles, "save", slowly)
    second = notes.add_note(alice, Conversation.objects.get(pk=conversation.pk), "Look", "key", files=[photo()])
    assert second == first[0]
    kept = second.attachments.get().file
    assert kept.storage.exists(present(kept.name))
    assert not kept.storage.exists(names[0])


def test_a_channel_that_is_refused_leaves_no_icon() -> None:
    channel = make_channel()
    before = set(channel.icon.storage.listdir("channel-icons")[1])
    with pytest.raises(channels.ChannelError):
        channels.create_channel(
            make_admin(), name="Again", icon=icon(), page=channel.page, department=make_department()
        )
    assert set(channel.icon.storage.listdir("channel-icons")[1]) == before
    assert Channel.objects.count() == 1
