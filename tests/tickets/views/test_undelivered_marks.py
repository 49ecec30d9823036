"""The list marks conversations with a reply that was not delivered, both when loaded and when pushed."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from desk.models import User
from tests.pages import html_of, one_line
from tickets.models import Conversation, Message
from tickets.services.conversation import access
from tickets.services.outgoing import delivery_status, replies, undelivered
from tickets.views import live_rows

from . import world

PILL = re.compile(r'<span class="pill([^"]*)" title="([^"]*)"><svg.*?</svg>(?:Not sent|Unsure|Held)</span>', re.DOTALL)
FAILED = (" pill--danger", "A reply was not sent")
UNSURE = (" pill--warning", "Desk cannot find out whether a reply arrived")
HELD = (" pill--warning", "A reply is held until an agent sends it")
WAITS = ("", "A reply is held until the customer writes")


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    conversation = world.make_conversation(desk.shop, at=timezone.now())
    world.say(conversation, at=timezone.now())
    return conversation


@pytest.fixture
def marks(desk: world.Desk, alice: Client, conversation: Conversation) -> Callable[[], list[tuple[str, str]]]:
    """Return what the conversation's row is marked with, as asked for and as pushed: both the same."""

    def marks() -> list[tuple[str, str]]:
        asked = PILL.findall(html_of(alice.get("/inbox/")))
        reader = live_rows.reader_of(live_rows.facts_of(desk.alice), {})
        event = {"kind": "conversation", **access.ids_of(Conversation.objects.get(pk=conversation.pk))}
        (row, _counts) = live_rows.read([event], {reader})[reader]
        assert PILL.findall(one_line(row["html"])) == asked
        return asked

    return marks


def ours(desk: world.Desk, conversation: Conversation, state: str, text: str = "Answer", **fields: Any) -> Message:
    return world.say(conversation, text, author=desk.alice, state=state, mid=None, at=timezone.now(), **fields)


def test_what_went_out_or_is_on_its_way_has_no_mark(
    desk: world.Desk, conversation: Conversation, marks: Callable[[], list[tuple[str, str]]]
) -> None:
    for state in ("queued", "sending", "sent", "delivered", "read"):
        ours(desk, conversation, state)
    ours(desk, conversation, "unsure", retry_after=timezone.now())
    ours(desk, conversation, "sent", kind="note")
    assert marks() == []


@pytest.mark.parametrize(("state", "shown"), [("failed", FAILED), ("unsure", UNSURE), ("held", HELD)])
def test_each_way_not_to_go_out_has_its_mark(
    desk: world.Desk,
    conversation: Conversation,
    marks: Callable[[], list[tuple[str, str]]],
    state: str,
    shown: tuple[str, str],
) -> None:
    ours(desk, conversation, state)
    world.say(conversation, "Hello?", at=timezone.now())
    assert marks() == [shown]


def test_only_the_worst_state_is_shown(
    desk: world.Desk, conversation: Conversation, marks: Callable[[], list[tuple[str, str]]]
) -> None:
    ours(desk, conversation, "held", waits_for_customer=True)
    assert marks() == [WAITS]
    ours(desk, conversation, "held")
    assert marks() == [HELD]
    ours(desk, conversation, "unsure")
    assert marks() == [UNSURE]
    ours(desk, conversation, "failed")
    assert marks() == [FAILED]


def test_after_another_answer_a_failed_one_is_history_and_a_held_one_still_held(
    desk: world.Desk, conversation: Conversation, marks: Callable[[], list[tuple[str, str]]]
) -> None:
    failed = ours(desk, conversation, "failed")
    replies.queue_reply(desk.alice, conversation, text="In other words")
    assert marks() == []
    undelivered.retry(desk.alice, failed)
    Message.objects.filter(pk=failed.pk).update(state="failed")
    assert marks() == [FAILED]
    undelivered.cancel(desk.alice, failed)
    ours(desk, conversation, "held")
    world.say(conversation, direction="out", source="page_inbox", state="sent", at=timezone.now())
    assert marks() == [HELD]


@pytest.mark.parametrize(
    ("state", "choose"),
    [
        ("failed", undelivered.retry),
        ("failed", undelivered.cancel),
        ("held", undelivered.release),
        ("held", undelivered.cancel),
        ("unsure", undelivered.resend),
        ("unsure", undelivered.mark_arrived),
    ],
)
def test_the_mark_goes_with_what_the_agent_chose(
    desk: world.Desk,
    conversation: Conversation,
    marks: Callable[[], list[tuple[str, str]]],
    state: str,
    choose: Callable[[User, Message], object],
) -> None:
    message = ours(desk, conversation, state)
    assert marks()
    choose(desk.alice, message)
    assert marks() == []


@pytest.mark.parametrize("state", ["failed", "held", "unsure"])
def test_the_mark_goes_when_it_turns_out_to_have_arrived(
    desk: world.Desk, conversation: Conversation, marks: Callable[[], list[tuple[str, str]]], state: str
) -> None:
    message = ours(desk, conversation, state)
    assert marks()
    delivery_status.confirm(
        message.pk, mid="m_after_all", sent_at=timezone.now(), evidence=delivery_status.Evidence.ECHO
    )
    assert marks() == []


def test_other_conversations_have_none(desk: world.Desk, alice: Client, conversation: Conversation) -> None:
    other = world.make_conversation(desk.shop, "Other", at=timezone.now())
    ours(desk, conversation, "failed")
    assert set(undelivered.undelivered_states([conversation.pk, other.pk])) == {conversation.pk}
    assert undelivered.undelivered_states([other.pk]) == {}


def test_a_held_reply_can_be_sent_now_only_when_one_may_be_sent_at_all(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    ours(desk, conversation, "held")
    html = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert "Send now" in html
    assert "it can be sent now." in html
    desk.shop.is_active = False
    desk.shop.save()
    html = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert "Held, not sent" in html
    assert "Send now" not in html
    assert "it can be sent now" not in html
    assert html.count("is deactivated") == 1  # the outage is told once
