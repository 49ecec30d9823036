"""The list of tickets, the page of one, and splitting and merging in the thread."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from desk.models import AuditEntry, User
from tests.factories import NOON, answer, make_conversation, receive
from tests.http import streamed
from tests.matching import present
from tests.pages import html_of
from tickets.models import Conversation, Label, Ticket, TicketChange
from tickets.services.inbox import actions, ticket_changes, ticket_links, ticket_list

from . import world

PART = {"HX-Request": "true"}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def rosa(desk: world.Desk) -> Conversation:
    """A conversation with three messages in one ticket."""
    made = make_conversation(desk.shop, name="Rosa Diaz")
    receive(made, "My parcel is late", NOON)
    answer(made, "Sorry", NOON + MINUTE, author=desk.alice)
    receive(made, "And the invoice?", NOON + 2 * MINUTE)
    return made


@pytest.fixture
def foreign(desk: world.Desk) -> Conversation:
    made = make_conversation(desk.service, name="Foreign")
    receive(made, "Secret words", NOON)
    return made


def numbers(client: Client, query: str = "") -> list[int]:
    """Return the numbers of the listed tickets."""
    answer = client.get(f"/tickets/?{query}")
    assert answer.status_code == 200
    return [ticket.pk for ticket in answer.context["tickets"]]


def ticket_of(conversation: Conversation) -> Ticket:
    conversation.refresh_from_db()
    return Ticket.objects.get(pk=present(conversation.current_ticket_id))


# --- The list ---------------------------------------------------------------------------------------------------------
def test_the_list_shows_what_one_may_see(
    desk: world.Desk, alice: Client, rosa: Conversation, foreign: Conversation, as_user: Callable[[User], Client]
) -> None:
    mine, other = ticket_of(rosa).pk, ticket_of(foreign).pk
    assert numbers(alice) == [mine]
    assert set(numbers(as_user(desk.root))) == {mine, other}
    assert numbers(as_user(desk.charlie)) == []
    shown = html_of(alice.get("/tickets/"))
    assert ("My parcel is late" in shown, "Rosa Diaz" in shown, "Shop Page" in shown) == (True, True, True)
    assert Client().get("/tickets/").status_code == 302
    assert alice.get(f"/tickets/{other}/").status_code == 404
    assert alice.get("/tickets/99999999999999999999/").status_code == 404
    assert alice.post(f"/tickets/{other}/close/").status_code == 404
    assert alice.post(f"/inbox/{foreign.pk}/tickets/split/", {"message": 1}).status_code == 404


def test_filters_search_and_orders(desk: world.Desk, alice: Client, rosa: Conversation) -> None:
    first = ticket_of(rosa)
    other = make_conversation(desk.shop, name="Ólafur Jónsson")
    receive(other, "A question", NOON + 5 * MINUTE)
    second = ticket_of(other)
    label = Label.objects.create(name="Late", key="late")
    first.labels.add(label)
    Ticket.objects.filter(pk=first.pk).update(priority="urgent")
    actions.assign(desk.alice, other, desk.alice)
    actions.close(desk.alice, other)
    assert numbers(alice) == [second.pk, first.pk]
    assert numbers(alice, "sort=oldest") == [first.pk, second.pk]
    assert numbers(alice, "sort=closed") == [second.pk]
    only = {
        **dict.fromkeys(["status=open", "priority=urgent", f"label={label.pk}", "assignee=none", "q=PARCEL"], first.pk),
        **dict.fromkeys(["status=closed", "assignee=me", f"assignee={desk.alice.pk}", "q=olafur"], second.pk),
        f"q=%23{first.pk}": first.pk,
        f"q={second.pk}": second.pk,
    }
    for query, number in only.items():
        assert (query, numbers(alice, query)) == (query, [number])
    assert numbers(alice, f"channel={desk.shop.pk}&department={desk.sales.pk}") == [second.pk, first.pk]
    assert numbers(alice, f"channel={desk.service.pk}") == []
    assert numbers(alice, "status=x&sort=y&priority=z&channel=-1&assignee=q&before=nonsense") == [second.pk, first.pk]
    shown = html_of(alice.get("/tickets/?status=open&q=parcel"))
    assert "Remove the filter Open" in shown
    assert 'href="?q=parcel"' in shown


def test_pages_follow_each_other_without_a_gap(
    desk: world.Desk,
    alice: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr(ticket_list, "ROWS_PER_PAGE", 3)
    for _number in range(8):
        receive(make_conversation(desk.shop), at=NOON)  # all at the same time
    found, query = [], ""
    for _page in range(3):
        with django_assert_max_num_queries(16):
            answered = alice.get(f"/tickets/?{query}")
        found += [ticket.pk for ticket in answered.context["tickets"]]
        query = answered.context["following"]
    assert (found, query) == (sorted(Ticket.objects.values_list("pk", flat=True), reverse=True), "")


def test_the_export_has_what_is_listed_and_runs_no_formula(
    desk: world.Desk, alice: Client, rosa: Conversation, foreign: Conversation
) -> None:
    receive(make_conversation(desk.shop, name="=cmd|x"), "+1+1", NOON)
    answered = alice.post("/tickets/export/", {"status": "open", "sort": "oldest"})
    lines = streamed(answered).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("number,subject,customer,page,channel")
    assert lines[1].startswith(f"{ticket_of(rosa).pk},My parcel is late,Rosa Diaz,Shop Page,Shop,")
    assert lines[1].endswith(",2026-11-20T12:00:00+00:00,,2026-11-20T12:02:00+00:00,3")
    assert "'+1+1,'=cmd|x" in lines[2]
    assert len(lines) == 3
    assert AuditEntry.objects.filter(action="exported", actor=desk.alice, sentence__contains="status").exists()
    assert alice.get("/tickets/export/").status_code == 405


def test_the_export_is_bounded(
    desk: world.Desk, alice: Client, rosa: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(make_conversation(desk.shop))
    monkeypatch.setattr(ticket_list, "MOST_EXPORTED", 1)
    lines = streamed(alice.post("/tickets/export/")).decode().splitlines()
    assert (len(lines), lines[-1]) == (3, "Only the first 1 tickets are in this file.")


# --- One ticket -------------------------------------------------------------------------------------------------------
def test_the_page_shows_the_messages_of_the_ticket_and_acts_on_it(
    desk: world.Desk, alice: Client, rosa: Conversation
) -> None:
    old = ticket_of(rosa)
    receive(rosa, "Days later", NOON + timedelta(days=2))
    new = ticket_of(rosa)
    shown = html_of(alice.get(f"/tickets/{old.pk}/"))
    assert ("And the invoice?</div>" in shown, "Days later</div>" in shown) == (True, False)
    assert f"/inbox/{rosa.pk}/?ticket={old.pk}" in shown
    assert f'href="/tickets/{new.pk}/"' in shown  # later of the same customer
    assert f"/tickets/{old.pk}/close/" in shown
    label = Label.objects.create(name="Late", key="late")
    for action, fields in {
        "facts": {"priority": "high", "subject": "The parcel"},
        "add-label": {"label": label.pk},
    }.items():
        assert alice.post(f"/tickets/{old.pk}/{action}/", fields).status_code == 302
    old.refresh_from_db()
    assert (old.priority, old.subject, list(old.labels.all())) == ("high", "The parcel", [label])
    closed = html_of(alice.post(f"/tickets/{old.pk}/close/", follow=True))
    assert (f"/tickets/{old.pk}/reopen/" in closed, f"/tickets/{old.pk}/close/" in closed) == (True, False)
    assert (Ticket.objects.get(pk=old.pk).status, ticket_of(rosa).status) == ("closed", "open")
    alice.post(f"/tickets/{old.pk}/reopen/")
    assert Ticket.objects.get(pk=old.pk).status == "open"
    alice.post(f"/tickets/{new.pk}/close/")
    assert ticket_of(rosa).status == "closed"
    alice.post(f"/tickets/{new.pk}/reopen/")
    assert ticket_of(rosa).status == "open"
    assert alice.post(f"/tickets/{new.pk}/nonsense/").status_code == 404


def test_long_tickets_have_pages(desk: world.Desk, alice: Client, rosa: Conversation) -> None:
    for number in range(45):
        receive(rosa, f"Word {number}", NOON + (3 + number) * MINUTE)
    newest = alice.get(f"/tickets/{ticket_of(rosa).pk}/")
    assert "My parcel is late</div>" not in html_of(newest)
    older = newest.context["page"].older
    assert "My parcel is late</div>" in html_of(alice.get(f"/tickets/{ticket_of(rosa).pk}/", {"before": older}))


def test_a_merged_number_leads_to_the_ticket_with_its_messages(
    desk: world.Desk, alice: Client, rosa: Conversation, as_user: Callable[[User], Client]
) -> None:
    old = ticket_of(rosa)
    receive(rosa, "Days later", NOON + timedelta(days=2))
    new = ticket_of(rosa)
    assert alice.post(f"/tickets/{new.pk}/merge/")["Location"] == f"/tickets/{old.pk}/"
    followed = html_of(alice.get(f"/tickets/{new.pk}/", follow=True))
    assert f"Ticket #{new.pk} is part of ticket #{old.pk} now." in followed
    assert as_user(desk.bob).get(f"/tickets/{new.pk}/").status_code == 404
    change = TicketChange.objects.get()
    alice.post(f"/tickets/{old.pk}/undo/", {"change": change.pk})
    assert "Days later" in html_of(alice.get(f"/tickets/{new.pk}/"))


def test_related_tickets_are_linked_by_number_and_unseen_ones_stay_hidden(
    desk: world.Desk, alice: Client, rosa: Conversation, foreign: Conversation
) -> None:
    other = make_conversation(desk.shop)
    receive(other, "Same trouble")
    ticket, second, unseen = ticket_of(rosa), ticket_of(other), ticket_of(foreign)
    alice.post(f"/tickets/{ticket.pk}/link/", {"number": f"#{second.pk}"})
    assert f"Remove the relation to #{ticket.pk}" in html_of(alice.get(f"/tickets/{second.pk}/"))
    refused = html_of(alice.post(f"/tickets/{ticket.pk}/link/", {"number": unseen.pk}, follow=True))
    assert "There is no ticket with this number" in refused
    ticket_links.link(desk.root, unseen, ticket.pk)
    assert "Secret words" not in html_of(alice.get(f"/tickets/{ticket.pk}/"))
    alice.post(f"/tickets/{ticket.pk}/unlink/", {"number": second.pk})
    assert set(ticket_links.linked_to(ticket.pk)) == {unseen}


def test_numbers_in_notes_and_in_the_search_lead_to_the_ticket(
    desk: world.Desk, alice: Client, rosa: Conversation
) -> None:
    number = ticket_of(rosa).pk
    actions.add_note(desk.alice, rosa, f"See #{number}, not &#39; <b>#{number}</b> https://example.org/#{number} a#5")
    shown = html_of(alice.get(f"/inbox/{rosa.pk}/"))
    link = f'<a href="/tickets/{number}/">#{number}</a>'
    assert f"See {link}, not &amp;#39; &lt;b&gt;{link}&lt;/b&gt;" in shown
    assert f">https://example.org/#{number}</a> a#5" in shown
    assert f'href="/tickets/{number}/"' in html_of(alice.get("/inbox/list/", {"q": f"#{number}"}))


def test_an_erased_customer_has_a_page_with_nothing_to_change(
    desk: world.Desk, alice: Client, rosa: Conversation
) -> None:
    from tickets.services.privacy import erasure

    erasure.erase(desk.root, rosa.contact)
    shown = html_of(alice.get(f"/tickets/{ticket_of(rosa).pk}/"))
    assert ("My parcel" in shown, "/facts/" in shown, "/merge/" in shown) == (False, False, False)


# --- In the thread ----------------------------------------------------------------------------------------------------
def split(client: Client, conversation: Conversation, text: str, **fields: Any) -> Any:
    message = conversation.messages.get(text=text)
    address = f"/inbox/{conversation.pk}/tickets/split/"
    return client.post(address, {"message": message.pk, **fields}, headers=PART)


def test_a_message_starts_a_new_ticket_and_a_bar_undoes_it(alice: Client, rosa: Conversation) -> None:
    old = ticket_of(rosa)
    assert html_of(alice.get(f"/inbox/{rosa.pk}/")).count("Start a new ticket here</") == 0
    shown = html_of(split(alice, rosa, "And the invoice?"))
    new = ticket_of(rosa)
    change = TicketChange.objects.get()
    assert new.pk != old.pk
    assert f'id="ticket-{new.pk}"' in shown
    assert f"Ticket #{new.pk} begins here now." in shown
    undo = f'formaction="/inbox/{rosa.pk}/tickets/undo/"'
    assert shown.count(undo) == 2  # the bar and the line in the thread
    undone = alice.post(f"/inbox/{rosa.pk}/tickets/undo/", {"change": change.pk}, headers=PART)
    assert undo not in html_of(undone)
    assert ticket_of(rosa).pk == old.pk
    again = alice.post(f"/inbox/{rosa.pk}/tickets/undo/", {"change": change.pk}, headers=PART)
    assert (again.status_code, "This was undone already." in html_of(again)) == (422, True)


def test_a_divider_merges_with_the_ticket_before(alice: Client, rosa: Conversation) -> None:
    old = ticket_of(rosa)
    split(alice, rosa, "And the invoice?")
    new = ticket_of(rosa)
    assert f'name="merged" value="{new.pk}"' in html_of(alice.get(f"/inbox/{rosa.pk}/"))
    shown = html_of(alice.post(f"/inbox/{rosa.pk}/tickets/merge/", {"merged": new.pk}, headers=PART))
    assert f"Ticket #{new.pk} is part of ticket #{old.pk} now." in shown
    assert f'id="ticket-{new.pk}"' not in shown
    late = alice.post(f"/inbox/{rosa.pk}/tickets/merge/", {"merged": new.pk}, headers=PART)
    assert (late.status_code, "merged into another one meanwhile" in html_of(late)) == (422, True)
    for value in ("", "x", "9" * 30):
        assert alice.post(f"/inbox/{rosa.pk}/tickets/split/", {"message": value}, headers=PART).status_code == 422
    assert alice.get(f"/inbox/{rosa.pk}/tickets/split/").status_code == 405


def test_only_messages_that_may_begin_a_ticket_offer_it(desk: world.Desk, alice: Client, rosa: Conversation) -> None:
    offered = html_of(alice.get(f"/inbox/{rosa.pk}/"))
    first, *others = rosa.messages.order_by("sent_at")
    assert f'name="message" value="{first.pk}"' not in offered
    assert all(f'name="message" value="{each.pk}"' in offered for each in others)
    change = ticket_changes.split(desk.alice, rosa, others[1].pk)
    assert f'name="change" value="{change.pk}"' in html_of(alice.get(f"/inbox/{rosa.pk}/"))
