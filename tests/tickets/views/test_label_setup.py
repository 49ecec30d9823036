"""Setup → Labels."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from desk.errors import Refused
from desk.models import AuditEntry
from tests.pages import html_of
from tickets.models import Conversation, Label
from tickets.services.inbox import labels, ticket_facts

from . import world

LABELS = "/admin/labels/"


@pytest.fixture
def setup(desk: world.Desk) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": "root", "password": "desk-demo"})
    return client


def label(name: str, **fields: Any) -> Label:
    return Label.objects.create(name=name, key=name.casefold(), **fields)


def test_labels_are_added_changed_and_listed_with_their_tickets(
    desk: world.Desk, setup: Client, conversation: Conversation
) -> None:
    assert "No label yet" in html_of(setup.get(LABELS))
    fields = {"name": "Bug", "color": "pink", "description": "Something is broken", "department": ""}
    assert setup.post(f"{LABELS}add/", fields).status_code == 302
    bug = Label.objects.get()
    world.Ticket.objects.get(conversation=conversation).labels.add(bug)
    twice = setup.post(f"{LABELS}add/", {**fields, "name": "bUG", "description": "Kept"})
    assert twice.status_code == 422
    assert "There is a label “bUG” already." in html_of(twice)
    assert 'value="Kept"' in html_of(twice)
    setup.post(f"{LABELS}{bug.pk}/", {**fields, "name": "Defect", "department": desk.sales.pk})
    shown = html_of(setup.get(LABELS))
    assert ("Defect" in shown, "Something is broken" in shown, ">1</td>" in shown) == (True, True, True)
    assert "Nothing matches" in html_of(setup.get(LABELS, {"q": "nothing of it"}))
    assert "1 ticket has this label." in html_of(setup.get(f"{LABELS}{bug.pk}/"))


def test_merging_and_deleting_say_how_many_tickets_they_touch(
    desk: world.Desk, setup: Client, conversation: Conversation
) -> None:
    bug, defect, foreign = label("Bug"), label("Defect"), label("Foreign", department=desk.support)
    ticket = world.Ticket.objects.get(conversation=conversation)
    ticket.labels.add(bug)
    asked = html_of(setup.get(f"{LABELS}{bug.pk}/merge/"))
    assert ("1 ticket has this label." in asked, "Defect" in asked, "Foreign" in asked) == (True, True, False)
    refused = setup.post(f"{LABELS}{bug.pk}/merge/", {"into": foreign.pk})
    assert (refused.status_code, Label.objects.count()) == (422, 3)
    assert setup.post(f"{LABELS}{bug.pk}/merge/", {"into": defect.pk}).status_code == 302
    assert list(ticket.labels.all()) == [defect]
    assert "1 ticket has this label." in html_of(setup.get(f"{LABELS}{defect.pk}/delete/"))
    setup.post(f"{LABELS}{defect.pk}/delete/")
    assert list(ticket.labels.all()) == []
    entries = AuditEntry.objects.filter(content_type__model="label").order_by("pk")
    assert list(entries.values_list("sentence", flat=True)) == [
        "Merged into “Defect”.",
        "“Bug” was merged into it.",
        "Deleted; it was on 1 ticket.",
    ]


def test_agents_do_not_manage_labels(alice: Client) -> None:
    bug = label("Bug")
    for address in (LABELS, f"{LABELS}add/", f"{LABELS}{bug.pk}/delete/", f"{LABELS}{bug.pk}/merge/"):
        assert alice.post(address).status_code in (302, 403), address
    assert Label.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_label_is_not_added_while_it_is_merged(desk: world.Desk, conversation: Conversation) -> None:
    bug, defect = label("Bug"), label("Defect")
    refusals: list[str] = []

    def add() -> None:
        try:
            ticket_facts.change(desk.alice, conversation, ticket_facts.Changes(add=[bug.pk]))
        except Refused as refused:
            refusals.append(str(refused))
        finally:
            connection.close()

    thread = threading.Thread(target=add)
    with transaction.atomic():
        labels.merge(desk.root, bug, defect)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()  # it waits for the lock
    thread.join(10)
    assert refusals == [ticket_facts.NOT_OFFERED]
    assert labels.ticket_count(defect) == 0
