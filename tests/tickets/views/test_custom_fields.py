"""Agents fill in custom fields beside the conversation, and administrators manage the fields in Setup."""

import io
import threading
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from desk import deletion_checks
from desk.errors import Refused
from desk.models import AuditEntry, User
from tests.matching import present
from tests.pages import html_of
from tickets.models import Contact, Conversation, CustomField, FieldValue, Message
from tickets.services.conversation import custom_fields
from tickets.services.inbox import field_filters, field_setup, field_values

from . import world

FIELDS = "/admin/fields/"
HX = {"HX-Request": "true"}


@pytest.fixture
def setup(desk: world.Desk) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": "root", "password": "desk-demo"})
    return client


def field(desk: world.Desk, key: str, kind: str = "text", of: str = "ticket", **values: Any) -> CustomField:
    values = {"name": key.title(), "key": key, "kind": kind, "of": of, **values}
    return field_setup.save(desk.root, None, values)


def save(client: Client, conversation: Conversation, of: str, key: str, value: str) -> Any:
    # As the one form of the page sends them: with the inputs of all other fields.
    fields = {"field": f"{of}-{key}", f"field-{key}": value, "field-other": "not meant"}
    fields["ticket"] = str(conversation.current_ticket_id)
    return client.post(f"/inbox/{conversation.pk}/field/", fields, headers=HX)


def lines() -> list[str]:
    return [present(row.card)["title"] for row in Message.objects.filter(kind="event").order_by("pk")]


# --- the details ------------------------------------------------------------------------------------------------------
def test_each_field_is_saved_by_itself(desk: world.Desk, alice: Client, conversation: Conversation) -> None:
    plan = field(desk, "plan", "choice", choices=["Gold", "Silver"])
    for key, kind, of in (("due", "date", "ticket"), ("vip", "yes_no", "contact"), ("other", "text", "ticket")):
        field(desk, key, kind, of)
    field(desk, "foreign", department=desk.support)
    shown = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert ("Fields of the customer" in shown, "Foreign" in shown, 'id="field-due"' in shown) == (True, False, True)
    gold = plan.choices[0]["id"]
    assert save(alice, conversation, "ticket", "plan", gold).status_code == 200
    assert "1 Mar 2026" in html_of(save(alice, conversation, "ticket", "due", "2026-03-01"))
    save(alice, conversation, "contact", "vip", "yes")
    save(alice, conversation, "ticket", "plan", "")
    answer = save(alice, conversation, "ticket", "due", "0001-01-01")
    assert (answer.status_code, "takes a day from" in html_of(answer)) == (422, True)
    stored = FieldValue.objects.order_by("pk").values_list("field__key", "text", "contact", "ticket")
    assert list(stored) == [
        ("due", "2026-03-01", None, conversation.current_ticket_id),
        ("vip", "yes", conversation.contact_id, None),
    ]
    number = conversation.current_ticket_id
    assert lines() == [
        f"Alice set “Plan” of ticket #{number} to “Gold”",
        f"Alice set “Due” of ticket #{number} to “2026-03-01”",
        "Alice set “Vip” of the customer to “yes”",
        f"Alice emptied “Plan” of ticket #{number}",
    ]


@pytest.mark.slow
def test_a_choice_that_was_removed_and_a_field_that_was_archived_meanwhile_are_refused(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    plan = field(desk, "plan", "choice", choices=["Gold", "Silver"])
    gold, silver = (choice["id"] for choice in plan.choices)
    field_setup.remove_choice(desk.root, plan, gold)
    answer = save(alice, conversation, "ticket", "plan", gold)
    assert (answer.status_code, "has it no more" in html_of(answer)) == (422, True)
    field_setup.archive(desk.root, plan)
    answer = save(alice, conversation, "ticket", "plan", silver)
    assert (answer.status_code, "was archived meanwhile" in html_of(answer)) == (422, True)
    field_setup.delete(desk.root, plan)
    assert save(alice, conversation, "ticket", "plan", silver).status_code == 422
    assert save(alice, conversation, "contact", "", "x").status_code == 422
    assert FieldValue.objects.count() == 0


def test_a_value_of_a_ticket_that_was_transferred_is_shown_and_can_be_removed(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    field(desk, "shelf", department=desk.sales)
    save(alice, conversation, "ticket", "shelf", "B 12")
    Conversation.objects.filter(pk=conversation.pk).update(department=desk.support)
    shown = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert ("B 12" in shown, "its value can only be removed" in shown) == (True, True)
    assert save(alice, conversation, "ticket", "shelf", "C 1").status_code == 422
    assert "Shelf" not in html_of(save(alice, conversation, "ticket", "shelf", "")).split('data-part="details"')[1]


def test_definitions_and_values_are_read_with_one_query(desk: world.Desk, conversation: Conversation) -> None:
    for number in range(6):
        field(desk, f"c{number}", of="contact")
        field(desk, f"t{number}")
    field_values.change_contact(desk.alice, conversation.contact, {f"c{number}": "x" for number in range(6)})
    field_values.change_ticket(desk.alice, conversation, {f"t{number}": "y" for number in range(6)})
    conversation.refresh_from_db()
    with CaptureQueriesContext(connection) as captured:
        shown = custom_fields.of_conversation(conversation)
        words = [one.words for rows in shown.values() for one in rows]
    assert len(captured) == 1
    assert words == ["x"] * 6 + ["y"] * 6


def test_strangers_write_nothing(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    field(desk, "other")
    conversation = world.make_conversation(desk.shop)
    assert save(as_user(desk.bob), conversation, "ticket", "other", "x").status_code == 404
    assert FieldValue.objects.count() == 0


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_agents_who_save_two_fields_at_once_lose_neither(desk: world.Desk, conversation: Conversation) -> None:
    field(desk, "one", of="contact")
    field(desk, "two", of="contact")

    def other() -> None:
        field_values.change_contact(desk.root, Contact.objects.get(pk=conversation.contact_id), {"two": "2"})
        connection.close()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        field_values.change_contact(desk.alice, conversation.contact, {"one": "1"})
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()  # it waits for the lock
    thread.join(10)
    assert list(FieldValue.objects.order_by("field").values_list("text", flat=True)) == ["1", "2"]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_choice_is_not_chosen_while_it_is_removed(desk: world.Desk, conversation: Conversation) -> None:
    plan = field(desk, "plan", "choice", choices=["Gold", "Silver"])
    refusals: list[str] = []

    def choose() -> None:
        try:
            field_values.change_ticket(desk.alice, conversation, {"plan": "Gold"})
        except Refused as refused:
            refusals.append(str(refused))
        finally:
            connection.close()

    thread = threading.Thread(target=choose)
    with transaction.atomic():
        field_setup.remove_choice(desk.root, plan, plan.choices[0]["id"])
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(10)
    assert ("has it no more" in refusals[0], FieldValue.objects.count()) == (True, 0)


# --- Setup ------------------------------------------------------------------------------------------------------------
def test_fields_are_added_changed_and_listed(desk: world.Desk, setup: Client, conversation: Conversation) -> None:
    assert "No field yet" in html_of(setup.get(FIELDS))
    new = {"name": "Customer no.", "of": "contact", "kind": "number", "minimum": "10", "maximum": "5"}
    answer = setup.post(f"{FIELDS}add/", new)
    assert (answer.status_code, "smaller than the smallest one" in html_of(answer)) == (422, True)
    assert setup.post(f"{FIELDS}add/", {**new, "maximum": "", "department": desk.sales.pk}).status_code == 302
    made = CustomField.objects.get()
    assert (made.key, int(present(made.minimum))) == ("customer_no", 10)
    assert (made.maximum is None, made.department is None) == (True, True)
    twice = setup.post(f"{FIELDS}add/", {**new, "maximum": ""})
    assert (twice.status_code, "key “customer_no” already" in html_of(twice)) == (422, True)
    answer = setup.post(f"{FIELDS}add/", {"name": "名前", "of": "ticket", "kind": "text"})
    assert (answer.status_code, "Write a key for the API" in html_of(answer)) == (422, True)
    answer = setup.post(f"{FIELDS}add/", {"name": "Plan", "of": "ticket", "kind": "choice", "choices": "A\na"})
    assert (answer.status_code, "The choice “a” is there twice." in html_of(answer)) == (422, True)
    changed = {"name": "Number", "minimum": "1", "maximum": "", "description": "As printed"}
    assert setup.post(f"{FIELDS}{made.pk}/", changed).status_code == 302
    field_values.change_contact(desk.alice, conversation.contact, {"customer_no": 12})
    shown = html_of(setup.get(FIELDS))
    assert all(words in shown for words in ("Number", "As printed", "customer_no", ">1</td>"))
    assert "Nothing matches" in html_of(setup.get(FIELDS, {"q": "nothing of it"}))
    assert list(AuditEntry.objects.filter(content_type__model="customfield").values_list("sentence", flat=True)) == [
        "Changed name, description, smallest number.",
        "Added.",
    ]


def test_choices_are_added_renamed_ordered_and_removed(
    desk: world.Desk, setup: Client, conversation: Conversation
) -> None:
    plan = field(desk, "plan", "choice", choices=["Gold", "Silver"])
    gold, silver = (choice["id"] for choice in plan.choices)
    field_values.change_ticket(desk.alice, conversation, {"plan": "Gold"})
    address = f"{FIELDS}{plan.pk}/choices/"
    for fields in (
        {"do": "add", "new": "Bronze"},
        {"do": f"rename-{gold}", f"name-{gold}": "Premium"},
        {"do": f"down-{gold}"},
        {"do": f"rename-{silver}", f"name-{silver}": "bronze"},  # there is one
    ):
        setup.post(address, fields)
    plan.refresh_from_db()
    assert [choice["name"] for choice in plan.choices] == ["Silver", "Premium", "Bronze"]
    assert FieldValue.objects.get().text == gold
    asked = html_of(setup.get(f"{address}{gold}/remove/"))
    assert ("1 ticket has this choice." in asked, "Remove the choice “Premium” of “Plan”?" in asked) == (True, True)
    setup.post(f"{address}{gold}/remove/")
    assert FieldValue.objects.count() == 0
    assert "Somebody has removed this choice meanwhile." in html_of(setup.post(f"{address}{gold}/remove/", follow=True))


def test_a_refused_name_of_a_choice_stays_in_its_input(desk: world.Desk, setup: Client) -> None:
    plan = field(desk, "plan", "choice", choices=["Gold", "Silver"])
    silver = plan.choices[1]["id"]
    for typed in ({"do": f"rename-{silver}", f"name-{silver}": "gOLD"}, {"do": "add", "new": "gOLD"}):
        answer = setup.post(f"{FIELDS}{plan.pk}/choices/", typed)
        page = html_of(answer)
        assert (answer.status_code, 'value="gOLD"' in page, "is there twice" in page) == (422, True, True)


def test_fields_are_ordered_archived_restored_and_deleted(
    desk: world.Desk, setup: Client, alice: Client, conversation: Conversation
) -> None:
    first, second = field(desk, "first"), field(desk, "second")
    setup.post(f"{FIELDS}{second.pk}/move/", {"to": "up"})
    assert list(CustomField.objects.order_by("position").values_list("key", flat=True)) == ["second", "first"]
    field_values.change_ticket(desk.alice, conversation, {"first": "kept"})
    assert "1 ticket has a value in this field." in html_of(setup.get(f"{FIELDS}{first.pk}/archive/"))
    setup.post(f"{FIELDS}{first.pk}/archive/")
    page = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert 'id="field-first"' not in page
    assert "This field is archived" in html_of(setup.get(f"{FIELDS}{first.pk}/"))
    assert "first" in html_of(setup.get(FIELDS, {"state": "archived"}))
    setup.post(f"{FIELDS}{first.pk}/restore/")
    assert 'value="kept"' in html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert "1 ticket has a value in this field." in html_of(setup.get(f"{FIELDS}{first.pk}/delete/"))
    setup.post(f"{FIELDS}{first.pk}/delete/")
    assert (CustomField.objects.count(), FieldValue.objects.count()) == (1, 0)


def test_agents_do_not_manage_fields(desk: world.Desk, alice: Client) -> None:
    made = field(desk, "plan", "choice", choices=["Gold"])
    remove = f"{made.pk}/choices/{made.choices[0]['id']}/remove/"
    paths = ["", "add/", f"{made.pk}/", remove]
    paths += [f"{made.pk}/{action}/" for action in ("move", "archive", "restore", "delete", "choices")]
    for path in paths:
        assert alice.post(f"{FIELDS}{path}").status_code in (302, 403), path
    made.refresh_from_db()
    assert (made.archived_at, len(made.choices)) == (None, 1)


def test_a_department_with_fields_of_its_own_is_kept(desk: world.Desk) -> None:
    empty = world.Department.objects.create(name="Empty")
    field(desk, "shelf", department=empty)
    assert "has fields of its own" in str(deletion_checks.reasons_to_keep(empty))


def test_the_export_of_a_conversation_has_all_values(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    plan = field(desk, "plan", "choice", of="contact", choices=["Gold <b>"])
    field(desk, "paid", "yes_no")
    field_values.change_contact(desk.alice, conversation.contact, {"plan": "Gold <b>"})
    field_values.change_ticket(desk.alice, conversation, {"paid": True})
    field_setup.archive(desk.root, plan)
    answer = alice.post(f"/inbox/{conversation.pk}/export/")
    with zipfile.ZipFile(io.BytesIO(b"".join(answer))) as archive:
        page = " ".join(archive.read("conversation.html").decode().split())
    assert "<dt><bdi>Plan</bdi></dt> <dd><bdi>Gold &lt;b&gt;</bdi></dd>" in page
    assert "<bdi>Paid</bdi>: <bdi>yes</bdi>" in page


def test_values_are_looked_up_in_an_index(
    desk: world.Desk, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the plan of PostgreSQL depends on the number of rows")
    plan = field(desk, "plan", of="contact")
    filter_ = field_filters.read({"field_plan": "Gold"})
    known = field_filters.KnownFields(CustomField.objects.filter(pk=plan.pk))
    field_values.change_contact(desk.alice, conversation.contact, {"plan": "Gold"})
    monkeypatch.setattr(field_filters, "RARE", 0)  # as if so many had this value that none is found by its id
    rows = field_filters.narrowed(Conversation.objects.all(), filter_, known)
    assert list(rows) == [conversation]
    steps = rows.order_by("-last_message_at", "-pk").explain().splitlines()
    values = [step for step in steps if "tickets_fieldvalue" in step or " U0 " in step]
    assert values
    assert all("SEARCH" in step and "INDEX" in step for step in values), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
