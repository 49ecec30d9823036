"""After a reply in a conversation that nobody has, the page asks whether it is the agent's."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from desk.models import User
from tests.pages import html_of
from tickets.models import AssignmentSettings, Conversation
from tickets.services.inbox import actions

from . import world
from .replies import HX, send

QUESTION = "Assign this conversation to you?"


def act(client: Client, conversation: Conversation, action: str, **headers: str) -> str:
    return html_of(client.post(f"/inbox/{conversation.pk}/{action}/", headers=headers))


@pytest.mark.slow
def test_the_answer_is_assign_or_not_now_which_is_kept(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    assert QUESTION in html_of(send(alice, conversation, text="Hi"))
    assert QUESTION not in html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert QUESTION not in html_of(send(alice, conversation, text="For us", kind="note"))
    assert 'data-part="assign-question"></div>' in act(alice, conversation, "leave-unassigned", **HX)
    assert QUESTION not in html_of(send(alice, conversation, text="Again"))
    other = world.make_conversation(desk.shop, at=timezone.now())
    world.say(other, "Hello", at=timezone.now())
    assert QUESTION in html_of(send(alice, other, text="Hi"))
    answer = act(alice, other, "take-after-reply", **HX)
    assert ("Assigned to Alice: replied" in answer, QUESTION in answer) == (True, False)
    other.refresh_from_db()
    assert other.assignee == desk.alice


@pytest.mark.parametrize("on_reply", ["always", "never"])
def test_no_other_setting_asks(desk: world.Desk, alice: Client, conversation: Conversation, on_reply: str) -> None:
    AssignmentSettings.objects.create(department=desk.sales, on_reply=on_reply)
    shown = html_of(send(alice, conversation, text="Hi"))
    assert QUESTION not in shown
    assert ("Assigned to Alice automatically: replied" in shown) == (on_reply == "always")


def test_closing_with_the_reply_asks_nothing(alice: Client, conversation: Conversation) -> None:
    assert QUESTION not in html_of(send(alice, conversation, text="Bye", close="yes"))


def test_without_scripts_the_page_after_the_reply_asks(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    sent = alice.post(f"/inbox/{conversation.pk}/reply/", {"text": "Hi"}, follow=True)
    assert QUESTION in html_of(sent)
    left = alice.post(f"/inbox/{conversation.pk}/leave-unassigned/", follow=True)
    assert QUESTION not in html_of(left)
    assert QUESTION not in html_of(alice.post(f"/inbox/{conversation.pk}/reply/", {"text": "Hi"}, follow=True))


def test_a_colleague_who_was_faster_keeps_it(
    desk: world.Desk, alice: Client, conversation: Conversation, as_user: Callable[[User], Client]
) -> None:
    actions.assign(desk.root, conversation, desk.root)
    refused = alice.post(f"/inbox/{conversation.pk}/take-after-reply/", headers=HX)
    assert (refused.status_code, "root has this conversation meanwhile." in html_of(refused)) == (422, True)
    conversation.refresh_from_db()
    assert conversation.assignee == desk.root
    assert as_user(desk.bob).post(f"/inbox/{conversation.pk}/take-after-reply/", headers=HX).status_code == 404
    assert alice.get(f"/inbox/{conversation.pk}/take-after-reply/").status_code == 405
