"""Macros in Setup, in one's account and in the inbox: the form without scripts, rights, running and undoing."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from desk.models import AuditEntry, User
from tests.matching import present, search
from tests.pages import html_of
from tickets.models import Conversation, Label, Macro, MacroRun, Message, Ticket
from tickets.services.inbox import macro_undo, ticket_facts

from . import world
from .test_list import HX

MACROS = "/admin/macros/"
OWN = "/accounts/macros/"


@pytest.fixture
def setup(desk: world.Desk) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": "root", "password": "desk-demo"})
    return client


@pytest.fixture
def refund(db: None) -> Label:
    return Label.objects.create(name="Refund", key="refund")


def macro(name: str = "Refund", *stored: dict[str, Any], **fields: Any) -> Macro:
    acts = list(stored) or [{"do": "reply", "text": "Dear {{first_name}}"}, {"do": "close"}]
    return Macro.objects.create(name=name, key=name.casefold(), actions=acts, **fields)


def rows_in(html: str) -> list[str]:
    return re.findall(r'name="do-\d+" value="(\w+)"', html)


def run(client: Client, conversation: Conversation, one: Macro, **fields: Any) -> Any:
    return client.post(f"/inbox/{conversation.pk}/macros/{one.pk}/run/", fields, headers=HX)


def test_the_form_works_without_scripts(setup: Client, desk: world.Desk, refund: Label) -> None:
    typed: dict[str, Any] = {"name": "Refund", "department": desk.sales.pk}
    page = html_of(setup.post(f"{MACROS}add/", {**typed, "add": "yes", "new": "close"}))
    assert (rows_in(page), 'value="Refund"' in page) == (["close"], True)
    typed |= {"row": ["0"], "do-0": "close"}
    page = html_of(setup.post(f"{MACROS}add/", {**typed, "add": "yes", "new": "reply"}))
    assert rows_in(page) == ["close", "reply"]
    typed |= {"row": ["0", "1"], "do-1": "reply", "text-1": "Dear {{first_name}}"}

    refused = setup.post(f"{MACROS}add/", typed)
    assert (refused.status_code, Macro.objects.count()) == (422, 0)
    page = html_of(refused)
    assert "Put the reply before “Close”." in page
    assert "Dear {{first_name}}" in page
    assert rows_in(html_of(setup.post(f"{MACROS}add/", {**typed, "order": "yes"}))) == ["reply", "close"]
    assert rows_in(html_of(setup.post(f"{MACROS}add/", {**typed, "up": "1"}))) == ["reply", "close"]
    assert rows_in(html_of(setup.post(f"{MACROS}add/", {**typed, "remove": "0"}))) == ["reply"]
    assert Macro.objects.count() == 0

    typed |= {"row": ["1", "2", "0"], "do-2": "add_labels", "labels-2": [refund.pk]}
    assert setup.post(f"{MACROS}add/", typed).status_code == 302
    made = Macro.objects.get()
    assert (made.name, made.department, made.owner) == ("Refund", desk.sales, None)
    assert made.actions == [
        {"do": "reply", "text": "Dear {{first_name}}"},
        {"do": "add_labels", "labels": [refund.pk]},
        {"do": "close"},
    ]
    page = html_of(setup.get(f"{MACROS}{made.pk}/"))
    assert rows_in(page) == ["reply", "add_labels", "close"]
    assert setup.post(f"{MACROS}{made.pk}/copy/").status_code == 302
    assert list(Macro.objects.values_list("name", flat=True)) == ["Refund", "Refund (2)"]
    assert "2 macros name it" in html_of(setup.get(f"/admin/labels/{refund.pk}/delete/"))
    refund.delete()
    assert html_of(setup.get(MACROS)).count("Has to be mended") == 2
    assert "The label “Refund” was deleted." in html_of(setup.get(f"{MACROS}{made.pk}/"))
    assert setup.post(f"{MACROS}{made.pk}/delete/").status_code == 302
    assert list(AuditEntry.objects.filter(content_type__model="macro").values_list("sentence", flat=True)) == [
        "Deleted.",
        "Added.",
        "Added.",
    ]


def test_who_manages_shared_macros_and_who_only_their_own(desk: world.Desk, alice: Client, setup: Client) -> None:
    shared = macro()
    for address in (MACROS, f"{MACROS}add/", f"{MACROS}{shared.pk}/", f"{MACROS}{shared.pk}/delete/"):
        assert alice.get(address).status_code in (302, 403), address
    assert alice.post(f"{MACROS}{shared.pk}/copy/").status_code in (302, 403)
    fields = {"name": "Mine", "row": ["0"], "do-0": "close"}
    assert alice.post(f"{OWN}add/", fields).status_code == 302
    mine = Macro.objects.get(owner=desk.alice)
    assert alice.post(f"{OWN}{shared.pk}/copy/").status_code == 302
    assert Macro.objects.filter(owner=desk.alice, name="Refund").exists()
    page = html_of(alice.get(OWN))
    assert page.count("<b>Refund</b>") == 2
    assert "Nothing matches" in html_of(alice.get(OWN, {"q": "nothing of it"}))

    bob = Client()
    bob.force_login(desk.bob)
    for client in (bob, setup):
        for address in (f"{OWN}{mine.pk}/", f"{OWN}{mine.pk}/delete/", f"{MACROS}{mine.pk}/"):
            assert client.post(address, fields).status_code in (403, 404), address
        assert client.post(f"{OWN}{mine.pk}/copy/").status_code == 404
    assert Macro.objects.filter(owner=desk.alice).count() == 2
    assert alice.post(f"{OWN}{mine.pk}/delete/").status_code == 302
    assert "Mine" not in "".join(AuditEntry.objects.values_list("object_name", flat=True))

    desk.bob.user_permissions.set(Permission.objects.filter(codename="view_macro"))
    User.objects.filter(pk=desk.bob.pk).update(is_staff=True)
    assert bob.get(f"{MACROS}{shared.pk}/").status_code == 200
    assert bob.post(f"{MACROS}{shared.pk}/", {"name": "Stolen", "row": ["0"], "do-0": "close"}).status_code == 200
    assert not Macro.objects.filter(name="Stolen").exists()


def test_an_agent_looks_runs_and_undoes(alice: Client, conversation: Conversation) -> None:
    one = macro()
    assert ">Refund<" in html_of(alice.get(f"/inbox/{conversation.pk}/macros/", headers=HX))
    asked = html_of(alice.get(f"/inbox/{conversation.pk}/macros/{one.pk}/", headers=HX))
    assert ("Dear Rosa" in asked, "Close the ticket" in asked) == (True, True)
    assert not Message.objects.filter(direction="out").exists()
    fields = {name: search(rf'name="{name}" value="(\w+)"', asked)[1] for name in ("client_key", "seen", "shown")}
    for _twice in range(2):
        done = run(alice, conversation, one, text="Dear Rosa, it is on its way", **fields)
        assert done.status_code == 200, html_of(done)
    page = html_of(done)
    assert "Macro “Refund” applied: reply written, closed" in page
    assert 'data-part="thread-head"' in page
    assert Message.objects.get(kind="message", direction="out").text == "Dear Rosa, it is on its way"
    undo = search(r'formaction="([^"]+/undo/)"', page)[1]
    assert "Macro “Refund” undone: reopened, the reply was withdrawn" in html_of(alice.post(undo, headers=HX))
    assert "This can no longer be undone." in html_of(alice.post(undo, headers=HX))
    assert Ticket.objects.get().status == "open"
    assert not Message.objects.filter(kind="message", direction="out").exists()


def test_it_works_without_scripts_too(alice: Client, conversation: Conversation) -> None:
    one = macro("Done", {"do": "close"})
    address = f"/inbox/{conversation.pk}/macros/{one.pk}/"
    assert f'href="{address}"' in html_of(alice.get(f"/inbox/{conversation.pk}/macros/"))
    assert 'method="post"' in html_of(alice.get(address))
    ran = alice.post(f"{address}run/")
    assert ran.status_code == 302
    page = html_of(alice.get(ran["Location"]))
    undo = search(r'formaction="([^"]+/undo/)"', page)[1]
    assert alice.post(undo).status_code == 302
    assert Ticket.objects.get().status == "open"


def test_what_is_refused_is_shown_before_and_nothing_is_done(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    one = macro("Give", {"do": "priority", "value": "high"}, {"do": "assign", "to": "agent", "id": desk.charlie.pk})
    asked = html_of(alice.get(f"/inbox/{conversation.pk}/macros/{one.pk}/", headers=HX))
    assert "Charlie is an agent neither of this channel nor of this department." in asked
    assert "Run macro" not in asked
    refused = run(alice, conversation, one)
    assert refused.status_code == 422
    assert "Nothing is done" in html_of(refused)
    assert Ticket.objects.get().priority == "normal"
    long = run(alice, conversation, macro(), text="x" * 1601)
    assert (long.status_code, "1,601" in html_of(long)) == (422, True)
    assert not MacroRun.objects.exists()


def test_strangers_and_other_departments_cannot_run_it(
    desk: world.Desk, conversation: Conversation, alice: Client, as_user: Callable[[User], Client]
) -> None:
    of_support, of_bob = macro("Support", department=desk.support), macro("Bob's", owner=desk.bob)
    for one in (of_support, of_bob):
        assert run(alice, conversation, one).status_code == 404
    assert "Support" not in html_of(alice.get(f"/inbox/{conversation.pk}/macros/", headers=HX))
    bob = as_user(desk.bob)
    assert run(bob, conversation, macro()).status_code == 404
    assert bob.get(f"/inbox/{conversation.pk}/macros/", headers=HX).status_code == 404
    assert run(Client(), conversation, of_bob).status_code == 401
    assert alice.get(f"/inbox/{conversation.pk}/macros/runs/1/undo/").status_code == 405
    assert Ticket.objects.get().status == "open"


def test_on_many_conversations_each_by_its_own_rules(alice: Client, desk: world.Desk) -> None:
    rosa, tom, foreign = (
        world.make_conversation(channel, name)
        for channel, name in ((desk.shop, "Rosa Diaz"), (desk.shop, "Tom Orr"), (desk.service, "Zoë"))
    )
    world.say(rosa, "Hello")
    for one in (rosa, tom):
        Conversation.objects.filter(pk=one.pk).update(last_customer_message_at=world.NOON)
    closes = macro("Done", {"do": "priority", "value": "high"}, {"do": "close"})
    assert 'data-do="macro"' in html_of(alice.get("/inbox/bulk/macros/"))
    fields = {"do": "macro", "macro": closes.pk, "id": [rosa.pk, tom.pk, foreign.pk], "client_key": "k"}
    for _twice in range(2):
        said = html_of(alice.post("/inbox/bulk/", fields, headers=HX))
        assert (
            "2 conversations: changed by the macro “Done”. 1 conversation not changed: you can no longer see it."
            in said
        )
    assert MacroRun.objects.count() == 2
    writes = macro()
    said = html_of(alice.post("/inbox/bulk/", {**fields, "macro": writes.pk, "client_key": "l"}, headers=HX))
    assert "3 conversations not changed: " in said
    assert search(r"Not possible: Reply\. ([^;<]+)", said)[1]
    assert list(Ticket.objects.order_by("pk").values_list("status", flat=True)) == ["closed", "closed", "open"]
    assert not Message.objects.filter(kind="message", direction="out").exists()
    assert present(Macro.objects.get(pk=closes.pk)).use_count == 2


def undo_together(client: Client, key: str) -> Any:
    return client.post("/inbox/bulk/macros/undo/", {"client_key": key}, headers=HX)


@pytest.fixture
def three(desk: world.Desk) -> list[Conversation]:
    """Conversations of three customers who wrote just now."""
    now = timezone.now()
    names = ("Rosa Diaz", "Tom Orr", "Zoë Ode")
    made = [world.make_conversation(desk.shop, name, at=now, message_count=1) for name in names]
    for one in made:
        world.say(one, "Hello", at=now)
    return made


def run_together(client: Client, rows: list[Conversation], one: Macro, key: str = "k") -> str:
    fields = {"do": "macro", "macro": one.pk, "id": [row.pk for row in rows], "client_key": key}
    return html_of(client.post("/inbox/bulk/", fields, headers=HX))


def test_one_undo_for_a_run_on_many_conversations(
    alice: Client, desk: world.Desk, three: list[Conversation], as_user: Callable[[User], Client]
) -> None:
    closes = macro("Done", {"do": "priority", "value": "high"}, {"do": "close"})
    offered = run_together(alice, three, closes)
    assert search(r'data-bulk-undo="(\w+)"', offered)[1] == "k"
    assert 'data-address="/inbox/bulk/macros/undo/"' in offered

    for stranger in (as_user(desk.bob), as_user(desk.charlie)):
        refused = undo_together(stranger, "k")
        assert (refused.status_code, "can no longer be undone" in html_of(refused)) == (422, True)
    assert undo_together(alice, "other").status_code == undo_together(alice, "").status_code == 422
    assert undo_together(Client(), "k").status_code == 401
    assert not Ticket.objects.filter(status="open").exists()

    said = html_of(undo_together(alice, "k"))
    assert "Macro “Done” undone in 3 conversations.</p>" in said
    assert all(f'id="row-{row.pk}"' in said for row in three)
    assert set(Ticket.objects.values_list("status", "priority")) == {("open", "normal")}
    assert undo_together(alice, "k").status_code == 422
    assert "data-bulk-undo" not in run_together(alice, three, macro("Wrong", {"do": "snooze", "value": "x"}), "l")


def test_one_undo_says_how_many_stay_and_why(alice: Client, desk: world.Desk, three: list[Conversation]) -> None:
    rosa, tom, zoe = three
    writes = macro("Bye", {"do": "reply", "text": "Bye"}, {"do": "priority", "value": "high"})
    assert "3 conversations: changed by the macro" in run_together(alice, three, writes)
    Message.objects.filter(conversation=rosa, direction="out", kind="message").update(state="sent")
    ticket_facts.change(desk.bob, tom, ticket_facts.Changes(priority="urgent"))
    Conversation.objects.filter(pk=zoe.pk).update(channel=desk.service, department=desk.support)
    said = search(r'id="fresh-sentence">(.*?)</p>', html_of(undo_together(alice, "k")))[1]
    assert said == (
        "Macro “Bye” undone in 2 of 3 conversations. In 2 of them only in part. Not undone: the reply was already sent"
        " (1); changed meanwhile: the priority (1); You can no longer see this conversation (1)."
    )
    facts = Ticket.objects.order_by("conversation").values_list("conversation", "priority")
    assert dict(facts) == {rosa.pk: "normal", tom.pk: "urgent", zoe.pk: "high"}
    states = Message.objects.filter(direction="out", kind="message").order_by("pk")
    assert list(states.values_list("conversation", "state")) == [(rosa.pk, "sent"), (zoe.pk, "queued")]
    MacroRun.objects.update(created_at=timezone.now() - macro_undo.UNDO_FOR)
    assert undo_together(alice, "k").status_code == 422  # of Zoë
