"""Bulk actions: each conversation by its own rules, and one sentence about the result."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from channels_im.models import Channel
from desk.models import User
from tests.http import Response
from tests.matching import present, search
from tests.pages import html_of
from tickets.models import Conversation, Ticket

from . import world
from .test_list import HX, ids

BULK = "/inbox/bulk/"


def do(client: Client, what: str, *rows: Conversation, **fields: Any) -> Response:
    return client.post(BULK, {"do": what, "id": [row.pk for row in rows], **fields}, headers=HX)


def sentence(response: Response) -> str:
    assert response.status_code == 200, response.content
    return search(r'id="fresh-sentence">(.*?)</p>', html_of(response)).group(1)


def statuses(*rows: Conversation) -> list[str]:
    found = dict(Ticket.objects.values_list("pk", "status"))
    return [found[present(row.current_ticket_id)] for row in rows]


def assignees(*rows: Conversation) -> list[int | None]:
    found = dict(Conversation.objects.values_list("pk", "assignee"))
    return [found[row.pk] for row in rows]


@pytest.fixture
def three(desk: world.Desk) -> list[Conversation]:
    return [world.make_conversation(desk.shop, name, unread_count=2) for name in ("Rosa", "Tom", "Zoë")]


def test_many_are_closed_and_reopened(alice: Client, three: list[Conversation]) -> None:
    assert sentence(do(alice, "close", *three)) == "3 conversations: closed."
    assert statuses(*three) == ["closed"] * 3
    assert sentence(do(alice, "close", *three)) == "3 conversations: closed."
    assert sentence(do(alice, "reopen", *three[:2])) == "2 conversations: reopened."
    assert statuses(*three) == ["open", "open", "closed"]


def test_each_leaves_its_mark_in_its_own_thread(alice: Client, desk: world.Desk, three: list[Conversation]) -> None:
    do(alice, "close", *three)
    for row in three:
        assert present(row.messages.get(kind="event").card)["title"] == f"Alice closed ticket #{row.current_ticket_id}"


def test_many_are_assigned_to_oneself_to_a_colleague_and_to_nobody(
    alice: Client, desk: world.Desk, three: list[Conversation]
) -> None:
    colleague = world.make_agent("dora", desk.sales)
    assert sentence(do(alice, "take", *three)) == "3 conversations: assigned to you."
    assert assignees(*three) == [desk.alice.pk] * 3
    assert sentence(do(alice, "assign", *three, assignee=colleague.pk)) == "3 conversations: assigned to Dora."
    assert assignees(*three) == [colleague.pk] * 3
    assert sentence(do(alice, "assign", three[0], assignee="")) == "1 conversation: unassigned."
    assert assignees(*three) == [None, colleague.pk, colleague.pk]


def test_many_are_marked_as_read_and_unread(alice: Client, three: list[Conversation]) -> None:
    assert sentence(do(alice, "read", *three)) == "3 conversations: marked as read."
    assert set(Conversation.objects.values_list("unread_count", flat=True)) == {0}
    assert sentence(do(alice, "unread", three[0])) == "1 conversation: marked as unread."
    assert Conversation.objects.get(pk=three[0].pk).unread_count == 1


def test_a_colleague_who_does_not_answer_the_channel_is_refused(
    alice: Client, desk: world.Desk, three: list[Conversation]
) -> None:
    answer = sentence(do(alice, "assign", *three, assignee=desk.bob.pk))
    assert answer.startswith(
        "3 conversations not changed: Bob is an agent neither of this channel nor of this department."
    )
    assert assignees(*three) == [None] * 3


def test_a_deleted_channel_refuses_its_own_and_stops_no_other(
    alice: Client, desk: world.Desk, three: list[Conversation]
) -> None:
    second = world.make_channel(desk.sales, "Second", desk.alice)
    gone = world.make_conversation(second)
    Channel.objects.filter(pk=second.pk).update(is_active=False, deleted_at=world.NOON)
    answer = sentence(do(alice, "take", gone, *three))
    assert answer.startswith("3 conversations: assigned to you. 1 conversation not changed: This channel was deleted")
    assert "Nothing was changed" not in answer
    assert assignees(gone, *three) == [None, *[desk.alice.pk] * 3]


@pytest.mark.parametrize("what", ["take", "assign", "close", "reopen", "read", "unread"])
def test_nothing_of_a_colleagues_channel_is_changed_or_shown(
    alice: Client, desk: world.Desk, three: list[Conversation], what: str
) -> None:
    secret = world.make_conversation(desk.service, "Secret Person", unread_count=1)
    before = Conversation.objects.filter(pk=secret.pk).values().get(), statuses(secret)
    response = do(alice, what, secret, three[0])
    assert "1 conversation not changed: you can no longer see it." in sentence(response)
    assert "Secret" not in html_of(response)
    assert (Conversation.objects.filter(pk=secret.pk).values().get(), statuses(secret)) == before
    response = alice.post(BULK, {"do": what, "id": [10**15]}, headers=HX)
    assert "1 conversation not changed: you can no longer see it." in sentence(response)


def test_the_answer_holds_the_rows_as_they_belong_to_the_list_now(alice: Client, three: list[Conversation]) -> None:
    response = do(alice, "close", *three[:2], list="view=unassigned")
    assert ids(response) == []
    response = do(alice, "close", *three, list="view=ended")
    assert sorted(ids(response)) == sorted(row.pk for row in three)


@pytest.mark.parametrize(
    ("amount", "words"), [(0, "No conversation is selected"), (101, "101 conversations are selected; at most 100")]
)
def test_none_and_too_many_are_refused_in_words(
    alice: Client, three: list[Conversation], amount: int, words: str
) -> None:
    known = [row.pk for row in three][:amount]
    response = alice.post(BULK, {"do": "close", "id": [*known, *range(10**9, 10**9 + amount - len(known))]}, headers=HX)
    assert response.status_code == 422
    assert words in html_of(response)
    assert statuses(*three) == ["open"] * 3


@pytest.mark.parametrize("what", ["", "delete", "transfer", "<script>"])
def test_nothing_else_can_be_done_to_many(alice: Client, three: list[Conversation], what: str) -> None:
    assert do(alice, what, *three).status_code == 404


@pytest.mark.parametrize("chosen", ["x", "-1", "²", str(10**15)])
def test_a_colleague_who_is_none_is_refused(alice: Client, three: list[Conversation], chosen: str) -> None:
    assert do(alice, "assign", *three, assignee=chosen).status_code == 422
    assert assignees(*three) == [None] * 3


def test_the_same_one_twice_is_one(alice: Client, three: list[Conversation]) -> None:
    assert sentence(do(alice, "close", three[0], three[0])) == "1 conversation: closed."


def test_only_a_post_of_somebody_who_is_logged_in_changes_anything(
    alice: Client, desk: world.Desk, three: list[Conversation]
) -> None:
    assert alice.get(BULK, {"do": "close", "id": str(three[0].pk)}).status_code == 405
    assert Client().post(BULK, {"do": "close", "id": three[0].pk}, headers=HX).status_code == 401
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(desk.alice)
    assert do(strict, "close", *three).status_code == 403
    assert statuses(*three) == ["open"] * 3


def test_without_a_script_the_list_comes_back_with_the_sentence(alice: Client, three: list[Conversation]) -> None:
    response = alice.post(BULK, {"do": "close", "id": [three[0].pk], "list": "view=ended"}, follow=True)
    assert ids(response) == [three[0].pk]
    assert "1 conversation: closed." in html_of(response)


def test_the_colleagues_offered_are_those_of_ones_channels(alice: Client, desk: world.Desk) -> None:
    world.make_agent("dora", desk.sales)
    world.make_agent("erik")
    gone = world.make_agent("finn", desk.sales)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    offered = re.findall(r"<bdi>(.*?)</bdi>", html_of(alice.get("/inbox/bulk/colleagues/", headers=HX)))
    assert offered == ["Dora"]


@pytest.mark.slow
def test_a_long_conversation_costs_as_many_queries_as_a_short_one(alice: Client, desk: world.Desk) -> None:
    def costs(what: str, rows: list[Conversation]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert sentence(do(alice, what, *rows)).startswith(str(len(rows)))
        return len(captured)

    short = [world.make_conversation(desk.shop) for _ in range(3)]
    long = [world.make_conversation(desk.shop) for _ in range(3)]
    for row in long:
        for number in range(40):
            world.say(row, f"text {number}")
    for what in ("take", "close", "reopen", "unread", "read"):
        assert costs(what, long) == costs(what, short), what


def test_many_are_snoozed_and_woken_each_by_its_own_rules(alice: Client, desk: world.Desk) -> None:
    first, second, over = (world.make_conversation(desk.shop, name) for name in ("One", "Two", "Over"))
    world.close(over)
    answer = do(alice, "snooze", first, second, over, until="tomorrow")
    assert (
        sentence(answer) == "2 conversations: snoozed. "
        "1 conversation not changed: This conversation has no open ticket. Reopen it before you snooze it."
    )
    assert Conversation.objects.filter(is_snoozed=True, snoozed_until__isnull=False).count() == 2
    assert sentence(do(alice, "wake", first, second)) == "2 conversations: woken."
    assert not Conversation.objects.filter(is_snoozed=True).exists()
    assert "Choose until when" in sentence(do(alice, "snooze", first))
