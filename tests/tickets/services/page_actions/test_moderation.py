"""Send blocks to Meta: which calls are made, what is shown, and which action wins when two meet."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses
from django.utils import timezone
from pytest_django import Settings

from channels_im.models import Page
from desk import loops
from desk.models import User
from tests.factories import make_agent, make_channel, make_conversation
from tests.matching import present
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.tickets.services.graph import error_answer
from tickets.models import Conversation, Moderation
from tickets.services.inbox import actions
from tickets.services.page_actions import moderation

pytestmark = pytest.mark.django_db
MODERATE = re.compile(r"https://graph\.facebook\.com/v[\d.]+/(\d+)/moderate_conversations")


class Meta:
    """Accepts each call; `plan` holds other answers, exceptions, and what somebody does meanwhile."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.actions: list[tuple[str, str]] = []
        self.plan: list[Any] = []
        mock.add_callback(responses.POST, MODERATE, self.answer)

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body or b"")
        self.actions.append((body["user_ids"][0]["id"], body["actions"][0].lower()))
        step = self.plan.pop(0) if self.plan else None
        if callable(step):
            step = step()
        if isinstance(step, BaseException):
            raise step
        return step or (200, {}, '{"success": true}')

    def words(self) -> list[str]:
        return [action.removesuffix("_user") for _psid, action in self.actions]


@pytest.fixture
def meta() -> Iterator[Meta]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Meta(mock)


@pytest.fixture
def conversation() -> Conversation:
    return make_conversation()


@pytest.fixture
def alice(conversation: Conversation) -> User:
    return make_agent("alice", channels=(conversation.channel,))


def row() -> Moderation:
    return Moderation.objects.get()


def later(**delta: Any) -> None:
    """Let that much time pass for the row that waits."""
    Moderation.objects.update(due_at=timezone.now() - timedelta(**delta))


def test_a_block_is_sent_by_the_worker_and_not_by_the_request(
    meta: Meta, alice: User, conversation: Conversation
) -> None:
    actions.block(alice, conversation)
    assert meta.actions == []
    assert row().state == "waiting"
    assert moderation.is_due()
    assert moderation.JOB in loops.names_of(loops.SENDER)

    assert moderation.send_blocks() == 1
    assert meta.actions == [(conversation.contact.psid, "block_user")]
    assert (row().state, row().meta_blocks, row().due_at) == ("told", True, None)
    assert not moderation.is_due()


def test_an_unblock_is_sent_too_and_each_is_sent_once(meta: Meta, alice: User, conversation: Conversation) -> None:
    for act in (actions.block, actions.block, actions.unblock, actions.unblock):
        act(alice, conversation)
        moderation.send_blocks()
    assert meta.words() == ["block", "unblock"]
    assert row().state == "told"


def test_a_block_undone_before_it_was_sent_is_not_sent(meta: Meta, alice: User, conversation: Conversation) -> None:
    actions.block(alice, conversation)
    actions.unblock(alice, conversation)
    assert moderation.send_blocks() == 0
    assert row().state == "told"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("answer", ["taken", "time-out", "refused"])
def test_the_last_action_is_sent_last_even_when_it_came_during_a_call(
    meta: Meta, alice: User, conversation: Conversation, answer: str
) -> None:
    seen_by_another_worker = []

    def unblock_meanwhile() -> object:
        actions.unblock(alice, conversation)
        seen_by_another_worker.append(moderation.send_blocks())
        return {"taken": None, "time-out": requests.ReadTimeout("late"), "refused": error_answer(100)}[answer]

    actions.block(alice, conversation)
    meta.plan = [unblock_meanwhile]
    moderation.send_blocks()

    assert seen_by_another_worker == [0]  # the call under way keeps its claim
    # what Meta refused did not happen: there is nothing to take back
    assert meta.words() == (["block"] if answer == "refused" else ["block", "unblock"])
    assert (row().state, row().is_blocked, row().meta_blocks) == ("told", False, False)


def test_a_call_whose_worker_died_is_made_again(
    meta: Meta, alice: User, conversation: Conversation, settings: Settings
) -> None:
    actions.block(alice, conversation)
    meta.plan = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        moderation.send_blocks()
    assert moderation.send_blocks() == 0
    Moderation.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))

    assert moderation.send_blocks() == 1
    assert (row().state, row().meta_blocks) == ("told", True)


def test_trouble_that_passes_is_tried_again_until_it_has_passed(
    meta: Meta, alice: User, conversation: Conversation
) -> None:
    meta.plan = [requests.ConnectTimeout("no route"), requests.ReadTimeout("no answer"), error_answer(2, status=500)]
    actions.block(alice, conversation)
    for attempt in (1, 2, 3):
        moderation.send_blocks()
        assert (row().state, row().attempts) == ("waiting", attempt)
        assert present(row().due_at) > timezone.now()
        assert "Facebook" in row().reason
        later(seconds=1)
    moderation.send_blocks()
    assert (row().state, row().reason) == ("told", "")


def test_without_the_permission_the_block_holds_in_desk_and_the_page_goes_on(
    meta: Meta, alice: User, conversation: Conversation
) -> None:
    meta.plan = [error_answer(10)]
    actions.block(alice, conversation)
    moderation.send_blocks()

    conversation.contact.refresh_from_db()
    page = Page.objects.get(pk=conversation.channel.page_id)
    assert conversation.contact.is_blocked
    assert (row().state, row().meta_blocks) == ("refused", False)
    assert "lacks the permission" in row().reason
    assert page.is_connected  # other permissions may be there: they are looked at
    assert page.subscription_due_at is not None
    assert moderation.send_blocks() == 0


def test_an_invalid_token_marks_the_page_and_the_block_waits_for_the_new_one(
    meta: Meta, alice: User, conversation: Conversation
) -> None:
    meta.plan = [error_answer(190, 463)]
    actions.block(alice, conversation)
    moderation.send_blocks()
    page = Page.objects.get(pk=conversation.channel.page_id)
    assert (page.reauth_reason, row().state) == ("token_expired", "waiting")
    assert moderation.send_blocks() == 0

    page.page_token, page.connection, page.reauth_reason = "new", "connected", ""
    page.save()
    assert moderation.send_blocks() == 1
    assert row().state == "told"


def test_a_limited_page_is_left_alone_as_long_as_meta_says(meta: Meta, alice: User, conversation: Conversation) -> None:
    meta.plan = [error_answer(80006, headers={"Retry-After": "600"})]
    actions.block(alice, conversation)
    moderation.send_blocks()
    page = Page.objects.get(pk=conversation.channel.page_id)
    assert present(page.background_limited_until) > timezone.now() + timedelta(minutes=9)
    assert page.rate_limited_until is None
    assert moderation.send_blocks() == 0

    Page.objects.update(background_limited_until=None)
    moderation.send_blocks()
    assert row().state == "told"


def test_what_meta_refused_can_be_tried_again_once_per_click(
    meta: Meta, alice: User, conversation: Conversation
) -> None:
    meta.plan = [error_answer(100)]
    actions.block(alice, conversation)
    moderation.send_blocks()
    assert "error 100" in row().reason

    actions.retry_block(conversation)
    actions.retry_block(conversation)
    moderation.send_blocks()
    assert meta.words() == ["block", "block"]
    assert row().state == "told"
    actions.retry_block(conversation)
    assert moderation.send_blocks() == 0


def test_an_error_of_our_own_stops_nobody_else(
    meta: Meta, alice: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_conversation(conversation.channel)
    meta.plan = [ValueError("ours")]
    actions.block(alice, conversation)
    actions.block(alice, other)
    moderation.send_blocks()
    states = dict(Moderation.objects.values_list("contact_id", "state"))
    assert states == {conversation.contact_id: "refused", other.contact_id: "told"}


# --- Against the sandbox ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_what_a_blocked_person_writes_does_not_reach_the_page_until_they_are_unblocked(
    sandbox: SandboxProcess, settings: Settings
) -> None:
    settings.META_GRAPH_URL = sandbox.url
    token = sandbox.grant("anna", [BERG_BIKES])["pages"][0]["access_token"]
    channel = make_channel()
    Page.objects.filter(pk=channel.page_id).update(page_id=BERG_BIKES, page_token=token)
    written = sandbox.customer_writes("lena", BERG_BIKES, "Hello?")
    conversation = make_conversation(channel, written["psid"])
    alice = make_agent("alice", channels=(channel,))

    actions.block(alice, conversation)
    moderation.send_blocks()
    assert row().state == "told"
    with pytest.raises(AssertionError, match="has blocked"):
        sandbox.customer_writes("lena", BERG_BIKES, "Do you hear me?")

    actions.unblock(alice, conversation)
    moderation.send_blocks()
    assert sandbox.customer_writes("lena", BERG_BIKES, "And now?")["mid"]
