"""Take, assign, transfer, close, reopen and block a conversation, by whole requests."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from channels_im.models import ChannelAgent
from desk.models import LiveEvent, User
from tests.http import Response
from tests.matching import present
from tests.pages import html_of
from tickets.models import Conversation, Message, Ticket
from tickets.services.conversation import access

from . import world

HX = {"HX-Request": "true"}


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    conversation = world.make_conversation(desk.shop, at=timezone.now())
    world.say(conversation, at=timezone.now())
    return conversation


def act(client: Client, conversation: Conversation, action: str, status: int = 200, **fields: Any) -> Response:
    response = client.post(f"/inbox/{conversation.pk}/{action}/", fields, headers=HX)
    assert response.status_code == status, html_of(response)
    conversation.refresh_from_db()
    present(conversation.current_ticket).refresh_from_db()
    conversation.contact.refresh_from_db()
    return response


def events(conversation: Conversation) -> list[str]:
    return [present(m.card)["title"] for m in conversation.messages.filter(kind="event").order_by("pk")]


def test_taking_assigns_conversation_and_ticket_and_leaves_a_mark(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    response = act(alice, conversation, "take")
    assert conversation.assignee == present(conversation.current_ticket).assignee == desk.alice
    assert events(conversation) == ["Alice took this conversation"]
    assert "Alice took this conversation" in html_of(response)


def test_assigning_and_putting_back(alice: Client, conversation: Conversation, desk: world.Desk) -> None:
    ChannelAgent.objects.create(channel=desk.shop, agent=desk.bob.agent)
    act(alice, conversation, "assign", assignee=desk.bob.pk)
    assert conversation.assignee == desk.bob
    act(alice, conversation, "assign", assignee="")
    assert conversation.assignee_id is None
    assert len(events(conversation)) == 2


def test_assigning_to_the_same_person_again_changes_nothing(alice: Client, conversation: Conversation) -> None:
    act(alice, conversation, "take")
    act(alice, conversation, "take")
    assert len(events(conversation)) == 1


@pytest.mark.parametrize("who", ["charlie", "nobody", "x"])
def test_it_cannot_be_given_to_who_does_not_answer_here(
    alice: Client, conversation: Conversation, desk: world.Desk, who: str
) -> None:
    chosen = {"charlie": desk.charlie.pk, "nobody": 10**9, "x": "x"}[who]
    act(alice, conversation, "assign", 422, assignee=chosen)
    assert conversation.assignee is None


def test_a_transfer_changes_the_department_with_a_note_and_the_new_one_sees_it(
    alice: Client, conversation: Conversation, desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    act(alice, conversation, "transfer", to=f"department-{desk.support.pk}", note="Please look at the invoice")
    assert conversation.department == present(conversation.current_ticket).department == desk.support
    assert conversation.transferred_at is not None
    html = html_of(as_user(desk.bob).get(f"/inbox/{conversation.pk}/"))
    assert "Please look at the invoice" in html
    assert "transferred this conversation to Support" in html


def test_a_transfer_to_a_colleague_assigns_with_a_note(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    ChannelAgent.objects.create(channel=desk.shop, agent=desk.bob.agent)
    act(alice, conversation, "transfer", to=f"colleague-{desk.bob.pk}", note="Bob knows the invoice")
    assert conversation.assignee == present(conversation.current_ticket).assignee == desk.bob
    assert conversation.department == desk.sales
    assert [note.text for note in conversation.messages.filter(kind="note")] == ["Bob knows the invoice"]


NOWHERE = ["", "x", "department-", "department-x", "department-999999", "department-" + "9" * 30, "colleague-999999"]


@pytest.mark.parametrize("chosen", [*NOWHERE, "the same department", "a stranger"])
def test_a_transfer_to_nowhere_is_refused(
    alice: Client, conversation: Conversation, desk: world.Desk, chosen: str
) -> None:
    known = {"the same department": f"department-{desk.sales.pk}", "a stranger": f"colleague-{desk.charlie.pk}"}
    act(alice, conversation, "transfer", 422, to=known.get(chosen, chosen), note="note")
    assert conversation.assignee is None
    assert conversation.department == desk.sales
    assert not conversation.messages.filter(kind="note").exists()


def test_closing_and_reopening_the_ticket(alice: Client, conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(waiting_since=timezone.now(), unread_count=1)
    act(alice, conversation, "close")
    assert present(conversation.current_ticket).status == Ticket.Status.CLOSED
    assert (conversation.waiting_since, conversation.unread_count) == (None, 0)
    act(alice, conversation, "close")
    act(alice, conversation, "reopen")
    assert present(conversation.current_ticket).status == Ticket.Status.OPEN
    assert conversation.waiting_since is not None
    assert len(events(conversation)) == 2


def test_blocking_and_unblocking(alice: Client, conversation: Conversation, desk: world.Desk) -> None:
    act(alice, conversation, "block")
    assert conversation.contact.blocked_by == desk.alice
    act(alice, conversation, "unblock")
    assert not conversation.contact.is_blocked
    assert events(conversation) == ["Alice blocked this customer", "Alice unblocked this customer"]


@pytest.mark.parametrize("action", ["take", "assign", "transfer", "block", "unblock"])
def test_a_deleted_channels_conversations_stay_as_they_are(
    alice: Client, conversation: Conversation, desk: world.Desk, action: str
) -> None:
    desk.shop.is_active, desk.shop.deleted_at = False, timezone.now()
    desk.shop.save()
    response = act(alice, conversation, action, 422, to=f"department-{desk.support.pk}", assignee=desk.alice.pk)
    assert "deleted" in html_of(response)
    assert not Message.objects.filter(kind="event").exists()
    assert 'formaction="/inbox' in html_of(alice.get(f"/inbox/{conversation.pk}/"))


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL notifies and keeps no rows")
def test_open_pages_are_notified_of_each_action(alice: Client, conversation: Conversation) -> None:
    for action in ("take", "close", "reopen", "block", "unblock"):
        LiveEvent.objects.all().delete()
        act(alice, conversation, action)
        assert LiveEvent.objects.filter(payload__conversation=conversation.pk).exists(), action


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL notifies and keeps no rows")
@pytest.mark.parametrize(
    ("before", "action"), [("assigned", "take"), ("assigned", "transfer"), ("in Support", "transfer")]
)
def test_who_loses_a_conversation_is_notified_and_no_longer_sees_it(
    alice: Client, conversation: Conversation, desk: world.Desk, before: str, action: str
) -> None:
    if before == "assigned":
        conversation.assignee = desk.charlie
    else:
        conversation.department, conversation.transferred_at = desk.support, timezone.now()
        desk.charlie.agent.departments.set([desk.support])
    conversation.save()
    LiveEvent.objects.all().delete()
    act(alice, conversation, action, to=f"department-{(desk.sales if before == 'in Support' else desk.support).pk}")
    facts = access.facts_for(desk.charlie)
    assert any(access.visible(facts, event.payload) for event in LiveEvent.objects.all())
    assert not access.conversations_for(desk.charlie, facts).filter(pk=conversation.pk).exists()


def test_an_unknown_action_is_not_found(alice: Client, conversation: Conversation) -> None:
    act(alice, conversation, "explode", 404)


def test_an_agent_sets_presence_and_how_to_send(alice: Client, desk: world.Desk) -> None:
    alice.post("/inbox/me/", {"presence": "away", "sends_with_enter": "no"}, headers=HX)
    desk.alice.agent.refresh_from_db()
    assert (desk.alice.agent.presence, desk.alice.agent.sends_with_enter) == ("away", False)
    alice.post("/inbox/me/", {"presence": "on the moon"}, headers=HX)
    desk.alice.agent.refresh_from_db()
    assert desk.alice.agent.presence == "away"
    assert "data-ctrl-enter" in html_of(alice.get("/inbox/"))


@pytest.mark.parametrize(
    ("following", "shown"),
    [
        ("/contacts/?q=maria", "/contacts/?q=maria"),
        ("", "/inbox/"),
        ("//elsewhere.example.com/", "/inbox/"),
        ("https://elsewhere.example.com/", "/inbox/"),
        ("javascript:alert(1)", "/inbox/"),
    ],
)
def test_without_scripts_the_page_is_shown_again_on_which_presence_was_set(
    alice: Client, desk: world.Desk, following: str, shown: str
) -> None:
    answer = alice.post("/inbox/me/", {"presence": "away", "next": following})
    assert (answer.status_code, answer["Location"]) == (302, shown)
    desk.alice.agent.refresh_from_db()
    assert desk.alice.agent.presence == "away"


def test_presence_is_set_for_the_page_that_is_seen(alice: Client, conversation: Conversation) -> None:
    for address in ("/inbox/?view=mine", "/tickets/?status=open", "/contacts/?q=maria"):
        assert f'name="next" value="{address}"' in html_of(alice.get(address)), address
    refused = alice.post(f"/inbox/{conversation.pk}/reply/", {"text": " "})
    assert refused.status_code == 422
    assert 'name="next"' not in html_of(refused), "nobody can open the address of a POST"


def test_every_page_with_a_button_to_log_out_deletes_what_the_browser_keeps(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    addresses = [
        "/inbox/",
        f"/inbox/{conversation.pk}/",
        "/tickets/",
        f"/tickets/{present(conversation.current_ticket_id)}/",
        "/contacts/",
        f"/contacts/{conversation.contact_id}/",
        "/accounts/",
    ]
    for address in addresses:
        html = html_of(alice.get(address))
        assert "/logout/" in html, address
        assert "desk/js/logout" in html, address
        assert f'data-user="{desk.alice.pk}"' in html, address
