"""An installation with rows of every difficult kind, and what a test does with its backups."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.core.management import call_command

from desk.backup import rows
from desk.backup.archive import digest_of
from tests.factories import answer, journal, make_agent, make_channel, make_conversation, make_token, make_user, receive
from tickets.models import Attachment, CannedReply, CannedReplyFile, Conversation, EventDelivery, EventSubscription

TEXT = "Grüße 👋\u2028 and a \\ and “quotes”"


def fill() -> Conversation:
    """Fill the database and the media folder; return the conversation in it."""
    channel = make_channel()
    agent = make_agent("alice", channels=(channel,))
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
    journal(b"\x00\xff raw bytes \r\n", state="done", progress={"1": {"tries": 2}})
    webhook = EventSubscription.objects.create(name="CRM", url="https://crm.example/", secret="s3cret", events=["x"])
    EventDelivery.objects.create(subscription=webhook, type="test", facts={"by": None, "changed": ["text"]})
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
