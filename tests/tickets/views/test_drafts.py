"""Drafts of replies: whose they are, and what becomes of them when a reply is sent or another page writes."""

from collections.abc import Callable

import pytest
from django.test import Client

from desk.models import User
from tests.pages import html_of
from tickets.models import Conversation, Draft

from . import world
from .replies import HX, send


def test_sending_marks_the_conversation_as_read_and_drops_the_draft(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    conversation.unread_count = 2
    conversation.save()
    Draft.objects.create(conversation=conversation, user=desk.alice, text="Good")
    send(alice, conversation, text="Good morning")
    conversation.refresh_from_db()
    assert conversation.unread_count == 0
    assert not Draft.objects.exists()


def test_a_note_leaves_the_draft_of_the_reply_alone(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    Draft.objects.create(conversation=conversation, user=desk.alice, text="Dear customer")
    send(alice, conversation, text="Careful", kind="note")
    assert Draft.objects.get().text == "Dear customer"


def test_a_draft_is_kept_per_agent(
    alice: Client, conversation: Conversation, desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    alice.post(f"/inbox/{conversation.pk}/draft/", {"text": "Half a"})
    assert "Half a" in html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert alice.get(f"/inbox/{conversation.pk}/draft/").content.decode() == "Half a"
    assert "Half a" not in html_of(as_user(desk.root).get(f"/inbox/{conversation.pk}/"))
    alice.post(f"/inbox/{conversation.pk}/draft/", {"text": "  "})
    assert not Draft.objects.exists()


@pytest.mark.parametrize("text", ["</textarea><script>alert(1)</script>", "\x00zero", "x" * 30_000])
def test_an_odd_draft_breaks_nothing(alice: Client, conversation: Conversation, text: str) -> None:
    assert alice.post(f"/inbox/{conversation.pk}/draft/", {"text": text}).status_code == 204
    assert "<script>alert" not in html_of(alice.get(f"/inbox/{conversation.pk}/"))


def test_a_draft_that_another_page_has_changed_is_not_overwritten(alice: Client, conversation: Conversation) -> None:
    url = f"/inbox/{conversation.pk}/draft/"
    assert alice.post(url, {"text": "From the office", "known": ""}).status_code == 204
    refused = alice.post(url, {"text": "From the train", "known": ["", "From the tr"]})
    assert (refused.status_code, refused.content.decode()) == (409, "From the office")
    assert alice.post(url, {"text": "", "known": ""}).status_code == 409
    assert alice.get(url).content.decode() == "From the office"
    assert alice.post(url, {"text": "From the train", "known": ["", "From the office"]}).status_code == 204
    assert alice.get(url).content.decode() == "From the train"
    alice.post(url, {"text": "", "known": "From the train"})
    assert alice.post(url, {"text": "Later", "known": "From the train"}).status_code == 204


def test_a_reply_that_has_waited_leaves_the_draft_of_the_next_one(alice: Client, conversation: Conversation) -> None:
    url = f"/inbox/{conversation.pk}/draft/"
    alice.post(url, {"text": "The next one"})
    send(alice, conversation, text="It waited", client_key="k1", waited="yes")
    assert alice.get(url).content.decode() == "The next one"
    alice.post(url, {"text": "It waited too "})
    send(alice, conversation, text="It waited too", client_key="k2", waited="yes")
    assert alice.get(url).content.decode() == ""


def test_what_is_taken_back_joins_what_is_being_written(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    Draft.objects.create(conversation=conversation, user=desk.alice, text="Half a thought \n")
    message = world.say(conversation, "Answer", author=desk.alice, state="failed", mid=None)
    alice.post(f"/inbox/{conversation.pk}/messages/{message.pk}/edit/", headers=HX)
    assert Draft.objects.get().text == "Half a thought\n\nAnswer"
