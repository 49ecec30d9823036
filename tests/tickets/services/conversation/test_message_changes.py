"""Edits, reactions and withdrawals, in any order with their message: whole requests, then the worker's drain."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from time_machine import TimeMachineFixture

from channels_im.models import Page, WebhookDelivery
from tests import factories as make
from tests.factories import NOON, deliver, delivery, item, text_item
from tickets.models import Conversation, Message, MessageChange
from tickets.services.conversation import message_changes

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def fb_page() -> Page:
    return make.make_channel().page


def said(fb_page: Page, text: str = "first", mid: str = "m_1") -> dict[str, Any]:
    return delivery(fb_page, text_item(fb_page, "7001", text, NOON, mid))


def edited(fb_page: Page, text: str, number: int, after: int = 1) -> dict[str, Any]:
    content = {"mid": "m_1", "text": text, "num_edit": number}
    return delivery(fb_page, item(fb_page, "7001", NOON + after * SECOND, message_edit=content))


def reacted(fb_page: Page, emoji: str, after: int = 1, action: str = "react") -> dict[str, Any]:
    content = {"mid": "m_1", "action": action, "emoji": emoji, "reaction": "other"}
    return delivery(fb_page, item(fb_page, "7001", NOON + after * SECOND, reaction=content))


def withdrawn(fb_page: Page, after: int = 1) -> dict[str, Any]:
    content = {"mid": "m_1", "is_deleted": True}
    return delivery(fb_page, item(fb_page, "7001", NOON + after * SECOND, message=content))


def emojis() -> list[str]:
    return [reaction["emoji"] for reaction in Message.objects.get().reactions]


# --- Edits ------------------------------------------------------------------------------------------------------------
def test_an_edit_changes_text_preview_and_says_when(client: Client, fb_page: Page) -> None:
    deliver(client, said(fb_page), edited(fb_page, "second", 1))
    message = Message.objects.get()
    assert (message.text, message.edit_number, message.edited_at) == ("second", 1, NOON + SECOND)
    conversation = Conversation.objects.get()
    assert (conversation.preview, conversation.unread_count, conversation.message_count) == ("second", 1, 1)


def test_an_older_edit_after_a_newer_one_changes_nothing(client: Client, fb_page: Page) -> None:
    deliver(client, said(fb_page), edited(fb_page, "third", 2, 2))
    deliver(client, edited(fb_page, "second", 1, 1))
    assert Message.objects.get().text == "third"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("in_one", [True, False], ids=["in one drain", "one by one"])
def test_a_message_and_its_edits_end_the_same_in_every_order(
    client: Client, fb_page: Page, order: tuple[int, int, int], in_one: bool
) -> None:
    all_three = [said(fb_page), edited(fb_page, "second", 1, 1), edited(fb_page, "third", 2, 2)]
    chosen = [all_three[place] for place in order]
    for group in [chosen] if in_one else [[each] for each in chosen]:
        deliver(client, *group)
    assert Message.objects.get().text == "third"
    assert MessageChange.objects.count() == 0
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"done"}


# --- Reactions --------------------------------------------------------------------------------------------------------
def test_a_reaction_is_shown_with_its_emoji_and_counts_as_nothing(client: Client, fb_page: Page) -> None:
    deliver(client, said(fb_page), reacted(fb_page, "👍"))
    assert Message.objects.get().reactions == [
        {"by": "customer", "emoji": "👍", "at": (NOON + SECOND).isoformat()},
    ]
    conversation = Conversation.objects.get()
    assert (conversation.message_count, conversation.unread_count) == (1, 1)
    assert conversation.last_customer_message_at == NOON


def test_another_reaction_replaces_the_first_and_taking_back_removes_it(client: Client, fb_page: Page) -> None:
    deliver(client, said(fb_page), reacted(fb_page, "👍", 1))
    deliver(client, reacted(fb_page, "😮", 2))
    assert emojis() == ["😮"]
    deliver(client, reacted(fb_page, "", 3, "unreact"))
    assert emojis() == []


def test_an_older_reaction_that_comes_late_changes_nothing(client: Client, fb_page: Page) -> None:
    deliver(client, said(fb_page), reacted(fb_page, "😮", 2))
    deliver(client, reacted(fb_page, "👍", 1))
    assert emojis() == ["😮"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_reaction_taken_back_stays_away_in_every_order(
    client: Client, fb_page: Page, order: tuple[int, int, int]
) -> None:
    all_three = [said(fb_page), reacted(fb_page, "👍", 1), reacted(fb_page, "👍", 2, "unreact")]
    for place in order:
        deliver(client, all_three[place])
    assert emojis() == []


def test_the_same_reaction_twice_is_one(client: Client, fb_page: Page) -> None:
    deliver(client, said(fb_page), reacted(fb_page, "👍"), reacted(fb_page, "👍"))
    deliver(client, reacted(fb_page, "👍"))
    assert emojis() == ["👍"]


def test_a_reaction_to_an_answer_of_ours_is_shown_there(client: Client, fb_page: Page) -> None:
    deliver(client, said(fb_page))
    answer = make.answer(Conversation.objects.get(), mid="m_9")
    content = {"mid": "m_9", "action": "react", "reaction": "love"}
    deliver(client, delivery(fb_page, item(fb_page, "7001", NOON + SECOND, reaction=content)))
    answer.refresh_from_db()
    assert [reaction["emoji"] for reaction in answer.reactions] == ["❤"]


# --- Withdrawals ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("late", [False, True], ids=["after", "before the message"])
def test_a_withdrawn_message_is_marked_whichever_comes_first(client: Client, fb_page: Page, late: bool) -> None:
    both = [withdrawn(fb_page), said(fb_page)] if late else [said(fb_page), withdrawn(fb_page)]
    for each in both:
        deliver(client, each)
    assert Message.objects.get().withdrawn_at == NOON + SECOND
    assert Conversation.objects.get().preview == "Message withdrawn"


# --- Kept meanwhile ---------------------------------------------------------------------------------------------------
def test_a_change_to_an_unknown_message_is_kept_makes_no_conversation_and_leaves_nothing_waiting(
    client: Client, fb_page: Page
) -> None:
    deliver(client, reacted(fb_page, "👍"), reacted(fb_page, "👍"))
    assert MessageChange.objects.count() == 1
    assert Conversation.objects.count() == 0
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"done"}


def test_a_kept_change_is_applied_when_the_message_comes_by_another_way(client: Client, fb_page: Page) -> None:
    deliver(client, reacted(fb_page, "👍"))
    conversation = make.make_conversation(fb_page.channels.get(), "7001")
    make.receive(conversation, mid="m_1")
    assert message_changes.is_due()
    assert message_changes.apply_waiting() == 1
    assert emojis() == ["👍"]
    assert not message_changes.is_due()


def test_changes_of_another_page_with_the_same_mid_are_left_alone(client: Client, fb_page: Page) -> None:
    other = make.make_channel().page
    deliver(client, said(fb_page), reacted(other, "👍"))
    assert emojis() == []


def test_what_waited_for_a_month_is_forgotten(client: Client, fb_page: Page, time_machine: TimeMachineFixture) -> None:
    time_machine.move_to(NOON)
    deliver(client, reacted(fb_page, "👍"))
    time_machine.shift(timedelta(days=31))
    assert message_changes.delete_old() == 1
