"""Two agents answer the same customer: the one who did not see the other's answer must confirm before sending."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from channels_im.models import ChannelAgent
from desk.models import User
from tests.factories import receive
from tests.matching import search
from tests.pages import html_of
from tickets.models import Conversation, Message
from tickets.services.outgoing import replies
from tickets.services.outgoing.collision import AnsweredMeanwhileError

from . import world

HX = {"HX-Request": "true"}


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    ChannelAgent.objects.create(channel=desk.shop, agent=desk.bob.agent)
    conversation = world.make_conversation(desk.shop, at=timezone.now())
    receive(conversation, "Is it open?", timezone.now())
    return conversation


@pytest.fixture
def bob(desk: world.Desk, as_user: Callable[[User], Client]) -> Client:
    return as_user(desk.bob)


def seen(conversation: Conversation) -> int:
    return conversation.messages.latest("pk").pk


def send(
    client: Client,
    conversation: Conversation,
    text: str,
    seen: int | str,
    status: int = 200,
    headers: dict[str, str] = HX,
    **fields: Any,
) -> str:
    fields = {"text": text, "kind": "reply", "seen": seen, **fields}
    response = client.post(f"/inbox/{conversation.pk}/reply/", fields, headers=headers)
    assert response.status_code == status, html_of(response)
    return html_of(response)


def answers(conversation: Conversation) -> list[str]:
    return list(conversation.messages.filter(direction="out").order_by("pk").values_list("text", flat=True))


def test_the_second_agent_is_asked_and_the_second_click_sends(
    alice: Client, bob: Client, conversation: Conversation
) -> None:
    both_saw = seen(conversation)
    send(bob, conversation, "Yes, until six", both_saw)
    html = send(alice, conversation, "Yes", both_saw, status=409)
    assert "Bob replied at" in html
    assert answers(conversation) == ["Yes, until six"]

    now_seen = search(r'data-id="(\d+)"', html)[1]
    send(alice, conversation, "Yes", now_seen)
    assert answers(conversation) == ["Yes, until six", "Yes"]


def test_a_third_answer_is_asked_about_again(
    alice: Client, bob: Client, desk: world.Desk, conversation: Conversation
) -> None:
    start = seen(conversation)
    send(bob, conversation, "One", start)
    html = send(alice, conversation, "Mine", start, status=409)
    replies.queue_reply(desk.bob, conversation, text="Two")
    send(alice, conversation, "Mine", search(r'data-id="(\d+)"', html)[1], status=409)
    assert answers(conversation) == ["One", "Two"]


@pytest.mark.parametrize(
    ("source", "words"),
    [("page_inbox", "Somebody in the Page inbox"), ("other_app", "Another app"), ("this_app", "Somebody outside Desk")],
)
def test_an_answer_from_elsewhere_counts_too(
    alice: Client, conversation: Conversation, source: str, words: str
) -> None:
    start = seen(conversation)
    world.say(conversation, "From elsewhere", direction="out", source=source, state="sent", at=timezone.now())
    assert f"{words} replied at" in send(alice, conversation, "Mine", start, status=409)


def test_what_is_no_answer_of_somebody_else_asks_nothing(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    start = seen(conversation)
    replies.queue_reply(desk.alice, conversation, text="My own, from another tab")
    world.say(conversation, "And?", at=timezone.now())
    world.say(conversation, "Not sent", author=desk.bob, state="failed", mid=None, at=timezone.now())
    world.say(conversation, "A note", author=desk.bob, kind="note", mid=None, at=timezone.now())
    world.say(conversation, "", author=desk.bob, kind="event", mid=None, at=timezone.now())
    send(alice, conversation, "Mine", start)


def test_notes_are_never_asked_about_and_a_page_that_tells_nothing_sends(
    alice: Client, bob: Client, conversation: Conversation
) -> None:
    start = seen(conversation)
    send(bob, conversation, "Yes", start)
    send(alice, conversation, "Seen it?", start, kind="note")
    for nothing in ("", "x", "9" * 30):
        send(alice, conversation, f"Reply {nothing}", nothing)


def test_the_same_send_again_is_the_first_one_whatever_was_answered_since(
    alice: Client, bob: Client, conversation: Conversation
) -> None:
    start = seen(conversation)
    send(alice, conversation, "Mine", start, client_key="k1")
    send(bob, conversation, "Yes", seen(conversation))
    send(alice, conversation, "Mine", start, client_key="k1")
    assert answers(conversation) == ["Mine", "Yes"]


def test_without_scripts_the_page_comes_back_with_text_reason_and_what_is_seen_now(
    alice: Client, bob: Client, conversation: Conversation
) -> None:
    start = seen(conversation)
    send(bob, conversation, "Yes, until six", start)
    html = send(alice, conversation, "My long answer", start, status=409, headers={})
    assert "Bob replied at" in html
    assert "Yes, until six" in html
    assert ">My long answer</textarea>" in html
    send(alice, conversation, "My long answer", search(r'name="seen" value="(\d+)"', html)[1], 302, headers={})
    assert answers(conversation) == ["Yes, until six", "My long answer"]


def test_the_page_says_who_else_answered_and_not_what_one_wrote_oneself(
    alice: Client, bob: Client, desk: world.Desk, conversation: Conversation
) -> None:
    replies.queue_reply(desk.alice, conversation, text="Of Alice")
    replies.queue_reply(desk.bob, conversation, text="Of Bob")
    assert re.findall(r'data-by="(.+?)"', html_of(alice.get(f"/inbox/{conversation.pk}/"))) == ["Bob"]
    assert re.findall(r'data-by="(.+?)"', html_of(bob.get(f"/inbox/{conversation.pk}/"))) == ["Alice"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_send_in_the_same_second_one_is_asked(desk: world.Desk, conversation: Conversation) -> None:
    start = seen(conversation)
    at_once = threading.Barrier(2)
    outcomes = []

    def click(user: User) -> None:
        try:
            at_once.wait(20)
            replies.queue_reply(user, conversation.__class__.objects.get(pk=conversation.pk), text="Yes", seen=start)
            outcomes.append("sent")
        except AnsweredMeanwhileError:
            outcomes.append("asked")
        finally:
            connection.close()

    threads = [threading.Thread(target=click, args=(user,)) for user in (desk.alice, desk.bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["asked", "sent"]
    assert Message.objects.filter(direction="out", kind="message").count() == 1


# --- A reply that did not go out is sent after all --------------------------------------------------------------------
@pytest.fixture(params=[("failed", "retry"), ("held", "release"), ("unsure", "resend")], ids=lambda pair: pair[1])
def late(request: pytest.FixtureRequest, desk: world.Desk, conversation: Conversation) -> tuple[Message, str]:
    """Alice's reply that did not go out, and the address of the button that sends it."""
    state, choice = request.param
    message = world.say(conversation, "Yes <b>", author=desk.alice, state=state, mid=None, at=timezone.now())
    return message, f"/inbox/{conversation.pk}/messages/{message.pk}/{choice}/"


def choose(client: Client, address: str, status: int = 200, headers: dict[str, str] = HX, **fields: Any) -> str:
    response = client.post(address, fields, headers=headers)
    assert response.status_code == status, html_of(response)
    return html_of(response)


def state_of(message: Message) -> str:
    message.refresh_from_db()
    return message.state


def test_what_was_answered_since_is_asked_about_before_it_goes(
    alice: Client, bob: Client, conversation: Conversation, late: tuple[Message, str]
) -> None:
    message, address = late
    before = message.state
    send(bob, conversation, "No & never", seen(conversation))
    html = choose(alice, address, 409)
    assert "Bob</bdi> replied today at" in html
    assert "No &amp; never" in html
    assert "Yes &lt;b&gt;" in html
    assert state_of(message) == before

    answer = search(r'data-id="(\d+)"', html)[1]
    send(bob, conversation, "I mean it", seen(conversation))
    html = choose(alice, address, 409, seen=answer)
    assert "I mean it" in html
    choose(alice, address, seen=search(r'data-id="(\d+)"', html)[1])
    assert state_of(message) == "queued"


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 30])
def test_a_page_that_tells_nothing_is_asked(
    alice: Client, desk: world.Desk, conversation: Conversation, late: tuple[Message, str], seen: str
) -> None:
    replies.queue_reply(desk.bob, conversation, text="No")
    choose(alice, late[1], 409, seen=seen)


def test_when_nobody_answered_since_nothing_is_asked(alice: Client, late: tuple[Message, str]) -> None:
    choose(alice, late[1])
    assert state_of(late[0]) == "queued"


def test_without_scripts_the_page_asks_with_a_button_that_sends(
    alice: Client, desk: world.Desk, conversation: Conversation, late: tuple[Message, str]
) -> None:
    message, address = late
    replies.queue_reply(desk.bob, conversation, text="No, never")
    html = choose(alice, address, 409, headers={})
    assert "was written before that and was not sent. Send it anyway?" in html
    action, value = search(r'formaction="([^"]+)" name="seen" value="(\d+)"> Send anyway', html).groups()
    assert action == address
    choose(alice, action, 302, headers={}, seen=value)
    assert state_of(message) == "queued"
    assert "Send anyway" not in html_of(alice.get(f"/inbox/{conversation.pk}/"))
