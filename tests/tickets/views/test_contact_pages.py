"""The pages of the list of contacts together: each person once, in order, for any data and either way of reading."""

import itertools
import random
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from desk.models import User
from tickets.models import Contact, Conversation, CustomField, FieldValue, Person
from tickets.rules.filters import NO_FILTER, parse_leniently
from tickets.services.conversation import access
from tickets.services.inbox import contact_list

from . import world

NAMES = ("", "", "ben", "Ben", "anna", "Zoë", "a.b.7", "7", "20250101000000000000")


def fill(desk: world.Desk, chance: random.Random) -> None:
    """Contacts on three Pages, some the same person, some erased; times that are equal, and none at all."""
    field = CustomField.objects.create(of="contact", kind="text", name="Plan", key="plan")
    people = [Person.objects.create() for _each in range(5)]
    for _each in range(30):
        channel = chance.choice([desk.shop, desk.shop, desk.service])
        made = world.make_conversation(channel, chance.choice(NAMES))
        at = chance.choice([None, *(world.NOON + timedelta(hours=hour) for hour in range(3))])
        Conversation.objects.filter(pk=made.pk).update(last_message_at=at)
        is_erased = chance.random() < 0.15
        Contact.objects.filter(pk=made.contact_id).update(
            person=None if is_erased else chance.choice([None, *people]), erased_at=world.NOON if is_erased else None
        )
        if chance.random() < 0.6:
            text = chance.choice(["gold", "tin"])
            FieldValue.objects.create(contact=made.contact, field=field, text=text, lookup=text)


def key_of(contact: Contact) -> tuple[str, int]:
    return ("person", contact.person_id) if contact.person_id else ("contact", contact.pk)


def expected(user: User, sort: str, plan: str) -> list[int]:
    """Return the plain definition: the contacts that stand for their person, in the order of the list."""
    rows = access.conversations_for(user, access.facts_for(user)).filter(contact__erased_at=None)
    if plan:
        rows = rows.filter(contact__field_values__text=plan)
    seen: dict[tuple[str, int], int] = {}
    if sort == contact_list.RECENT:
        dated: list[Any] = [row for row in rows.select_related("contact") if row.last_message_at]
        for row in sorted(dated, key=lambda row: (row.last_message_at, row.pk), reverse=True):
            seen.setdefault(key_of(row.contact), row.contact_id)
    else:
        contacts = Contact.objects.filter(pk__in=rows.values("contact")).extra(select={"low": "lower(name)"})
        for contact in sorted(contacts.order_by("low", "pk"), key=lambda contact: not contact.name):
            seen.setdefault(key_of(contact), contact.pk)
    return list(seen.values())


@pytest.mark.parametrize(("few", "very_few"), [(0, 0), (1000, 0), (1000, 1000)])
@pytest.mark.parametrize("seed", range(3))
def test_the_pages_together_are_the_plain_definition(
    seed: int, few: int, very_few: int, desk: world.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "FEW", few)
    monkeypatch.setattr(access, "VERY_FEW", very_few)
    monkeypatch.setattr(contact_list, "PAGE_SIZE", 3)
    fill(desk, random.Random(seed))  # noqa: S311 - no secret
    for user in (desk.alice, desk.root):
        facts = access.facts_for(user)
        for sort in contact_list.SORTS:
            for plan in ("", "gold"):
                fields = parse_leniently({"field_plan": plan}) if plan else NO_FILTER
                listed: list[int] = []
                cursor, pages = "", 0
                while pages == 0 or (cursor and pages < 40):
                    page = contact_list.page_of(user, facts, "", sort, cursor, fields=fields)
                    assert all(row.conversations for row in page.rows)
                    listed += [row.contact.pk for row in page.rows]
                    cursor, pages = page.after, pages + 1
                assert listed == expected(user, sort, plan), (user, sort, plan)


@pytest.mark.parametrize("sort", contact_list.SORTS)
def test_the_pages_of_a_search_are_the_plain_definition(
    sort: str, desk: world.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_list, "PAGE_SIZE", 2)
    monkeypatch.setattr("tests.tickets.views.test_contact_pages.NAMES", ("Ben", "ben b", "Ben A"))
    fill(desk, random.Random(9))  # noqa: S311 - no secret
    listed: list[int] = []
    cursor, pages = "", 0
    while pages == 0 or (cursor and pages < 40):
        page = contact_list.page_of(desk.root, access.facts_for(desk.root), "ben", sort, cursor)
        listed += [row.contact.pk for row in page.rows]
        cursor, pages = page.after, pages + 1
    assert listed == expected(desk.root, sort, "")


CURSORS = (
    *("999999999999999999.1", "-5.1", "٣.1", "1.٣", ".1", "1.", ".", "x", "\0.1", "a\0b.1", "1" * 19 + ".1"),
    *("1." + "9" * 18, "1e400.1", "nan.1", "b.9" * 90, "é" * 398 + ".1", "0.0", "x." + "9" * 18),
)


@pytest.mark.slow
@pytest.mark.parametrize("few", [0, 1000])
def test_any_cursor_is_answered(few: int, desk: world.Desk, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "FEW", few)
    monkeypatch.setattr(access, "VERY_FEW", few)
    world.make_conversation(desk.shop)
    for after, sort, query in itertools.product(CURSORS, contact_list.SORTS, ("", "rosa")):
        shown = alice.get("/contacts/", {"after": after, "sort": sort, "q": query})
        assert shown.status_code == 200, (after, sort, query)


CURSORS_OF_TIME = (
    *("9999-12-31T23:59:59-23:59_1", "0001-01-01T00:00:00+23:59_1", "9999-12-31T23:59:59.999999+00:00_1", "x_1"),
    *("0000-01-01T00:00:00Z_1", "2025-02-30T00:00:00Z_1", f"2025-01-01T00:00:00+00:00_{'9' * 18}"),
)


@pytest.mark.slow
def test_any_cursor_of_a_time_is_answered(desk: world.Desk, alice: Client) -> None:
    made = world.make_conversation(desk.shop)
    world.say(made)
    messages, ticket = f"/inbox/{made.pk}/messages/", f"/tickets/{made.current_ticket_id}/"
    paths = ("/tickets/?before", "/inbox/rows/?before", f"{messages}?before", f"{messages}?since", f"{ticket}?before")
    for path, cursor in itertools.product(paths, CURSORS_OF_TIME):
        shown = alice.get(f"{path}={quote(cursor)}", headers={"HX-Request": "true"})
        assert shown.status_code == 200, (path, cursor)
