"""`verify_integrity` names each kind of damage, and mends what follows from other rows."""

import io
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from tests.factories import NOON, answer, make_channel, make_conversation, make_user, receive
from tickets.models import Attachment, Contact, Conversation, Message, MessageTerms, Ticket
from tickets.services.inbox import actions, search, term_lookup
from tickets.services.privacy import erasure

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def conversation(media: Path) -> Conversation:
    """A conversation with an answered and an unanswered message, and a file."""
    conversation = make_conversation(name="Ólafur")
    message = receive(conversation, "First words")
    Attachment.objects.create(
        message=message, kind="image", name="parcel.png", state="stored", size=5, file=ContentFile(b"bytes", "a.png")
    )
    answer(conversation, "An answer", NOON + MINUTE)
    receive(conversation, "Last words", NOON + 2 * MINUTE)
    return conversation


def verify(**options: object) -> tuple[int, str]:
    """Return the exit code of the command, and what it found."""
    out = io.StringIO()
    try:
        call_command("verify_integrity", stdout=out, stderr=io.StringIO(), **options)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_nothing_is_found_in_what_the_services_wrote(conversation: Conversation) -> None:
    agent = make_user("agent", is_superuser=True, is_staff=True)
    other = make_conversation(conversation.channel)
    receive(other, "", card={"kind": "link", "title": "A card", "text": "", "url": ""})
    actions.close(agent, other)
    receive(other, "After closing", NOON + 9 * MINUTE)
    held = make_conversation(conversation.channel)
    receive(held, "Late words", NOON + MINUTE)
    receive(held, "Earlier words", NOON)
    answer(held, "Failed", NOON + 3 * MINUTE, state="failed")
    actions.add_note(agent, held, "A note")
    actions.close(agent, conversation)
    erased = make_conversation(conversation.channel)
    receive(erased, "Personal")
    erasure.erase(agent, erased.contact)
    assert verify() == (0, "".join(f"{name}: no findings\n" for name in NAMES))


NAMES = ["files", "conversations", "tickets", "messages", "search index"]


def spoil(**values: object) -> Callable[[], object]:
    return lambda: Conversation.objects.update(**values)


DAMAGE: dict[str, tuple[Callable[[], object], str]] = {
    "message_count": (spoil(message_count=9), "message_count is 9 instead of 3"),
    "unread_count": (spoil(unread_count=7), "unread_count is 7, at most 2 messages"),
    "customer's time": (spoil(last_customer_message_at=NOON), "last_customer_message_at is 2026-11-20 12:00:00"),
    "no customer's time": (spoil(last_customer_message_at=None), "last_customer_message_at is None instead of 2026"),
    "newest time": (spoil(last_message_at=NOON), "last_message_at is 2026-11-20 12:00:00"),
    "preview": (spoil(preview="First words"), "its preview is not that of its newest message"),
    "whose preview": (spoil(preview_is_ours=True), "preview_is_ours is True"),
    "waits for nothing": (
        spoil(waiting_since=NOON + 5 * MINUTE),
        "waiting_since is 2026-11-20 12:05:00",
    ),
    "answered since": (
        spoil(waiting_since=NOON),
        "waiting_since is 2026-11-20 12:00:00",
    ),
    "does not wait": (spoil(waiting_since=None), "waiting_since is None instead of 2026-11-20 12:02:00"),
    "no current ticket": (spoil(current_ticket=None), "its current ticket is None instead of"),
    "is not open": (spoil(is_open=False), "is_open is False, and its current ticket differs"),
    "scheduled nothing": (spoil(has_scheduled=True), "has_scheduled is True instead of False"),
    "holds nothing": (spoil(holds_reply=True), "holds_reply is True instead of False"),
    "ticket's beginning": (lambda: Ticket.objects.update(opened_at=NOON + MINUTE), "opened_at is 2026-11-20 12:01:00"),
    "ticket's subject": (lambda: Ticket.objects.update(subject="Last words"), "its subject is not that of its first"),
    "ticket's time": (lambda: Ticket.objects.update(last_message_at=NOON), "instead of 2026-11-20 12:02:00"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_mended(conversation: Conversation, name: str) -> None:
    before = Conversation.objects.values().get(), Ticket.objects.values().get()
    damage, sentence = DAMAGE[name]
    damage()
    code, found = verify()
    assert code == 1
    [line] = [line for line in found.splitlines() if "finding" not in line]
    assert sentence in line
    subject = f"Ticket {before[1]['id']}" if "ticket's" in name else f"Conversation {conversation.pk}"
    assert line.startswith(f"{subject}: ")
    assert verify(mend=True)[0] == 0
    assert (Conversation.objects.values().get(), Ticket.objects.values().get()) == before
    assert verify()[0] == 0


def test_a_lost_mark_of_a_held_reply_is_set(conversation: Conversation) -> None:
    answer(conversation, "Held", NOON + 3 * MINUTE, state="held", waits_for_customer=True)
    assert "holds_reply is False instead of True" in verify(mend=True)[1]
    assert Conversation.objects.get().holds_reply


def test_a_ticket_without_messages_is_deleted(conversation: Conversation) -> None:
    first = Ticket.objects.get()
    empty = Ticket.objects.create(
        conversation=conversation, department=first.department, opened_at=NOON - MINUTE, last_message_at=NOON
    )
    assert f"Ticket {empty.pk}: it has no message" in verify()[1]
    assert verify(mend=True)[0] == 0
    assert Ticket.objects.get() == first


def test_a_message_in_the_ticket_of_another_conversation_is_named_and_left(conversation: Conversation) -> None:
    other = make_conversation(conversation.channel)
    message = receive(other, "Mine", NOON)
    other_ticket = Ticket.objects.get(conversation=conversation).pk
    Message.objects.filter(pk=message.pk).update(ticket=other_ticket)
    code, found = verify(mend=True)
    assert code == 1
    assert f"Message {message.pk}: its ticket {other_ticket} belongs to another conversation" in found


def test_a_message_of_another_page_is_named(conversation: Conversation) -> None:
    message = Message.objects.order_by("pk")[0]
    Message.objects.filter(pk=message.pk).update(page=make_channel().page)
    code, found = verify(mend=True)
    assert code == 1
    assert f"Message {message.pk}: its Page is not that of its customer" in found


# --- Files ------------------------------------------------------------------------------------------------------------
def test_a_missing_file_is_named(conversation: Conversation, media: Path) -> None:
    attachment = Attachment.objects.get()
    (media / str(attachment.file)).unlink()
    code, found = verify(mend=True)
    assert code == 1
    assert f'tickets.Attachment {attachment.pk}: file: the file "{attachment.file}" is missing' in found


def test_a_file_of_another_size_is_named(conversation: Conversation, media: Path) -> None:
    (media / str(Attachment.objects.get().file)).write_bytes(b"longer bytes")
    code, found = verify()
    assert code == 1
    assert "has 12 bytes instead of 5" in found


def test_a_media_folder_that_is_not_there_is_one_finding(conversation: Conversation, settings: Settings) -> None:
    settings.MEDIA_ROOT = "/nowhere/media"
    code, found = verify()
    assert code == 1
    assert found.count("The media folder does not exist") == 1
    assert "files: 1 finding\n" in found


@pytest.mark.machine_clock
def test_a_file_that_no_row_names_is_deleted_only_on_request(conversation: Conversation, media: Path) -> None:
    old, young = media / "attachments" / "old.png", media / "attachments" / "young.png"
    for path in (old, young):
        path.write_bytes(b"orphan")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    for options in ({}, {"mend": True}):
        code, found = verify(**options)
        assert code == 1
        assert "attachments/old.png: no row names this file of 6 bytes, 1.0 days old" in found
        assert "young" not in found
    assert verify(delete_orphans=True, older_than=timedelta(hours=26))[0] == 0
    assert old.exists()
    assert verify(delete_orphans=True)[0] == 0
    assert (old.exists(), young.exists()) == (False, True)
    assert (media / str(Attachment.objects.get().file)).exists()
    with pytest.raises(CommandError, match="at least 1"):
        call_command("verify_integrity", "--older-than", "0")


# --- The search index -------------------------------------------------------------------------------------------------
def execute(statement: str, *parameters: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def is_found(words: str) -> bool:
    return bool(search.find(Conversation.objects.all(), words).conversation_ids())


def test_a_row_that_is_missing_in_the_index_is_found_again(conversation: Conversation) -> None:
    receive(conversation, "🙂 …!", NOON + 3 * MINUTE)
    message = Message.objects.get(text="First words")
    MessageTerms.objects.filter(pk=message.pk).delete()
    assert not is_found("first")
    code, found = verify()
    assert (code, f"tickets_message {message.pk}: is not in the search index" in found) == (1, True)
    assert "search index: 1 finding\n" in found
    assert verify(mend=True)[0] == 0
    assert is_found("first")
    assert verify()[0] == 0


def test_a_row_that_must_not_be_in_the_index_is_taken_out(conversation: Conversation) -> None:
    message = Message.objects.get(text="First words")
    MessageTerms.objects.create(pk=message.pk + 100, conversation=conversation)
    code, found = verify()
    assert (code, f"tickets_message {message.pk + 100}: is in the search index" in found) == (1, True)
    assert verify(mend=True)[0] == 0
    assert verify()[0] == 0
    assert is_found("first")


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL keeps its index by itself")
def test_a_full_text_table_that_differs_is_built_again(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term_lookup, "SAMPLE_ROWS", 1)  # a limit, lowered: so few rows are searched without the table
    monkeypatch.setattr(term_lookup, "INDEX_COST", 0)
    assert is_found("first")
    execute(
        "INSERT INTO tickets_messageterms_search(tickets_messageterms_search, rowid, terms) "
        "SELECT 'delete', message_id, terms FROM tickets_messageterms WHERE terms LIKE 'first%%'"
    )
    assert not is_found("first")
    code, found = verify()
    assert (code, "tickets_messageterms_search: the search index differs" in found) == (1, True)
    assert verify(mend=True)[0] == 0
    assert is_found("first")
    assert verify()[0] == 0


def test_a_lost_trigger_is_made_again(conversation: Conversation) -> None:
    on = " ON tickets_contact" if connection.vendor == "postgresql" else ""
    execute(f"DROP TRIGGER tickets_contactterms_update{on}")
    Contact.objects.update(name="Guðrún")
    code, found = verify()
    assert (code, "tickets_contactterms_update: the trigger" in found) == (1, True)
    assert verify(mend=True)[0] == 0
    assert is_found("guðrún")
    Contact.objects.update(name="Sigríður")
    assert is_found("sigríður")


def test_a_lost_index_is_made_again(conversation: Conversation) -> None:
    kind = "TABLE" if connection.vendor == "sqlite" else "INDEX"
    execute(f"DROP {kind} tickets_attachmentterms_search")
    code, found = verify()
    assert (code, "tickets_attachmentterms_search: the search index does not exist" in found) == (1, True)
    assert verify(mend=True)[0] == 0
    assert verify()[0] == 0
    assert is_found("parcel")
