"""Taking and requesting control of a conversation: who may, what Meta is told, and what its answers do."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import responses
import time_machine

from channels_im.messenger.verdicts import ReauthReason
from channels_im.models import Channel, Page
from channels_im.services.facebook.connection import require_reauth
from desk.models import User
from tests.factories import NOON, make_agent
from tests.matching import present
from tests.tickets.services.graph import FakeGraph, error_answer
from tickets import tasks
from tickets.models import Conversation, Message, ThreadControlRequest
from tickets.rules.cards import cards_in
from tickets.services.outgoing.replies import ReplyError
from tickets.services.page_actions import thread_control

EDGE = re.compile(r"https://graph\.facebook\.com/v[\d.]+/(\d+)/(take|request)_thread_control")
State = ThreadControlRequest.State


@pytest.fixture
def meta() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture(autouse=True)
def _held(conversation: Conversation, clock: time_machine.Traveller) -> None:
    conversation.thread_owner_app_id = "222"
    conversation.save()


def refuse(meta: responses.RequestsMock, code: int, subcode: int | None = None) -> None:
    status, _headers, body = error_answer(code, subcode)
    meta.add(responses.POST, EDGE, body=body, status=status)


def events() -> list[str]:
    rows = Message.objects.filter(kind="event").order_by("pk")
    return [cards_in(row.card)[0]["title"] for row in rows]


def test_taking_control_tells_meta_and_gives_us_the_thread(
    alice: User, conversation: Conversation, meta: responses.RequestsMock
) -> None:
    meta.add(responses.POST, EDGE, json={"success": True})
    thread_control.request(alice, conversation, "take")
    assert tasks.change_thread_control() == 1
    (call,) = meta.calls
    assert f"/{conversation.contact.page.page_id}/take_thread_control?" in present(call.request.url)
    body: Any = present(call.request.body)
    assert json.loads(body)["recipient"] == {"id": conversation.contact.psid}
    conversation.refresh_from_db()
    assert (conversation.thread_owner_app_id, conversation.control_request.state) == ("", State.TOLD)
    assert events() == ["alice took control of the conversation from app 222"]
    assert tasks.change_thread_control() == 0


def test_requesting_control_leaves_the_thread_to_the_other_app(
    alice: User, conversation: Conversation, meta: responses.RequestsMock
) -> None:
    Conversation.objects.update(thread_owner_app_id=Conversation.UNKNOWN_APP)
    meta.add(responses.POST, EDGE, json={"success": True})
    thread_control.request(alice, conversation, "request")
    tasks.change_thread_control()
    assert "/request_thread_control?" in present(meta.calls[0].request.url)
    conversation.refresh_from_db()
    assert conversation.thread_owner_app_id == Conversation.UNKNOWN_APP
    assert events() == ["alice requested control of the conversation from another app"]


@pytest.mark.parametrize(
    ("code", "subcode", "words"), [(27, None, "has no default app"), (100, 2534037, "controls this conversation")]
)
def test_a_refusal_is_shown_with_its_reason(
    alice: User, conversation: Conversation, meta: responses.RequestsMock, code: int, subcode: int | None, words: str
) -> None:
    refuse(meta, code, subcode)
    thread_control.request(alice, conversation, "take")
    tasks.change_thread_control()
    row = ThreadControlRequest.objects.get()
    assert (row.state, row.due_at) == (State.REFUSED, None)
    assert words in row.reason
    conversation.refresh_from_db()
    assert (conversation.thread_owner_app_id, events()) == ("222", [])
    conversation.contact.page.refresh_from_db()
    assert conversation.contact.page.is_connected


def test_an_error_that_passes_is_tried_again_and_then_given_up(
    alice: User, conversation: Conversation, meta: responses.RequestsMock, clock: time_machine.Traveller
) -> None:
    refuse(meta, 2)
    thread_control.request(alice, conversation, "take")
    for _attempt in range(thread_control.MAX_ATTEMPTS + 2):
        tasks.change_thread_control()
        clock.shift(timedelta(minutes=20))
    row = ThreadControlRequest.objects.get()
    assert (len(meta.calls), row.state, row.reason) == (
        thread_control.MAX_ATTEMPTS, State.REFUSED, thread_control.NO_ANSWER
    )  # fmt: skip


def test_a_dead_token_asks_for_re_authentication(
    alice: User, conversation: Conversation, meta: responses.RequestsMock
) -> None:
    refuse(meta, 190, 460)
    thread_control.request(alice, conversation, "take")
    tasks.change_thread_control()
    page = conversation.contact.page
    page.refresh_from_db()
    assert (page.is_connected, page.reauth_reason) == (False, "password_changed")


def _delete_channel(channel: Channel) -> None:
    Channel.objects.update(is_active=False, deleted_at=NOON)


OBSTACLES: dict[str, tuple[Callable[[Channel], object], str]] = {
    "deleted": (_delete_channel, "channel_deleted"),
    "inactive": (lambda channel: Channel.objects.update(is_active=False), "channel_inactive"),
    "disconnected": (
        lambda channel: require_reauth(channel.page, ReauthReason.ROLE_LOST, Page.DetectedBy.SEND),
        "reauth_required",
    ),
    "free": (lambda channel: Conversation.objects.update(thread_owner_app_id=""), "not_possible"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_forbids_a_reply_forbids_taking_control_also_after_the_request(
    alice: User, channel: Channel, conversation: Conversation, meta: responses.RequestsMock, obstacle: str
) -> None:
    thread_control.request(alice, conversation, "take")
    obstruct, code = OBSTACLES[obstacle]
    obstruct(channel)
    with pytest.raises(ReplyError) as refused:
        thread_control.request(alice, conversation, "take")
    assert refused.value.code == code
    tasks.change_thread_control()
    assert not meta.calls
    assert events() == []


def test_a_stranger_may_not_take_control_and_a_closed_window_does_not_matter(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    with pytest.raises(ReplyError):
        thread_control.request(make_agent("eve"), conversation, "take")
    clock.shift(timedelta(days=30))
    thread_control.request(alice, conversation, "take")


def test_a_newer_request_made_while_the_call_is_under_way_is_sent_next(
    alice: User, conversation: Conversation, meta: responses.RequestsMock
) -> None:
    def answer(_request: Any) -> tuple[int, dict[str, str], str]:
        if len(meta.calls) == 0:
            ThreadControlRequest.objects.update(action="request", due_at=NOON, state=State.WAITING)
        return 200, {}, json.dumps({"success": True})

    meta.add_callback(responses.POST, EDGE, answer)
    thread_control.request(alice, conversation, "take")
    tasks.change_thread_control()
    row = ThreadControlRequest.objects.get()
    assert (row.action, row.state, row.claimed_by) == ("request", State.TOLD, "")


def test_a_reply_that_another_app_blocks_shows_that_it_holds_the_thread(
    conversation: Conversation, queue: Callable[..., Message], graph: FakeGraph
) -> None:
    Conversation.objects.update(thread_owner_app_id="")
    graph.fail(10, 2018300)
    message = queue("Yes")
    tasks.drain_outbox()
    message.refresh_from_db()
    conversation.refresh_from_db()
    assert (message.state, conversation.thread_owner_app_id) == ("held", Conversation.UNKNOWN_APP)
