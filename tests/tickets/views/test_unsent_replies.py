"""What can be done with a reply that was not sent, by whole requests."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from desk.models import User
from tickets.models import Conversation, Draft

from . import world
from .replies import HX, out


@pytest.mark.parametrize(
    ("state", "choice", "after"),
    [("failed", "retry", "queued"), ("held", "release", "queued"), ("unsure", "arrived", "sent")],
)
def test_a_reply_in_trouble_is_settled(
    alice: Client, conversation: Conversation, desk: world.Desk, state: str, choice: str, after: str
) -> None:
    message = world.say(conversation, "Answer", author=desk.alice, state=state, mid=None)
    response = alice.post(f"/inbox/{conversation.pk}/messages/{message.pk}/{choice}/", headers=HX)
    assert response.status_code == 200
    message.refresh_from_db()
    assert message.state == after


def test_an_edited_reply_is_the_draft_again(alice: Client, conversation: Conversation, desk: world.Desk) -> None:
    message = world.say(conversation, "Answer", author=desk.alice, state="failed", mid=None)
    alice.post(f"/inbox/{conversation.pk}/messages/{message.pk}/edit/", headers=HX)
    assert out(conversation) == []
    assert Draft.objects.get().text == "Answer"


@pytest.mark.parametrize("choice", ["retry", "release", "edit", "resend", "arrived"])
def test_what_was_sent_cannot_be_settled_again(
    alice: Client, conversation: Conversation, desk: world.Desk, choice: str
) -> None:
    message = world.say(conversation, "Answer", author=desk.alice, state="read")
    response = alice.post(f"/inbox/{conversation.pk}/messages/{message.pk}/{choice}/", headers=HX)
    assert response.status_code == 422
    message.refresh_from_db()
    assert message.state == "read"


def test_an_unknown_choice_or_a_customers_message_is_not_found(alice: Client, conversation: Conversation) -> None:
    incoming = conversation.messages.get()
    for choice in ("retry", "explode"):
        response = alice.post(f"/inbox/{conversation.pk}/messages/{incoming.pk}/{choice}/", headers=HX)
        assert response.status_code == 404


def test_a_reply_refused_for_its_length_offers_to_be_sent_as_two(
    desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    alice = as_user(desk.alice)
    conversation = world.make_conversation(desk.shop, at=timezone.now())
    world.say(conversation, at=timezone.now())
    fields = {"author": desk.alice, "state": "failed", "error_code": 100}
    short = world.say(conversation, "Hello", at=timezone.now(), **fields)
    long = world.say(conversation, "荷物 " * 500, at=timezone.now(), **fields)
    page = alice.get(f"/inbox/{conversation.pk}/").content.decode()
    assert f"/{long.pk}/send-as-two/" in page
    assert f"/{long.pk}/retry/" not in page
    assert f"/{short.pk}/send-as-two/" not in page
    path = next(url for url in re.findall(r'formaction="([^"]+)"', page) if url.endswith(f"/{long.pk}/send-as-two/"))
    assert alice.post(path, headers={"HX-Request": "true"}).status_code == 200
    halves = conversation.messages.filter(state="queued").order_by("sent_at", "pk").values_list("text", flat=True)
    assert list(halves) == [("荷物 " * 250).strip()] * 2
    assert alice.post(path.replace(str(long.pk), str(short.pk)), headers={"HX-Request": "true"}).status_code == 422
