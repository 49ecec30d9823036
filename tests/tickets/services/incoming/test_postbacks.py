"""Postbacks: a tap on a button, which Meta may deliver without a `mid` and more than once."""

from datetime import timedelta

import pytest
from django.test import Client

from channels_im.models import Page
from tests.factories import NOON, deliver, delivery, item
from tickets.models import Conversation, Message

pytestmark = pytest.mark.django_db

TAP = {"title": "Opening hours", "payload": "HOURS"}


def test_a_postback_without_mid_delivered_twice_is_one_message(client: Client, fb_page: Page) -> None:
    tap = item(fb_page, "7001", NOON, postback=TAP)
    deliver(client, delivery(fb_page, tap), delivery(fb_page, tap))
    deliver(client, delivery(fb_page, tap))
    message = Message.objects.get()
    assert "Opening hours" in f"{message.text} {message.card}"
    conversation = Conversation.objects.get()
    assert (conversation.message_count, conversation.unread_count) == (1, 1)


def test_the_same_button_tapped_again_later_is_another_message(client: Client, fb_page: Page) -> None:
    later = NOON + timedelta(seconds=1)
    deliver(
        client,
        delivery(fb_page, item(fb_page, "7001", NOON, postback=TAP), item(fb_page, "7001", later, postback=TAP)),
    )
    assert Message.objects.count() == 2


def test_two_buttons_in_the_same_millisecond_are_two_messages(client: Client, fb_page: Page) -> None:
    other = {"title": "Prices", "payload": "PRICES"}
    deliver(
        client,
        delivery(fb_page, item(fb_page, "7001", NOON, postback=TAP), item(fb_page, "7001", NOON, postback=other)),
    )
    assert Message.objects.count() == 2
