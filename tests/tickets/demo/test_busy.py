"""The busy demo is rows as the services would have written them, the same for the same seed."""

import io
from typing import Any

import pytest
from django.core.management import call_command

from desk.models import Agent, Department
from tests import factories as make
from tickets.demo import busy, busy_desk
from tickets.models import (
    Contact,
    ContactNote,
    ContactTerms,
    Conversation,
    FieldValue,
    Macro,
    Mention,
    Message,
    MessageTerms,
    SavedView,
    Ticket,
)
from tickets.services.inbox import search
from tickets.services.inbox.macros import problems_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def _fill(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(busy, "BATCH", 130)
    monkeypatch.setattr(busy, "PICTURES", 3)
    for _name, page_id, _color in busy_desk.DEPARTMENTS:
        make.make_page(page_id, tasks=["MESSAGING", "MODERATE", "MANAGE", "CREATE_CONTENT"])
    busy.fill(make.make_admin(), number)


def test_integrity_has_no_findings_and_every_kind_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(monkeypatch, 600)
    call_command("verify_integrity", stdout=io.StringIO())  # exits with 1 when it finds something
    assert (Agent.objects.count(), Department.objects.count()) == (12, 9)
    rows = Conversation.objects.all()
    assert rows.count() == 600
    assert {row.channel_id for row in rows} == {row.pk for row in busy_desk.Channel.objects.existing()}
    for kind in (
        rows.filter(waiting_since__isnull=False, assignee=None),
        rows.filter(is_open=True, unread_count__gt=0),
        rows.filter(is_open=False),
        rows.filter(is_snoozed=True),
        rows.filter(has_scheduled=True),
        Ticket.objects.filter(labels__name="Refund"),
        Ticket.objects.filter(priority="urgent"),
        Ticket.objects.filter(subject_is_own=True),
        Message.objects.filter(kind="note", mentions__isnull=False),
        Mention.objects.filter(seen_at=None),
        Contact.objects.exclude(picture=""),
        FieldValue.objects.filter(contact__isnull=False),
        FieldValue.objects.filter(field__key="reason", ticket__status="open"),
        ContactNote.objects.all(),
        SavedView.objects.filter(department__name="Sales"),
    ):
        assert kind.exists(), str(kind.query)
    assert not any(problems_of(macro) for macro in Macro.objects.all())
    for terms in (MessageTerms, ContactTerms):
        assert not terms._default_manager.filter(terms=None).exists()
    assert search.find(rows, "courier").conversation_ids()
    make.receive(make.make_conversation(rows[0].channel), "After the bulk")  # sequences go on
    call_command("verify_integrity", stdout=io.StringIO())


def test_the_same_seed_gives_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    def texts() -> list[Any]:
        own = Message.objects.filter(mid__startswith="m_busy_")
        return list(own.order_by("pk").values_list("text", "author__username", "conversation__contact__name"))

    _fill(monkeypatch, 20)
    first = texts()
    Conversation.objects.all().delete()
    admin = make.make_admin("second")
    busy.fill(admin, 20)
    assert first
    assert texts() == first
