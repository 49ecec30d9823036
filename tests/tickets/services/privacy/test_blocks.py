"""Erase a blocked contact: the block at Meta stays, and both the page and the receipt say so."""

import json
import re
from collections.abc import Iterator

import pytest
import requests
import responses
from django.test import Client
from time_machine import TimeMachineFixture

from desk.models import User
from tests.factories import NOON
from tests.pages import html_of
from tests.tickets.services.privacy.erased_contact import PSID, erase
from tickets import tasks
from tickets.models import Conversation, Erasure, Moderation
from tickets.services.inbox import actions

pytestmark = pytest.mark.django_db

MODERATE = re.compile(r"https://graph\.facebook\.com/v[\d.]+/\d+/moderate_conversations")
STAYS = "this customer still cannot write to the Page"
PERHAPS = "Possibly a block on Facebook"
NEVER_TOLD = "Facebook does not have it yet"


class Meta:
    """Accepts each call; `actions` holds what was asked, `answers` what is raised instead."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.actions: list[str] = []
        self.answers: list[Exception] = []
        mock.add_callback(responses.POST, MODERATE, self.answer)

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body or b"")
        assert body["user_ids"] == [{"id": PSID}]
        self.actions.append(body["actions"][0])
        if self.answers:
            raise self.answers.pop(0)
        return 200, {}, '{"success": true}'


@pytest.fixture
def meta() -> Iterator[Meta]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Meta(mock)


@pytest.fixture
def alice() -> User:
    return User.objects.get(username="alice")


def asked(setup: Client, conversation: Conversation) -> str:
    """What the page says before the person is erased."""
    return html_of(setup.get(f"/admin/tickets/contact/{conversation.contact_id}/erase/"))


def receipt_of(setup: Client, conversation: Conversation) -> str:
    """Erase, and return the receipt as it is shown; the download says the same."""
    address = erase(setup, conversation)["Location"]
    line = re.search(r"Block on Facebook.*?</dd>", html_of(setup.get(address)))
    kept = re.search(r"Block on Facebook.*?</dd>", html_of(setup.get(f"{address}?download")))
    assert (line and line[0]) == (kept and kept[0])
    return line[0] if line else ""


def test_a_block_that_was_sent_to_meta_stays(setup: Client, conversation: Conversation, meta: Meta) -> None:
    tasks.tell_blocks()
    assert STAYS in asked(setup, conversation)
    assert "stays: this customer cannot write to the Page" in receipt_of(setup, conversation)
    assert Erasure.objects.get().meta_blocks is True
    tasks.tell_blocks()
    assert meta.actions == ["BLOCK_USER"]


def test_whoever_is_unblocked_first_is_erased_without_one(
    setup: Client, conversation: Conversation, meta: Meta, alice: User
) -> None:
    tasks.tell_blocks()
    actions.unblock(alice, conversation)
    tasks.tell_blocks()
    page = asked(setup, conversation)
    assert not [words for words in (STAYS, PERHAPS, NEVER_TOLD) if words in page]
    assert receipt_of(setup, conversation) == ""
    assert meta.actions == ["BLOCK_USER", "UNBLOCK_USER"]


def test_an_unblock_that_was_not_sent_leaves_the_block(
    setup: Client, conversation: Conversation, meta: Meta, alice: User
) -> None:
    tasks.tell_blocks()
    actions.unblock(alice, conversation)
    assert STAYS in asked(setup, conversation)
    assert "stays" in receipt_of(setup, conversation)
    tasks.tell_blocks()
    assert meta.actions == ["BLOCK_USER"]


def test_a_block_that_was_not_sent_ends(setup: Client, conversation: Conversation, meta: Meta) -> None:
    assert NEVER_TOLD in asked(setup, conversation)
    assert receipt_of(setup, conversation) == ""
    tasks.tell_blocks()
    assert meta.actions == []


def test_a_block_that_meta_did_not_answer_may_be_there(setup: Client, conversation: Conversation, meta: Meta) -> None:
    meta.answers.append(requests.ReadTimeout("no answer"))
    tasks.tell_blocks()
    page = asked(setup, conversation)
    assert PERHAPS in page
    assert NEVER_TOLD not in page
    assert "unknown" in receipt_of(setup, conversation)
    assert Erasure.objects.get().meta_blocks is None


def test_nobody_is_erased_while_a_block_is_being_sent(
    setup: Client, conversation: Conversation, meta: Meta, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON, tick=False)
    Moderation.objects.update(claimed_by="a worker", claimed_until=NOON.replace(second=30), meta_blocks=None)
    response = erase(setup, conversation)
    assert response.status_code == 422
    assert "A block of this customer is being sent to Facebook" in response.content.decode()
    assert not Erasure.objects.exists()
    time_machine.move_to(NOON.replace(second=31), tick=False)
    setup.force_login(User.objects.get(username="admin"))
    assert "unknown" in receipt_of(setup, conversation)
