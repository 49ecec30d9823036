"""Agents change the labels, the priority and the subject of the ticket in the details."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.matching import present
from tests.pages import html_of
from tickets.models import Conversation, Label, Message, Ticket

from . import world

HX = {"HX-Request": "true"}


def act(client: Client, conversation: Conversation, action: str, **fields: Any) -> Any:
    return client.post(f"/inbox/{conversation.pk}/{action}/", fields, headers=HX)


def ticket_of(conversation: Conversation) -> Ticket:
    return Ticket.objects.get(pk=present(conversation.current_ticket_id))


def label(name: str, **fields: Any) -> Label:
    return Label.objects.create(name=name, key=name.casefold(), **fields)


def lines() -> list[str]:
    cards = Message.objects.filter(kind="event").order_by("pk").values_list("card", flat=True)
    return [present(card)["title"] for card in cards]


def test_labels_are_added_and_removed(desk: world.Desk, alice: Client, conversation: Conversation) -> None:
    bug, late = label("Bug", color="pink"), label("Late", department=desk.sales)
    label("Foreign", department=desk.support)
    shown = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert ("Add the label Bug" in shown, "Add the label Late" in shown, "Foreign" in shown) == (True, True, False)
    act(alice, conversation, "add-label", label=[bug.pk, late.pk])
    shown = html_of(act(alice, conversation, "add-label", label=bug.pk))  # a second time: nothing more
    assert "label--pink" in shown
    assert "Remove the label Bug" in shown
    act(alice, conversation, "remove-label", label=late.pk)
    assert list(ticket_of(conversation).labels.all()) == [bug]
    number = conversation.current_ticket_id
    assert lines() == [
        f"Alice labeled ticket #{number}: “Bug”, “Late”",
        f"Alice removed labels of ticket #{number}: “Late”",
    ]


def test_a_label_that_was_deleted_meanwhile_is_refused(alice: Client, conversation: Conversation) -> None:
    gone = label("Gone")
    Label.objects.all().delete()
    answer = act(alice, conversation, "add-label", label=gone.pk)
    assert (answer.status_code, "This label was deleted" in html_of(answer)) == (422, True)
    assert act(alice, conversation, "add-label", label="x").status_code == 422


def test_the_priority_and_the_subject_are_changed(alice: Client, conversation: Conversation) -> None:
    assert 'value="high" aria-pressed="true"' in html_of(act(alice, conversation, "priority", priority="high"))
    act(alice, conversation, "subject", subject="Parcel 17")
    answer = act(alice, conversation, "subject", subject="  ")
    assert (answer.status_code, "The subject is empty." in html_of(answer)) == (422, True)
    assert act(alice, conversation, "priority", priority="x").status_code == 422
    ticket = ticket_of(conversation)
    assert (ticket.priority, ticket.subject, ticket.subject_is_own) == ("high", "Parcel 17", True)
    assert lines() == [
        f"Alice set the priority of ticket #{ticket.pk} to high",
        f"Alice changed the subject of ticket #{ticket.pk} to “Parcel 17”",
    ]


def test_the_ticket_that_the_page_shows_is_changed_although_a_newer_one_was_opened(
    alice: Client, conversation: Conversation
) -> None:
    old = ticket_of(conversation)
    new = Ticket.objects.create(
        conversation=conversation,
        department=conversation.department,
        opened_at=old.opened_at + timedelta(days=1),
        last_message_at=old.opened_at + timedelta(days=1),
    )
    conversation.current_ticket = new
    conversation.save(update_fields=["current_ticket"])
    act(alice, conversation, "priority", priority="low", ticket=old.pk)
    assert list(Ticket.objects.order_by("pk").values_list("priority", flat=True)) == ["low", "normal"]
    other = world.make_conversation(conversation.channel)
    assert act(alice, conversation, "priority", priority="low", ticket=other.current_ticket_id).status_code == 422


def test_the_list_shows_and_filters_labels_and_priorities_with_as_many_queries_for_many(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    made = [label(name) for name in ("one", "two", "three", "four")]
    empty = _queries(alice, "/inbox/list/")
    for _ in range(10):
        other = world.make_conversation(desk.shop, "Other")
        ticket_of(other).labels.add(*made)
    ticket_of(conversation).labels.add(made[0])
    Ticket.objects.filter(conversation=conversation).update(priority="urgent")
    assert _queries(alice, "/inbox/list/") == empty
    shown = html_of(alice.get("/inbox/list/"))
    assert (shown.count(">+1</span>"), shown.count("<bdi>four</bdi>"), shown.count("Urgent</span>")) == (10, 10, 1)
    rows = html_of(alice.get("/inbox/list/", {"label": made[1].pk}))
    assert (rows.count('class="row-item"'), f'id="row-{conversation.pk}"' in rows) == (10, False)
    rows = html_of(alice.get(f"/inbox/list/?label={made[0].pk}&priority=urgent"))
    assert (rows.count('class="row-item"'), f'id="row-{conversation.pk}"' in rows) == (1, True)
    assert f"label={made[0].pk}&amp;priority=urgent" in rows


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return len(captured)


def test_many_tickets_get_a_label_and_a_priority_at_once(desk: world.Desk, alice: Client) -> None:
    bug, sales = label("Bug"), label("Sales", department=desk.sales)
    rows = [world.make_conversation(desk.shop, name) for name in ("Rosa", "Tom")]
    foreign = world.make_conversation(desk.service, "Zoë", assignee=desk.alice)
    ids = [row.pk for row in (*rows, foreign)]

    def do(**fields: Any) -> str:
        return html_of(alice.post("/inbox/bulk/", {"id": ids, **fields}, headers=HX))

    assert "3 conversations: label “Bug” added." in do(do="add-label", label=bug.pk)
    said = do(do="add-label", label=sales.pk)
    assert "2 conversations: label “Sales” added. 1 conversation not changed: This label was deleted, or is not" in said
    assert "3 conversations: label “Bug” removed." in do(do="remove-label", label=bug.pk)
    assert "3 conversations: set to urgent priority." in do(do="priority", priority="urgent")
    assert "Choose a priority" in do(do="priority", priority="x")
    assert [list(ticket_of(row).labels.all()) for row in (*rows, foreign)] == [[sales], [sales], []]
    assert set(Ticket.objects.values_list("priority", flat=True)) == {"urgent"}
    choice = html_of(alice.get("/inbox/bulk/labels/"))
    assert (choice.count("<bdi>Bug</bdi>"), choice.count("<bdi>Sales</bdi>")) == (2, 2)
