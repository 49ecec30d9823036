"""A contact with every kind of stored data, and who may erase them."""

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone

from channels_im.models import Channel
from desk import audit_log
from desk.models import User
from tests import factories as make
from tests.factories import NOON, deliver, delivery, item, text_item
from tests.tickets.services.privacy.erased_contact import MINUTE, NAME, OTHER, PSID, SECRET
from tickets.models import (
    Attachment,
    Conversation,
    EventSubscription,
    ScheduledReply,
    ScheduledReplyFile,
)
from tickets.services.inbox import actions, drafts


@pytest.fixture
def admin() -> User:
    return make.make_admin()


@pytest.fixture
def channel() -> Channel:
    return make.make_channel()


@pytest.fixture
def setup(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def conversation(client: Client, channel: Channel) -> Conversation:
    """Everything that can be known of a person, and a neighbour in the same deliveries."""
    page = channel.page
    EventSubscription.objects.create(name="CRM", url="https://crm.example/", events=["message.created"])
    picture = {"type": "image", "payload": {"url": f"https://scontent.xx.fbcdn.net/v/{SECRET}.png"}}
    deliver(
        client,
        delivery(
            page,
            text_item(page, PSID, f"My word is {SECRET}", mid="m_1"),
            text_item(page, OTHER, "A neighbour writes", mid="m_n"),
        ),
        delivery(page, item(page, PSID, NOON + MINUTE, message={"mid": "m_2", "attachments": [picture]})),
        delivery(page, item(page, PSID, referral={"ref": SECRET, "source": "SHORTLINK", "type": "OPEN_THREAD"})),
        delivery(page, item(page, PSID, message_edit={"mid": "m_never", "text": SECRET, "num_edit": 1})),
        delivery(page, item(page, PSID, reaction={"mid": "m_1", "action": "react", "emoji": "😡"})),
    )
    conversation = Conversation.objects.get(contact__psid=PSID)
    contact = conversation.contact
    contact.name, contact.email, contact.phone, contact.about = NAME, f"{SECRET}@example.org", "0151-5550", SECRET
    contact.picture.save("face.png", ContentFile(make.png()))
    alice = make.make_agent("alice", channels=(channel,))
    attachment = Attachment.objects.get(message__mid="m_2")
    attachment.file.save("kept.png", ContentFile(make.png()), save=False)
    attachment.state, attachment.size = "stored", 70
    attachment.save()
    make.answer(conversation, f"Dear {SECRET}", NOON + 2 * MINUTE, author=alice)
    make.answer(conversation, f"Again {SECRET}", NOON + 3 * MINUTE, "failed", author=alice, reason=SECRET)
    actions.add_note(alice, conversation, f"{SECRET} is difficult")
    actions.block(alice, conversation)
    drafts.save(alice, conversation, f"Dear {SECRET}, no.")
    file = ContentFile(make.png(), name="offer.png")  # stored under a name that Desk makes
    at = timezone.now()
    later = ScheduledReply.objects.create(
        conversation=conversation, author=alice, text=f"Dear {SECRET}", send_at=at, due_at=at, client_key="k"
    )
    ScheduledReplyFile.objects.create(reply=later, kind="image", name=f"{SECRET}.png", file=file, size=70)
    audit_log.record(alice, contact, audit_log.CHANGE, f"Changed {NAME}.")
    return conversation
