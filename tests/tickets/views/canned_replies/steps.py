"""Canned replies with files, and what was sent with them, for tests."""

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from desk.models import User
from tests.desk.bucket import bucket, keys, s3, s3_client, server  # noqa: F401 - fixtures
from tests.factories import make_admin
from tests.http import Response
from tickets.models import CannedReply, CannedReplyFile, Conversation, Message
from tickets.services.inbox import canned_files

LIST = "/admin/canned-replies/"
OWN = "/accounts/canned-replies/"
PDF = b"%PDF-1.4\n%%EOF\n"
FORM = {"shortcut": "prices", "title": "Prices", "folder": "", "text": "Our prices"}


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pdf(name: str = "prices.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, PDF)


def post(client: Client, url: str, *files: SimpleUploadedFile, **changes: object) -> Response:
    return client.post(url, {**FORM, **changes, "new_files": list(files)})


def with_files(*names: str, owner: User | None = None, **fields: object) -> CannedReply:
    reply = CannedReply.objects.create(
        **{"shortcut": "prices", "title": "Prices", "text": "Our prices", "owner": owner} | fields
    )
    by = owner or User.objects.filter(is_superuser=True).first() or make_admin("writer")
    rows, refusals = canned_files.upload(by, [pdf(name) for name in names])
    assert not refusals
    CannedReplyFile.objects.filter(pk__in=[row.pk for row in rows]).update(reply=reply)
    return reply


def names_of(reply: CannedReply) -> list[str]:
    return [file.name for file in reply.files.all()]


def path_of(name: str | None) -> Path:
    return Path(settings.MEDIA_ROOT, name or "")


def stored() -> set[str]:
    folders = ("canned", "attachments")
    return {path.name for folder in folders for path in path_of(folder).rglob("*") if path.is_file()}


def send(user: User, conversation: Conversation, ids: Iterable[object], **fields: object) -> Response:
    values = {"text": "Here they are", "canned_file": list(ids), **fields}
    return client_of(user).post(f"/inbox/{conversation.pk}/reply/", values, headers={"HX-Request": "true"})


def sent(conversation: Conversation) -> list[tuple[str, list[str]]]:
    out = Message.objects.filter(conversation=conversation, direction="out").order_by("pk")
    return [(message.text, [each.name for each in message.attachments.all()]) for message in out]
