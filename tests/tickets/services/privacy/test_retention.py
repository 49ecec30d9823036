"""Closed conversations are erased when they are old enough, through the same service as a person who asks for it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from channels_im.models import Channel, ParkedDelivery
from channels_im.services.journal import mentions, store
from desk import retention as rules
from desk.models import RetentionRule, User
from tests import factories as make
from tests.factories import delivery, journal, text_item
from tests.matching import present
from tests.pages import html_of
from tests.tickets.services.privacy.erased_contact import OTHER, PSID, SECRET, everything
from tickets import tasks
from tickets.models import (
    Attachment,
    Contact,
    Conversation,
    Draft,
    Erasure,
    Message,
    Moderation,
    PageReaction,
    ScheduledReply,
    Ticket,
)
from tickets.services.inbox import actions, drafts
from tickets.services.privacy import erasure, retention

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LIMIT = timedelta(days=365)


def quiet(channel: Channel, psid: str = PSID, days: int = 400) -> Conversation:
    """Return a conversation that ended so many days ago, with a file."""
    at = timezone.now() - timedelta(days=days)
    conversation = make.make_conversation(channel, psid, name="Zwetschge", first_seen_at=at)
    message = make.receive(conversation, f"My word is {SECRET}", at)
    attachment = Attachment(message=message, kind="image", state="stored", size=70)
    attachment.file.save("kept.png", ContentFile(make.png()))
    make.answer(conversation, "Thanks", at + timedelta(minutes=1), state="read")
    Ticket.objects.filter(conversation=conversation).update(status="closed", closed_at=at)
    Conversation.objects.filter(pk=conversation.pk).update(created_at=at)
    return conversation


def apply() -> int:
    return retention.erase_quiet(timezone.now() - LIMIT, 100)


@pytest.fixture
def channel() -> Channel:
    return make.make_channel()


def test_a_closed_conversation_is_erased_with_its_files_and_a_receipt(channel: Channel, setup: Client) -> None:
    conversation = quiet(channel)
    mentions.record([(journal(delivery(channel.page, text_item(channel.page, PSID)), state="done"), None)])
    name = present(Attachment.objects.get().file.name)
    RetentionRule.objects.create(kind="conversations", days=365)
    assert rules.apply()["conversations"] == 1
    tasks.delete_erased_files()
    left = everything()
    assert [word for word in (SECRET, PSID, "Zwetschge") if word in left] == []
    assert not default_storage.exists(name)
    receipt = Erasure.objects.get()
    assert (receipt.erased_by, receipt.retention_days, receipt.completed_at is None) == (None, 365, False)
    assert "by the retention rule of 365 days" in html_of(setup.get(f"/admin/tickets/erasure/{receipt.pk}/change/"))
    marked = conversation.messages.get(card__kind="erased")
    assert present(marked.card)["title"] == "Erased after 365 days without a message"
    assert apply() == 0


def hold(conversation: Conversation, state: str) -> None:
    make.answer(conversation, "Still to be sent", timezone.now() - timedelta(days=399), state=state)


def park(conversation: Conversation, state: str) -> None:
    page = conversation.contact.page
    row = journal(delivery(page, text_item(page, PSID)), state=state)
    if state == "parked":
        ParkedDelivery.objects.create(delivery=row, page=page)


def draft(conversation: Conversation) -> None:
    drafts.save(make.make_agent("alice", channels=(conversation.channel,)), conversation, "I wanted to say")


def note(conversation: Conversation) -> None:
    actions.add_note(make.make_agent("alice", channels=(conversation.channel,)), conversation, "Calls next week")


def schedule(conversation: Conversation, state: str) -> None:
    at = timezone.now() + timedelta(days=60)
    due_at = at if state == "scheduled" else None
    ScheduledReply.objects.create(conversation=conversation, text="Later", send_at=at, due_at=due_at, state=state)


def reopen(conversation: Conversation) -> None:
    Ticket.objects.filter(conversation=conversation).update(status="open", closed_at=None)


def write_again(conversation: Conversation) -> None:
    make.receive(conversation, "Hello again", timezone.now() - timedelta(days=364))


def write_elsewhere(conversation: Conversation) -> None:
    """A second channel of the same Page: the contact is one person."""
    Channel.objects.filter(pk=conversation.channel_id).update(deleted_at=timezone.now(), is_active=False)
    second = make.make_channel(conversation.contact.page, name="Second")
    other = Conversation.objects.create(contact=conversation.contact, channel=second, department=second.department)
    make.receive(other, "Hello", timezone.now() - timedelta(days=1))


def react(conversation: Conversation) -> None:
    PageReaction.objects.create(message=present(conversation.messages.first()), emoji="👍")


def block(conversation: Conversation) -> None:
    Moderation.objects.create(contact=conversation.contact, is_blocked=True)


KEPT: dict[str, Callable[[Conversation], None]] = {
    **{state: partial(hold, state=state) for state in ("queued", "sending", "held", "failed", "unsure")},
    **{f"{state} delivery": partial(park, state=state) for state in ("pending", "parked", "failed", "processing")},
    **{f"{state} reply": partial(schedule, state=state) for state in ("scheduled", "editing", "cancelled", "not_sent")},
    "draft": draft,
    "note": note,
    "open ticket": reopen,
    "newer message": write_again,
    "newer message in another channel": write_elsewhere,
    "reaction to be sent": react,
    "block to be sent": block,
}


@pytest.mark.parametrize("name", KEPT)
def test_what_waits_or_is_newer_is_kept(channel: Channel, name: str) -> None:
    conversation = quiet(channel)
    KEPT[name](conversation)
    if name in ("queued", "sending", "held", "failed", "unsure"):
        Ticket.objects.update(status="closed", closed_at=timezone.now() - timedelta(days=399))
    messages = Message.objects.count()
    assert apply() == 0
    assert not Erasure.objects.exists()
    assert Message.objects.count() == messages
    assert SECRET in everything()


def test_a_delivery_that_arrives_at_the_same_moment_is_not_lost(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet(channel)
    search = erasure.redaction.search

    def meanwhile(page_id: str, psid: str) -> erasure.redaction.SearchResult:
        found = search(page_id, psid)
        store.record([make.body_of(delivery(channel.page, text_item(channel.page, PSID, "Wait!")))])
        return found

    monkeypatch.setattr(erasure.redaction, "search", meanwhile)
    assert apply() == 0
    assert "Wait!" in everything()


def test_a_message_that_is_stored_at_the_same_moment_is_not_lost(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = quiet(channel)
    lock = erasure._lock

    def meanwhile(contact: Contact) -> Contact:
        make.receive(conversation, "Wait!", timezone.now())
        return lock(contact)

    monkeypatch.setattr(erasure, "_lock", meanwhile)
    assert apply() == 0
    assert Message.objects.filter(text="Wait!").exists()


def test_one_that_cannot_be_erased_now_does_not_stop_the_others(channel: Channel) -> None:
    quiet(channel)
    park_row = journal(delivery(channel.page, text_item(channel.page, PSID)), state="processing", claimed_by="w")
    quiet(channel, OTHER)
    assert apply() == 1
    assert Contact.objects.get(erased_at=None).psid == PSID
    park_row.delete()
    assert apply() == 1


def test_the_count_is_what_would_be_erased(channel: Channel, admin: User) -> None:
    quiet(channel)
    quiet(channel, OTHER, days=300)
    assert rules.preview({"conversations": 365}) == {"conversations": 1}
    assert rules.preview({"conversations": 299}) == {"conversations": 2}
    assert not Draft.objects.exists()
