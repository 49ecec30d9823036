"""Everything that Messenger carries arrives: cards beside each other, with pictures, and where customers came from."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from channels_im.models import Page
from tests.factories import NOON, deliver, delivery, item, text_item
from tickets.models import Contact, Conversation, Message
from tickets.rules.cards import cards_in, words_in

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
PICTURE = "https://scontent.xx.fbcdn.net/v/wheels.jpg"
LINK = {"type": "fallback", "payload": {"url": "https://shop.example/w", "title": "Wheel"}}


def ad(title: str = "Spring wheels", **context: Any) -> dict[str, Any]:
    return {"source": "ADS", "ad_id": "6041", "ads_context_data": {"ad_title": title, "post_id": "9", **context}}


def send(client: Client, fb_page: Page, at: Any = NOON, **message: Any) -> Message:
    mid = f"m_{Message.objects.count()}"
    deliver(client, delivery(fb_page, item(fb_page, "7001", at, message={"mid": mid, **message})))
    return Message.objects.get(mid=mid)


def titles(message: Message) -> list[str]:
    return [card["title"] for card in cards_in(message.card)]


def test_text_link_and_ad_of_one_message_are_all_kept(client: Client, fb_page: Page) -> None:
    message = send(client, fb_page, text="https://shop.example/w", attachments=[LINK], referral=ad())
    assert message.text == "https://shop.example/w"
    assert titles(message) == ["Wheel", "Came from an ad: Spring wheels"]
    assert words_in(message.card).splitlines() == [
        "Wheel", "https://shop.example/w", "Came from an ad: Spring wheels", "Ad 6041", "https://www.facebook.com/9"
    ]  # fmt: skip


@pytest.mark.parametrize("is_event", [False, True])
def test_the_picture_of_an_ad_is_fetched_as_a_file_of_the_message(
    client: Client, fb_page: Page, is_event: bool
) -> None:
    referral = ad(photo_url=PICTURE)
    if is_event:
        deliver(client, delivery(fb_page, item(fb_page, "7001", referral=referral)))
        message = Message.objects.get()
    else:
        image = {"type": "image", "payload": {"url": "https://scontent.xx.fbcdn.net/v/own.jpg"}}
        message = send(client, fb_page, attachments=[image], referral=referral)
    (card,) = cards_in(message.card)
    assert message.attachments.get(position=card["picture"]).source_url == PICTURE


def test_a_picture_elsewhere_is_not_fetched_and_its_address_is_kept(client: Client, fb_page: Page) -> None:
    message = send(client, fb_page, text="hi", referral=ad(photo_url="https://evil.example/p.jpg"))
    assert not message.attachments.exists()
    assert "Picture: https://evil.example/p.jpg" in message.card["text"] if message.card else False


def test_the_contact_keeps_where_they_came_from_by_metas_clock(client: Client, fb_page: Page) -> None:
    send(client, fb_page, NOON + 5 * MINUTE, text="hi", referral=ad("Second"))
    deliver(client, delivery(fb_page, item(fb_page, "7001", NOON, referral=ad("First"))))
    tap = item(fb_page, "7001", NOON + 9 * MINUTE, postback={"mid": "m_p", "title": "Go", "referral": {"ref": "third"}})
    deliver(client, delivery(fb_page, tap))
    origins = Contact.objects.get().origins
    assert origins is not None
    assert [origin["title"] for origin in origins] == [
        "Came from an ad: First", "Came from an ad: Second", "Came through a link"
    ]  # fmt: skip
    for number in range(12):
        send(client, fb_page, NOON + timedelta(minutes=10 + number), text="x", referral=ad(f"Later {number}"))
    kept = [origin["title"].removeprefix("Came from an ad: ") for origin in Contact.objects.get().origins or []]
    assert kept == ["First", *(f"Later {number}" for number in range(3, 12))]


def test_an_answered_story_is_shown_beside_the_text(client: Client, fb_page: Page) -> None:
    message = send(client, fb_page, text="Is this available?", reply_to={"story": {"id": "18", "url": PICTURE}})
    assert (titles(message), message.reply_to_mid) == (["Replied to your story"], "")


def test_a_missed_call_is_an_event_of_the_conversation(client: Client, fb_page: Page) -> None:
    call = {"id": "c1", "from": "7001", "to": fb_page.page_id, "event": "terminate", "status": "MISSED"}
    entry = {"id": fb_page.page_id, "time": 1, "calls": [call]}
    deliver(client, *({"object": "page", "entry": [entry]} for _twice in range(2)))
    message = Message.objects.get()
    assert (message.kind, titles(message)) == ("event", ["Missed call"])


def test_an_echo_of_a_template_is_shown(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")))
    template = {"type": "template", "payload": {"template_type": "coupon", "title": "10% off", "coupon_code": "TEN"}}
    echo = {"mid": "m_echo", "is_echo": True, "app_id": 5, "attachments": [template]}
    deliver(client, delivery(fb_page, item(fb_page, "7001", NOON + MINUTE, from_page=True, message=echo)))
    message = Message.objects.get(mid="m_echo")
    assert message.card is not None
    assert (message.card["title"], message.card["text"]) == ("10% off", "Code: TEN")


@pytest.mark.parametrize("kind", ["take_thread_control", "pass_thread_control"])
@pytest.mark.parametrize("unnamed", [{}, {"new_owner_app_id": None}, {"new_owner_app_id": ""}])
def test_a_new_owner_that_is_not_named_is_another_app(
    client: Client, fb_page: Page, settings: Settings, kind: str, unnamed: dict[str, Any]
) -> None:
    content: dict[str, Any] = {kind: {"previous_owner_app_id": settings.META_APP_ID, **unnamed}}
    deliver(client, delivery(fb_page, item(fb_page, "7001", **content)))
    conversation = Conversation.objects.get()
    assert conversation.thread_owner_app_id == Conversation.UNKNOWN_APP
    assert "nother app" in titles(Message.objects.get())[0]


def test_our_own_app_is_named_by_a_number_too(client: Client, fb_page: Page, settings: Settings) -> None:
    passed = {"previous_owner_app_id": 5, "new_owner_app_id": int(settings.META_APP_ID)}
    deliver(client, delivery(fb_page, item(fb_page, "7001", pass_thread_control=passed)))
    assert Conversation.objects.get().thread_owner_app_id == ""
    assert titles(Message.objects.get()) == ["Conversation passed to Desk"]
