"""A person who is blocked and erased: the block at Facebook stays, and the page before and the receipt say so."""

import json
import re

import pytest
import requests
import responses

from desk.models import User
from tests.factories import NOON
from tests.pages import html_of
from tests.tickets.erasing.person import PSID, erase
from tickets import tasks
from tickets.models import Erasure, Moderation
from tickets.services.inbox import actions

pytestmark = pytest.mark.django_db

MODERATE = re.compile(r"https://graph\.facebook\.com/v[\d.]+/\d+/moderate_conversations")
STAYS = "this customer still cannot write to the Page"
PERHAPS = "Possibly a block on Facebook"
NEVER_TOLD = "Facebook does not have it yet"


@pytest.fixture
def meta():
    """Meta takes what it is told; `told` holds the actions, `answers` what it answers instead."""
    told, answers = [], []

    def answer(request):
        body = json.loads(request.body)
        assert body["user_ids"] == [{"id": PSID}]
        told.append(body["actions"][0])
        if answers:
            raise answers.pop(0)
        return 200, {}, '{"success": true}'

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback(responses.POST, MODERATE, answer)
        mock.told, mock.answers = told, answers
        yield mock


@pytest.fixture
def alice():
    return User.objects.get(username="alice")


def asked(setup, conversation) -> str:
    """What the page says before the person is erased."""
    return html_of(setup.get(f"/admin/tickets/contact/{conversation.contact_id}/erase/"))


def receipt_of(setup, conversation) -> str:
    """Erase, and return the receipt as it is shown; the download says the same."""
    address = erase(setup, conversation).url
    line = re.search(r"Block on Facebook.*?</dd>", html_of(setup.get(address)))
    kept = re.search(r"Block on Facebook.*?</dd>", html_of(setup.get(f"{address}?download")))
    assert (line and line[0]) == (kept and kept[0])
    return line[0] if line else ""


def test_a_block_that_meta_was_told_of_stays(setup, conversation, meta):
    tasks.tell_blocks()
    assert STAYS in asked(setup, conversation)
    assert "stays: this customer cannot write to the Page" in receipt_of(setup, conversation)
    assert Erasure.objects.get().meta_blocks is True
    tasks.tell_blocks()
    assert meta.told == ["BLOCK_USER"]


def test_whoever_is_unblocked_first_is_erased_without_one(setup, conversation, meta, alice):
    tasks.tell_blocks()
    actions.unblock(alice, conversation)
    tasks.tell_blocks()
    page = asked(setup, conversation)
    assert not [words for words in (STAYS, PERHAPS, NEVER_TOLD) if words in page]
    assert receipt_of(setup, conversation) == ""
    assert meta.told == ["BLOCK_USER", "UNBLOCK_USER"]


def test_an_unblock_that_meta_has_not_heard_of_leaves_the_block(setup, conversation, meta, alice):
    tasks.tell_blocks()
    actions.unblock(alice, conversation)
    assert STAYS in asked(setup, conversation)
    assert "stays" in receipt_of(setup, conversation)
    tasks.tell_blocks()
    assert meta.told == ["BLOCK_USER"]


def test_a_block_that_meta_has_not_heard_of_ends(setup, conversation, meta):
    assert NEVER_TOLD in asked(setup, conversation)
    assert receipt_of(setup, conversation) == ""
    tasks.tell_blocks()
    assert meta.told == []


def test_a_block_that_meta_did_not_answer_may_be_there(setup, conversation, meta):
    meta.answers.append(requests.ReadTimeout("no answer"))
    tasks.tell_blocks()
    page = asked(setup, conversation)
    assert PERHAPS in page
    assert NEVER_TOLD not in page
    assert "unknown" in receipt_of(setup, conversation)
    assert Erasure.objects.get().meta_blocks is None


def test_while_meta_is_being_told_nobody_is_erased(setup, conversation, meta, time_machine):
    time_machine.move_to(NOON, tick=False)
    Moderation.objects.update(claimed_by="a worker", claimed_until=NOON.replace(second=30), meta_blocks=None)
    response = erase(setup, conversation)
    assert response.status_code == 422
    assert "A block of this customer is being sent to Facebook" in response.content.decode()
    assert not Erasure.objects.exists()
    time_machine.move_to(NOON.replace(second=31), tick=False)
    setup.force_login(User.objects.get(username="admin"))
    assert "unknown" in receipt_of(setup, conversation)
