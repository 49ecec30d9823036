"""Postbacks, standby, referrals, cards, files and who holds the thread."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from channels_im.models import Channel, Page
from tests.factories import NOON, deliver, delivery, item, ms, text_item
from tests.matching import present
from tests.tickets.services.incoming.stored import states
from tickets.models import Attachment, Conversation, Message, Ticket

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def test_a_postback_counts_as_a_message(client: Client, fb_page: Page) -> None:
    tap = item(fb_page, "7001", postback={"mid": "m_p", "title": "Get Started", "payload": "START"})
    deliver(client, delivery(fb_page, tap))
    message = Message.objects.get()
    assert (message.kind, message.text, message.mid) == ("message", "Get Started", "m_p")
    assert Ticket.objects.get().subject == "Get Started"
    assert Conversation.objects.get().last_customer_message_at == NOON


def test_a_postback_in_standby_without_payload_and_title_is_still_shown(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, item(fb_page, "7001", postback={"mid": "m_p"}), standby=True))
    message = Message.objects.get()
    assert (present(message.card)["kind"], message.is_standby) == ("postback", True)


def test_standby_messages_make_tickets_and_unread_counts_as_usual(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "over there"), standby=True))
    assert Message.objects.get().is_standby
    assert Ticket.objects.count() == Conversation.objects.get().unread_count == 1


EVENT_KINDS: dict[str, dict[str, Any]] = {
    "referral": {"referral": {"ref": "spring", "source": "SHORTLINK", "type": "OPEN_THREAD"}},
    "optin": {"optin": {"type": "notification_messages", "payload": "x", "title": "News"}},
    "account_linking": {"account_linking": {"status": "linked"}},
    "policy": {"policy_enforcement": {"action": "warning", "reason": "spam"}},
    "feedback": {"response_feedback": {"feedback": "Good response", "mid": "m_1"}},
    "game": {"game_play": {"game_id": "1"}},
    "brand_new": {"hologram": {"shape": "cat"}},
}


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_other_kinds_are_shown_as_a_card_and_open_no_ticket(client: Client, fb_page: Page, kind: str) -> None:
    event = delivery(fb_page, item(fb_page, "7001", **EVENT_KINDS[kind]))
    deliver(client, event, event)
    message = Message.objects.get()
    assert (message.kind, message.ticket) == ("event", None)
    assert present(message.card)["title"]
    conversation = Conversation.objects.get()
    assert (conversation.unread_count, conversation.last_customer_message_at) == (0, None)
    assert states() == ["done", "done"]


def test_a_referral_does_not_keep_the_ticket_alive(client: Client, fb_page: Page) -> None:
    deliver(
        client,
        delivery(
            fb_page,
            text_item(fb_page, "7001", "a", NOON),
            item(fb_page, "7001", NOON + 59 * MINUTE, referral={"ref": "x", "source": "SHORTLINK"}),
            text_item(fb_page, "7001", "b", NOON + 61 * MINUTE),
        ),
    )
    assert Ticket.objects.count() == 2


def test_policy_enforcement_without_sender_is_kept_with_the_page(client: Client, fb_page: Page) -> None:
    block = {"recipient": {"id": fb_page.page_id}, "timestamp": ms(NOON), "policy_enforcement": {"action": "block"}}
    deliver(client, delivery(fb_page, block))
    fb_page.refresh_from_db()
    assert fb_page.trouble["policy"]["action"] == "block"


def test_an_attachment_of_an_unknown_type_is_a_message_with_a_card(client: Client, fb_page: Page) -> None:
    deliver(
        client, delivery(fb_page, item(fb_page, "7001", message={"mid": "m_1", "attachments": [{"type": "hologram"}]}))
    )
    message = Message.objects.get()
    assert (message.kind, present(message.card)["kind"]) == ("message", "unsupported")
    assert Ticket.objects.get().subject == present(message.card)["title"]


def test_a_shared_link_is_a_card_and_never_a_file(client: Client, fb_page: Page) -> None:
    fallback = {"type": "fallback", "payload": {"url": "http://169.254.169.254/", "title": "Look"}}
    deliver(client, delivery(fb_page, item(fb_page, "7001", message={"mid": "m_1", "attachments": [fallback]})))
    assert present(Message.objects.get().card)["url"] == "http://169.254.169.254/"
    assert Attachment.objects.count() == 0


def test_files_wait_to_be_fetched_in_their_order(client: Client, fb_page: Page) -> None:
    files = [
        {"type": "image", "payload": {"url": "https://scontent.xx.fbcdn.net/v/cat.jpg?oh=1"}},
        {"type": "file", "payload": {"url": "https://cdn.fbsbx.com/v/bill%20May.pdf?oh=1"}},
        {
            "type": "sticker",
            "payload": {"url": "https://scontent.xx.fbcdn.net/v/thumb.png", "sticker_id": 369239263222822},
        },
    ]
    deliver(
        client, delivery(fb_page, item(fb_page, "7001", message={"mid": "m_1", "text": "see", "attachments": files}))
    )
    assert list(Attachment.objects.values_list("position", "kind", "name", "state")) == [
        (0, "image", "cat.jpg", "pending"),
        (1, "document", "bill May.pdf", "pending"),
        (2, "sticker", "thumb.png", "pending"),
    ]


@pytest.mark.parametrize(("receives", "state"), [(False, "refused"), (True, "pending")])
def test_audio_and_video_are_taken_only_by_channels_that_receive_them(
    client: Client, fb_page: Page, channel: Channel, receives: bool, state: str
) -> None:
    channel.receive_audio_video = receives
    channel.save()
    files = [{"type": kind, "payload": {"url": f"https://cdn.fbsbx.com/v/{kind}.mp4"}} for kind in ("audio", "video")]
    deliver(client, delivery(fb_page, item(fb_page, "7001", message={"mid": "m_1", "attachments": files})))
    assert set(Attachment.objects.values_list("state", flat=True)) == {state}
    assert all(bool(each.reason) != receives for each in Attachment.objects.all())
    preview = Conversation.objects.get().preview
    assert "Audio" in preview
    assert "Video" in preview


def control(fb_page: Page, kind: str, owner: str, at: datetime = NOON) -> dict[str, Any]:
    content: dict[str, Any] = {kind: {"new_owner_app_id": owner, "previous_owner_app_id": "1"}}
    return delivery(fb_page, item(fb_page, "7001", at, **content))


def test_thread_control_says_which_other_app_holds_the_thread(
    client: Client, fb_page: Page, settings: Settings
) -> None:
    deliver(client, control(fb_page, "pass_thread_control", "222"))
    assert Conversation.objects.get().thread_owner_app_id == "222"
    deliver(client, control(fb_page, "take_thread_control", settings.META_APP_ID, NOON + MINUTE))
    assert Conversation.objects.get().thread_owner_app_id == ""


def test_an_older_thread_control_that_comes_late_changes_nothing(client: Client, fb_page: Page) -> None:
    deliver(client, control(fb_page, "pass_thread_control", "222", NOON + MINUTE))
    deliver(client, control(fb_page, "pass_thread_control", "111", NOON))
    assert Conversation.objects.get().thread_owner_app_id == "222"


def test_a_message_outside_standby_shows_that_the_thread_is_ours_again(client: Client, fb_page: Page) -> None:
    deliver(client, control(fb_page, "pass_thread_control", "222"))
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", at=NOON + MINUTE), standby=True))
    assert Conversation.objects.get().thread_owner_app_id == "222"
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", at=NOON + 2 * MINUTE)))
    assert Conversation.objects.get().thread_owner_app_id == ""
