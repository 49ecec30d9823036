"""An installation with rows of every difficult kind, and what a test does with its backups."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.utils import timezone

from desk.backup import rows
from desk.backup.archive import digest_of
from tests.factories import (
    NOON,
    answer,
    journal,
    make_agent,
    make_channel,
    make_conversation,
    make_token,
    make_user,
    receive,
)
from tests.matching import present
from tickets.models import (
    AssignmentSettings,
    Attachment,
    Availability,
    CannedReply,
    CannedReplyFile,
    ContactNote,
    Conversation,
    CustomField,
    EventDelivery,
    EventSubscription,
    FieldValue,
    Label,
    Macro,
    MacroRun,
    NotificationChoice,
    NotificationSettings,
    Person,
    PushKey,
    SavedView,
    ScheduledReply,
    ScheduledReplyFile,
    Ticket,
    TicketChange,
)
from tickets.rules.mentions import AGENT, Target
from tickets.services.conversation.mentions import Wanted
from tickets.services.inbox import notes

TEXT = "Grüße 👋\u2028 and a \\ and “quotes”"


def fill() -> Conversation:
    """Fill the database and the media folder; return the conversation in it."""
    channel = make_channel()
    agent = make_agent("alice", channels=(channel,))
    stranger = make_agent("stranger")
    admin = make_user("admin", is_staff=True, is_superuser=True)
    group = Group.objects.create(name="Erasers")
    group.permissions.add(Permission.objects.get(codename="erase_contact"))
    agent.groups.add(group)
    agent.user_permissions.add(Permission.objects.get(codename="view_erasure"))
    make_token(admin)
    conversation = make_conversation(channel, name="Ólafur")
    message = receive(conversation, TEXT, card={"kind": "link", "title": "é", "text": "", "url": "https://x.example/"})
    Attachment.objects.create(
        message=message,
        kind="image",
        name="photo of a parcel.png",
        state="stored",
        size=11,
        file=ContentFile(b"file\0bytes\n", name="photo.png"),
    )
    answer(conversation, "On its way", author=agent)
    canned = CannedReply.objects.create(shortcut="prices", title="Prices", text="Our prices", owner=agent)
    content = ContentFile(b"prices\0\n", name="prices.pdf")
    CannedReplyFile.objects.create(reply=canned, kind="document", name="prices.pdf", file=content, size=8)
    later = ScheduledReply.objects.create(
        conversation=conversation, author=agent, text=TEXT, send_at=NOON, client_key="later", state="not_sent"
    )
    content = ContentFile(b"offer\0\n", name="offer.pdf")
    ScheduledReplyFile.objects.create(reply=later, kind="document", name="offer.pdf", file=content, size=7)
    Conversation.objects.filter(pk=conversation.pk).update(has_scheduled=True)
    label = Label.objects.create(name="Größe", key="grösse", color="teal", description=TEXT)
    present(Ticket.objects.first()).labels.add(label)
    acts = [{"do": "reply", "text": TEXT}, {"do": "add_labels", "labels": [label.pk]}]
    macro = Macro.objects.create(name="Größe", key="grösse", actions=acts, names={f"label-{label.pk}": "Größe"})
    MacroRun.objects.create(macro=macro, name="Größe", conversation=conversation, user=agent, before={"labels": []})
    AssignmentSettings.objects.create(department=channel.department, mode="round_robin", hand_back_minutes=30)
    Availability.objects.create(agent=agent.agent, capacity=0, turn=7, away_since=timezone.now())
    number = present(message.ticket_id)
    TicketChange.objects.create(
        conversation=conversation, kind="split", earlier=number, later=9999, before={"earlier": TEXT}, by=agent
    )
    SavedView.objects.create(name="Größe", owner=agent, base="open", filter={"label": [str(label.pk)]}, order="oldest")
    wanted = Wanted((Target(AGENT, stranger.pk),), frozenset([stranger.pk]))
    notes.add_note(agent, conversation, f"@{stranger} {TEXT}", wanted=wanted)
    field = CustomField.objects.create(
        of="contact", kind="choice", name="Größe", key="size", choices=[{"id": "a1", "name": TEXT}], minimum="0.5"
    )
    FieldValue.objects.create(field=field, contact=conversation.contact, text="a1", lookup="a1")
    contact = present(Ticket.objects.first()).conversation.contact
    contact.person, contact.external_id = Person.objects.create(created_by=agent), "crm-1"
    contact.save(update_fields=["person", "external_id"])
    ContactNote.objects.create(contact=contact, author=agent, text=TEXT)
    journal(b"\x00\xff raw bytes \r\n", state="done", progress={"1": {"tries": 2}})
    webhook = EventSubscription.objects.create(name="CRM", url="https://crm.example/", secret="s3cret", events=["x"])
    EventDelivery.objects.create(subscription=webhook, type="test", facts={"by": None, "changed": ["text"]})
    NotificationSettings.objects.create(user=agent, has_quiet_hours=True, time_zone="Europe/Berlin")
    NotificationChoice.objects.create(user=agent, kind="failed", by="push")
    PushKey.objects.create(pk=1, private_key="pr1vate", public_key="public")
    return conversation


def digests() -> dict[str, tuple[int, int, str]]:
    """Return rows, bytes and digest of every table of a backup."""
    return {model._meta.db_table: digest_of(map(rows.line_of, rows.read(model))) for model in rows.tables(apps)}


def forget_everything() -> None:
    """Empty the database, as `migrate` leaves it."""
    call_command("flush", interactive=False, verbosity=0)


def changed(archive: bytes, change: Callable[[dict[str, bytes]], object]) -> bytes:
    """Return an archive whose members were changed; `change` gets them by name."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    change(members)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as copy:
        for name, content in members.items():
            copy.writestr(name, content)
    return target.getvalue()


def files_in(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
