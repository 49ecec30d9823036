"""Which ticket a message joins, whatever the order in which Meta delivers."""

import itertools
import random
from datetime import datetime, timedelta

import pytest
from django.test import Client

from channels_im.models import Channel, Page
from tests import factories as make
from tests.factories import NOON, deliver, delivery, text_item
from tickets.models import Conversation, Message, Ticket

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def tickets_of(
    texts_and_times: list[tuple[str, datetime]], client: Client, fb_page: Page, *, in_one: bool
) -> list[list[str]]:
    """Deliver, and return the partition into tickets as a set of sets of texts."""
    deliveries = [delivery(fb_page, text_item(fb_page, "7001", text, at, f"m_{text}")) for text, at in texts_and_times]
    if in_one:
        deliver(client, *deliveries)
    else:
        for each in deliveries:
            deliver(client, each)
    parts: dict[int, set[str]] = {}
    for text, ticket in Message.objects.values_list("text", "ticket_id"):
        parts.setdefault(ticket, set()).add(text)
    return sorted(map(sorted, parts.values()))


HISTORY = [
    ("a", NOON),
    ("b", NOON + HOUR),
    ("c", NOON + 2 * HOUR + timedelta(milliseconds=1)),
    ("d", NOON + 5 * HOUR),
    ("e", NOON + 6 * HOUR),
]
PARTS = [["a", "b"], ["c"], ["d", "e"]]


def test_exactly_at_the_limit_is_the_same_ticket_and_a_millisecond_later_a_new_one(
    client: Client, fb_page: Page
) -> None:
    assert tickets_of(HISTORY, client, fb_page, in_one=True) == PARTS
    assert Conversation.objects.get().current_ticket == Message.objects.get(text="e").ticket


def test_one_by_one_in_order_gives_the_same_tickets_as_in_one_batch(client: Client, fb_page: Page) -> None:
    assert tickets_of(HISTORY, client, fb_page, in_one=False) == PARTS


@pytest.mark.parametrize("seed", range(6))
def test_drained_together_the_order_of_arrival_does_not_matter(client: Client, fb_page: Page, seed: int) -> None:
    shuffled = random.Random(seed).sample(HISTORY, len(HISTORY))  # noqa: S311 - a shuffle, no secret
    assert tickets_of(shuffled, client, fb_page, in_one=True) == PARTS


def test_messages_of_the_same_millisecond_are_sorted_by_their_key_not_by_arrival(client: Client, fb_page: Page) -> None:
    for order in itertools.permutations("xyz"):
        Conversation.objects.all().delete()
        deliver(client, *(delivery(fb_page, text_item(fb_page, "7001", mid, NOON, f"m_{mid}")) for mid in order))
        assert list(Message.objects.order_by("pk").values_list("mid", flat=True)) == ["m_x", "m_y", "m_z"]


def test_the_departments_intermission_is_asked(client: Client, fb_page: Page, channel: Channel) -> None:
    from channels_im.models import ImPreferences

    ImPreferences.objects.update_or_create(department=channel.department, defaults={"threading_intermission": 1440})
    deliver(
        client,
        delivery(fb_page, text_item(fb_page, "7001", "a", NOON)),
        delivery(fb_page, text_item(fb_page, "7001", "b", NOON + timedelta(hours=24))),
    )
    assert Ticket.objects.count() == 1


def test_an_answer_of_ours_keeps_the_ticket_alive(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    make.answer(Conversation.objects.get(), at=NOON + 50 * MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + 110 * MINUTE)))
    assert Ticket.objects.count() == 1


@pytest.mark.parametrize("state", ["queued", "failed", "held"])
def test_an_answer_that_never_went_out_does_not_keep_the_ticket_alive(
    client: Client, fb_page: Page, state: str
) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    make.answer(Conversation.objects.get(), at=NOON + 50 * MINUTE, state=state)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + 110 * MINUTE)))
    assert Ticket.objects.count() == 2


def close(ticket: Ticket, at: datetime) -> None:
    Ticket.objects.filter(pk=ticket.pk).update(status="closed", closed_at=at)


def test_a_closed_ticket_is_reopened_within_the_limit(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    close(Ticket.objects.get(), NOON + MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + 2 * MINUTE)))
    ticket = Ticket.objects.get()
    assert (ticket.status, ticket.closed_at) == ("open", None)


def test_a_late_message_from_before_the_closing_does_not_reopen(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    close(Ticket.objects.get(), NOON + 2 * MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "late", NOON + MINUTE)))
    assert Ticket.objects.get().status == "closed"
    assert Ticket.objects.get().messages.count() == 2


def test_a_closed_ticket_stays_closed_when_the_silence_was_too_long(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    close(Ticket.objects.get(), NOON + MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + 61 * MINUTE)))
    assert list(Ticket.objects.order_by("opened_at").values_list("status", flat=True)) == ["closed", "open"]


def test_a_late_message_joins_the_ticket_before_it_and_moves_nothing(client: Client, fb_page: Page) -> None:
    first, second = ("a", NOON), ("b", NOON + 2 * HOUR)
    assert tickets_of([first, second], client, fb_page, in_one=True) == [["a"], ["b"]]
    current = Conversation.objects.get().current_ticket
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "late", NOON + HOUR, "m_late")))
    assert Message.objects.get(text="late").ticket == Message.objects.get(text="a").ticket
    conversation = Conversation.objects.get()
    assert (conversation.current_ticket, conversation.preview) == (current, "b")
    assert conversation.last_message_at == conversation.last_customer_message_at == NOON + 2 * HOUR


def test_a_late_first_message_joins_the_ticket_after_it_which_then_began_earlier(client: Client, fb_page: Page) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + HOUR)))
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    assert Ticket.objects.get().opened_at == NOON
    assert Conversation.objects.get().waiting_since == NOON


def test_a_late_message_that_was_answered_already_does_not_make_the_customer_wait(
    client: Client, fb_page: Page
) -> None:
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    make.answer(Conversation.objects.get(), at=NOON + 5 * MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "late", NOON + MINUTE)))
    assert Conversation.objects.get().waiting_since is None
