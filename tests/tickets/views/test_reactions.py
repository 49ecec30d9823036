"""Reactions and typing in the workspace, by whole requests: permissions, and what an open page shows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from desk.models import User
from tests.http import Response
from tests.pages import html_of
from tickets.models import Conversation, Message, PageReaction, SenderAction

from . import world

HX = {"HX-Request": "true"}


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    desk.shop.shows_typing = desk.shop.shows_seen = True
    desk.shop.save()
    conversation = world.make_conversation(desk.shop, at=timezone.now())
    world.say(conversation, "Hello", at=timezone.now())
    return conversation


def react(client: Client, message: Message, **fields: Any) -> Response:
    return client.post(f"/inbox/{message.conversation_id}/messages/{message.pk}/react/", fields, headers=HX)


def thread(client: Client, conversation: Conversation) -> str:
    return html_of(client.get(f"/inbox/{conversation.pk}/"))


def test_a_reaction_is_shown_at_once_as_being_sent(alice: Client, conversation: Conversation) -> None:
    message = conversation.messages.get()
    response = react(alice, message, emoji="🎉")
    assert response.status_code == 200
    assert "from the Page, being sent" in html_of(response)


def test_one_that_was_sent_can_be_taken_back_and_shows_that(alice: Client, conversation: Conversation) -> None:
    message = conversation.messages.get()
    message.reactions = [{"by": "page", "emoji": "🎉", "at": timezone.now().isoformat()}]
    message.save()
    assert "remove it" in thread(alice, conversation)
    assert "being taken back" in html_of(react(alice, message, emoji=""))


def test_a_refused_one_says_why_and_can_be_dismissed(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    message = conversation.messages.get()
    PageReaction.objects.create(message=message, author=desk.alice, emoji="🎉", state="refused", reason="Because <b>.")
    html = thread(alice, conversation)
    assert "Your reaction 🎉 was not sent" in html
    assert "Because &lt;b&gt;." in html
    assert react(alice, message, dismiss="1").status_code == 200
    assert not PageReaction.objects.exists()


@pytest.mark.parametrize("emoji", ["x", "<script>", "👍👍", "x" * 9000])
def test_anything_else_is_refused_with_a_sentence(alice: Client, conversation: Conversation, emoji: str) -> None:
    response = react(alice, conversation.messages.get(), emoji=emoji)
    assert response.status_code == 422
    assert "one emoji" in html_of(response)


def test_a_stale_page_says_why(alice: Client, conversation: Conversation) -> None:
    conversation.last_customer_message_at = timezone.now() - timedelta(days=8)
    conversation.save()
    response = react(alice, conversation.messages.get(), emoji="👍")
    assert response.status_code == 422
    assert "window closed" in html_of(response)


def test_others_can_neither_react_nor_be_seen_typing(
    desk: world.Desk, conversation: Conversation, as_user: Callable[[User], Client], client: Client
) -> None:
    message = conversation.messages.get()
    other = world.say(world.make_conversation(desk.service), "elsewhere")
    for user in (desk.bob, desk.charlie):
        assert react(as_user(user), message, emoji="👍").status_code == 404
        assert as_user(user).post(f"/inbox/{conversation.pk}/typing/", headers=HX).status_code == 404
    wrong = f"/inbox/{conversation.pk}/messages/{other.pk}/react/"
    assert as_user(desk.alice).post(wrong, {"emoji": "👍"}, headers=HX).status_code == 404
    assert react(client, message, emoji="👍").status_code == 401
    assert as_user(desk.alice).get(f"/inbox/{conversation.pk}/typing/").status_code == 405
    assert not PageReaction.objects.exists()
    assert not SenderAction.objects.exists()


def test_typing_and_reading_create_sender_actions_where_the_channel_allows_them(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    for channel_says_so in (True, False):
        desk.shop.shows_typing = desk.shop.shows_seen = channel_says_so
        desk.shop.save()
        SenderAction.objects.all().delete()
        assert alice.post(f"/inbox/{conversation.pk}/typing/", headers=HX).status_code == 204
        assert alice.post(f"/inbox/{conversation.pk}/read/", headers=HX).status_code == 204
        kinds = set(SenderAction.objects.values_list("kind", flat=True))
        assert kinds == ({"typing", "seen"} if channel_says_so else set())
        assert ("data-typing" in thread(alice, conversation)) == channel_says_so


def test_only_what_the_customer_wrote_offers_a_reaction(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    ours = world.say(conversation, "Answer", author=desk.alice)
    html = thread(alice, conversation)
    assert html.count("data-react=") == 1
    assert f'data-react="{ours.pk}"' not in html


def test_more_reactions_cost_no_more_queries(alice: Client, conversation: Conversation) -> None:
    thread(alice, conversation)
    with CaptureQueriesContext(connection) as few:
        thread(alice, conversation)
    for number in range(10):
        message = world.say(conversation, f"more {number}", at=timezone.now())
        PageReaction.objects.create(message=message, emoji="👍", due_at=timezone.now())
    with CaptureQueriesContext(connection) as many:
        thread(alice, conversation)
    assert len(many) == len(few)
