"""A message makes contact, conversation and ticket, and is one message however often it comes."""

from datetime import timedelta

import pytest
from django.test import Client

from channels_im.models import Channel, Page, WebhookDelivery
from tests import factories as make
from tests.factories import NOON, deliver, delivery, item, text_item
from tests.matching import present
from tests.tickets.services.incoming.stored import states
from tickets.models import Contact, Conversation, Message, Ticket

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def test_a_first_message_makes_contact_conversation_ticket_and_message(
    client: Client, channel: Channel, fb_page: Page
) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "Is my order on its way?", mid="m_1")))
    contact = Contact.objects.get()
    assert (contact.page, contact.psid, contact.profile_state) == (fb_page, "7001", "pending")
    conversation = Conversation.objects.get()
    assert (conversation.contact, conversation.channel, conversation.department) == (
        contact,
        channel,
        channel.department,
    )
    ticket = Ticket.objects.get()
    assert (ticket.subject, ticket.status, ticket.department) == ("Is my order on its way?", "open", channel.department)
    assert (ticket.opened_at, ticket.last_message_at) == (NOON, NOON)
    message = Message.objects.get()
    assert (message.conversation, message.ticket, message.page) == (conversation, ticket, fb_page)
    assert (message.mid, message.direction, message.kind, message.source, message.state) == (
        "m_1",
        "in",
        "message",
        "customer",
        "received",
    )
    assert (message.text, message.sent_at, message.original_timestamp) == ("Is my order on its way?", NOON, "")
    assert states() == ["done"]


def test_the_conversation_counts_and_previews_what_came(client: Client, fb_page: Page) -> None:
    deliver(
        client,
        delivery(
            fb_page,
            text_item(fb_page, "7001", "First", NOON),
            text_item(fb_page, "7001", "Second\nline", NOON + MINUTE),
        ),
    )
    conversation = Conversation.objects.get()
    assert (conversation.message_count, conversation.unread_count) == (2, 2)
    assert (conversation.preview, conversation.preview_is_ours) == ("Second line", False)
    assert conversation.last_message_at == conversation.last_customer_message_at == NOON + MINUTE
    assert conversation.waiting_since == NOON
    assert conversation.current_ticket == Ticket.objects.get()


def test_the_same_person_on_two_pages_is_two_contacts(client: Client, fb_page: Page) -> None:
    other = make.make_channel().page
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")), delivery(other, text_item(other, "7001")))
    assert Contact.objects.count() == Conversation.objects.count() == 2


def test_entries_of_two_pages_in_one_delivery_go_to_their_own_channels(client: Client, fb_page: Page) -> None:
    other = make.make_channel().page
    both = delivery(fb_page, text_item(fb_page, "7001", "one"))
    both["entry"] += delivery(other, text_item(other, "7002", "two"))["entry"]
    deliver(client, both)
    assert {message.text: message.page for message in Message.objects.all()} == {"one": fb_page, "two": other}


def test_the_page_remembers_when_meta_last_wrote(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")))
    fb_page.refresh_from_db()
    assert fb_page.last_event_at == WebhookDelivery.objects.get().received_at


def test_a_reply_to_keeps_the_mid_it_answers(client: Client, fb_page: Page) -> None:
    answer = item(fb_page, "7001", message={"mid": "m_2", "text": "yes", "reply_to": {"mid": "m_1"}})
    deliver(client, delivery(fb_page, answer))
    assert Message.objects.get().reply_to_mid == "m_1"


def test_the_same_event_five_times_is_one_message(client: Client, fb_page: Page) -> None:
    again = delivery(fb_page, text_item(fb_page, "7001", mid="m_1"))
    deliver(client, again, again, again)
    deliver(client, again)
    deliver(client, again)
    assert Message.objects.count() == 1
    assert Conversation.objects.get().unread_count == 1
    assert states() == ["done"] * 5


def test_the_same_message_without_a_mid_twice_is_one_message(client: Client, fb_page: Page) -> None:
    nameless = delivery(fb_page, item(fb_page, "7001", message={"text": "no id"}))
    deliver(client, nameless, nameless)
    message = Message.objects.get()
    assert message.text == "no id"
    assert present(message.mid).startswith("message:")


def test_two_messages_without_mid_of_the_same_text_at_other_times_are_two(client: Client, fb_page: Page) -> None:
    deliver(
        client,
        delivery(fb_page, item(fb_page, "7001", NOON, message={"text": "hm"})),
        delivery(fb_page, item(fb_page, "7001", NOON + SECOND, message={"text": "hm"})),
    )
    assert Message.objects.count() == 2
