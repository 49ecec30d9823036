"""Long threads: the cost of opening and refreshing them, and refreshing the messages shown further up."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.http import Response
from tests.pages import html_of
from tickets.models import Conversation, Message
from tickets.services.inbox.cursors import write_cursor

from . import world

HX = {"HX-Request": "true"}


def fill(conversation: Conversation, amount: int) -> list[Message]:
    """Messages a minute apart, the oldest first; two at each time."""
    return Message.objects.bulk_create(
        [
            Message(
                conversation=conversation,
                ticket_id=conversation.current_ticket_id,
                page=conversation.channel.page,
                mid=f"m_{conversation.pk}_{number}",
                direction="in" if number % 3 else "out",
                source="customer" if number % 3 else "agent",
                state="received" if number % 3 else "sent",
                text=f"text {number} ends",
                sent_at=world.NOON - timedelta(minutes=(amount - number) // 2),
            )
            for number in range(amount)
        ]
    )


def cursor(message: Message) -> str:
    return write_cursor(message.sent_at, message.pk)


def part(response: Response, name: str) -> list[str]:
    assert response.status_code == 200
    found = re.search(rf'data-part="{name}">(.*?)(?=<div data-part)', html_of(response), re.DOTALL)
    return re.findall(r'data-key="(message-\d+)"', found.group(1)) if found else []


def keys(messages: list[Message]) -> list[str]:
    return [f"message-{message.pk}" for message in messages]


@pytest.fixture
def long_thread(desk: world.Desk) -> tuple[Conversation, list[Message]]:
    conversation = world.make_conversation(desk.shop)
    return conversation, fill(conversation, 120)


def test_what_the_reader_looks_at_further_up_is_refreshed_with_the_newest(
    alice: Client, long_thread: tuple[Conversation, list[Message]]
) -> None:
    conversation, made = long_thread
    Message.objects.filter(pk=made[11].pk).update(text="edited meanwhile", edited_at=world.NOON)
    asked = {"first": cursor(made[10]), "last": cursor(made[14])}
    response = alice.get(f"/inbox/{conversation.pk}/messages/", asked, headers=HX)
    assert part(response, "stretch") == keys(made[10:15])
    assert part(response, "items") == keys(made[-40:])
    assert "edited meanwhile" in html_of(response)


def test_a_stretch_looks_as_it_did_when_it_was_loaded_as_a_page(
    alice: Client, long_thread: tuple[Conversation, list[Message]]
) -> None:
    conversation, made = long_thread
    whole = alice.get(f"/inbox/{conversation.pk}/messages/", {"before": cursor(made[50])}, headers=HX)
    asked = {"first": cursor(made[20]), "last": cursor(made[30])}
    response = alice.get(f"/inbox/{conversation.pk}/messages/", asked, headers=HX)

    def articles(html: str) -> dict[str, str]:
        return dict(re.findall(r'(?s)<article[^>]*data-key="(message-\d+)"(.*?)</article>', html))

    def opening(html: str) -> dict[str, str]:
        return {key: tag for tag, key in re.findall(r'(<article[^>]*data-key="(message-\d+)"[^>]*>)', html)}

    before, now = html_of(whole), html_of(response)
    for key in keys(made[20:31]):
        assert articles(before)[key] == articles(now)[key]
        assert opening(before)[key] == opening(now)[key]


@pytest.mark.parametrize("asked", [{"first": "x", "last": "y"}, {"first": ""}, {"last": "2026-03-04T12:00:00+00:00_1"}])
def test_an_odd_stretch_is_none(
    alice: Client, long_thread: tuple[Conversation, list[Message]], asked: dict[str, str]
) -> None:
    response = alice.get(f"/inbox/{long_thread[0].pk}/messages/", asked, headers=HX)
    assert part(response, "stretch") == []
    assert len(part(response, "items")) == 40


def test_a_stretch_is_bounded(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    made = fill(conversation, 300)
    asked = {"first": cursor(made[0]), "last": cursor(made[-1])}
    response = alice.get(f"/inbox/{conversation.pk}/messages/", asked, headers=HX)
    assert part(response, "stretch") == keys(made[:100])


def test_many_older_messages_come_at_once_when_one_far_up_is_wanted(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    made = fill(conversation, 300)
    address = f"/inbox/{conversation.pk}/messages/"
    response = alice.get(address, {"before": cursor(made[-1]), "many": "1"}, headers=HX)
    assert re.findall(r'<article[^>]*data-key="(message-\d+)"', html_of(response)) == keys(made[99:-1])


@pytest.mark.slow
def test_a_thread_of_ten_thousand_messages_costs_what_one_of_fifty_costs(alice: Client, desk: world.Desk) -> None:
    short, long = world.make_conversation(desk.shop), world.make_conversation(desk.shop)
    made = {short: fill(short, 50), long: fill(long, 10_000)}

    def costs(conversation: Conversation) -> list[int]:
        messages = made[conversation]
        amounts = []
        for address, asked in (
            ("", {}),
            ("messages/", {}),
            ("messages/", {"before": cursor(messages[45])}),
            ("messages/", {"first": cursor(messages[10]), "last": cursor(messages[20])}),
            ("messages/", {"since": cursor(messages[0])}),
        ):
            with CaptureQueriesContext(connection) as captured:
                response = alice.get(f"/inbox/{conversation.pk}/{address}", asked, headers=HX)
            assert response.status_code == 200
            assert len(re.findall(r"<article", html_of(response))) <= 240
            amounts.append(len(captured))
        return amounts

    costs(short)
    assert costs(long) == costs(short)
