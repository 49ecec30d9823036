"""Webhooks before, during and after recoveries, in any order: the same conversation in the end."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from channels_im import tasks
from channels_im.messenger.graph_messages import parse_messages
from channels_im.models import Channel, Page
from channels_im.services.recovery.writer import write_missed
from tests import factories as make
from tests.factories import NOON, delivery, item
from tickets.models import Conversation, Message

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PSID = "7001"
SECOND = timedelta(seconds=1)

# Who says something, and how many milliseconds after the one before. All of it is one ticket: a message that comes late
# moves no other one into another ticket, so with several tickets the order of arrival counts, with webhooks as well.
HISTORY = st.lists(
    st.tuples(st.sampled_from(["customer", "page"]), st.sampled_from([1, 250, 999, 5_000, 600_000])),
    min_size=1,
    max_size=7,
)
PLAN = st.lists(st.one_of(st.integers(0, 6), st.just("recover"), st.just("drain")), max_size=14)


@pytest.fixture
def channel() -> Channel:
    return make.make_channel(make.make_page("101"))


@given(history=HISTORY, plan=PLAN)
@hypothesis_settings(
    max_examples=int(os.environ.get("HISTORIES", "15")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_order_gives_the_same_conversation(
    channel: Channel, history: list[tuple[str, int]], plan: list[int | str]
) -> None:
    said = _said(history)
    with transaction.atomic():
        _in_order(channel.page, said)
        expected = _facts()
        transaction.set_rollback(True)
    with transaction.atomic():
        for step in [*plan, "recover"]:
            if step == "recover":
                write_missed(channel.page, PSID, _shown(channel.page, said))
            elif isinstance(step, int) and step < len(said):
                make.journal(_webhook(channel.page, said[step]))
            if step == "drain":
                tasks.drain_journal()
        tasks.drain_journal()
        for each in said:  # what was lost comes after all
            make.journal(_webhook(channel.page, each))
        tasks.drain_journal()
        assert _facts() == expected
        transaction.set_rollback(True)


def _said(history: list[tuple[str, int]]) -> list[dict[str, Any]]:
    at, said = NOON, []
    for number, (who, gap_ms) in enumerate(history):
        at += timedelta(milliseconds=gap_ms)
        said.append({"mid": f"m_{number}", "text": f"{who} {number}", "at": at, "by_page": who == "page"})
    return said


def _webhook(page: Page, said: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"mid": said["mid"], "text": said["text"]}
    if not said["by_page"]:
        return delivery(page, item(page, PSID, said["at"], message=content))
    echo = item(page, PSID, said["at"], message=content | {"is_echo": True, "app_id": "263902037430900"})
    echo["sender"], echo["recipient"] = echo["recipient"], echo["sender"]
    return delivery(page, echo)


def _shown(page: Page, said: list[dict[str, Any]]) -> Any:
    rows = [
        {
            "id": each["mid"],
            "created_time": each["at"].strftime("%Y-%m-%dT%H:%M:%S+0000"),
            "from": {"id": page.page_id if each["by_page"] else PSID},
            "message": each["text"],
        }
        for each in reversed(said)
    ]
    return parse_messages({"data": rows}, page.page_id)


def _in_order(page: Page, said: list[dict[str, Any]]) -> None:
    for each in said:
        make.journal(_webhook(page, each))
        tasks.drain_journal()


def _facts() -> dict[str, Any]:
    """Return the conversation, with times to the second: what was recovered has no better ones."""
    conversation = Conversation.objects.get()
    rows = Message.objects.order_by("sent_at", "pk").select_related("ticket")
    tickets: dict[int | None, int] = {}
    waiting = conversation.waiting_since
    return {
        "messages": [
            (
                row.mid,
                row.direction,
                row.source,
                row.text,
                row.sent_at.replace(microsecond=0),
                tickets.setdefault(row.ticket_id, len(tickets)),
                row.ticket.subject if row.ticket else "",
            )
            for row in rows
        ],
        "unread": conversation.unread_count,
        "count": conversation.message_count,
        "preview": conversation.preview,
        "waiting": waiting and waiting.replace(microsecond=0),
    }
