"""The files of canned replies: copied into replies, and named by the API, the export and the history."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from desk.models import AuditEntry, User
from desk.object_storage import ObjectStorage
from tests.desk.bucket import bucket, keys, s3, s3_client, server  # noqa: F401 - fixtures
from tests.factories import make_agent, make_department, png
from tests.http import streamed
from tests.pages import html_of
from tests.tickets.api.conftest import client_of as token_client
from tests.tickets.views.canned_replies.steps import (
    LIST,
    OWN,
    PDF,
    client_of,
    names_of,
    path_of,
    pdf,
    post,
    send,
    sent,
    stored,
    with_files,
)
from tickets.models import CannedReply, Conversation, Message
from tickets.services.inbox import canned_files, canned_replies

pytestmark = pytest.mark.django_db


# --- In the composer
def test_the_composer_knows_the_files_without_a_query_for_each(conversation: Conversation, alice: User) -> None:
    with_files("a.pdf", "b.pdf")
    with_files(shortcut="none")
    client = client_of(alice)
    replies = {one["shortcut"]: one["files"] for one in client.get(f"/inbox/{conversation.pk}/").context["canned"]}
    assert [(file["name"], file["size"], file["type"]) for file in replies["prices"]] == [
        ("a.pdf", len(PDF), "application/pdf"),
        ("b.pdf", len(PDF), "application/pdf"),
    ]
    assert streamed(client.get(replies["prices"][0]["url"])) == PDF
    assert replies["none"] == []


def test_copies_are_sent_that_a_later_change_leaves_alone(
    conversation: Conversation, alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    reply = with_files("a.pdf", "b.pdf")
    ids = [file.pk for file in reply.files.all()][::-1]
    picture = SimpleUploadedFile("own.png", png())
    assert send(alice, conversation, [*ids, ids[0], "x"], files=[picture], canned=[reply.pk]).status_code == 200
    assert sent(conversation) == [("Here they are", []), ("", ["b.pdf"]), ("", ["a.pdf"]), ("", ["own.png"])]
    with django_capture_on_commit_callbacks(execute=True):
        canned_replies.delete(alice, reply)
    message = Message.objects.get(conversation=conversation, attachments__name="a.pdf")
    with message.attachments.get().file.open("rb") as file:
        assert file.read() == PDF


def test_only_files_are_a_reply_too(conversation: Conversation, alice: User) -> None:
    reply = with_files("a.pdf")
    assert send(alice, conversation, [reply.files.all()[0].pk], text="").status_code == 200
    assert sent(conversation) == [("", ["a.pdf"])]


def test_a_file_that_the_agent_may_not_use_is_refused(conversation: Conversation, alice: User) -> None:
    mine = with_files("mine.pdf", owner=alice).files.all()[0]
    theirs = with_files("theirs.pdf", owner=make_agent("bob")).files.all()[0]
    elsewhere = with_files("else.pdf", shortcut="else", department=make_department("Other")).files.all()[0]
    [unsaved], _refusals = canned_files.upload(alice, [pdf("unsaved.pdf")])
    before = stored()
    for pk in (theirs.pk, elsewhere.pk, unsaved.pk, 10**9):
        answer = send(alice, conversation, [mine.pk, pk])
        assert answer.status_code == 422, pk
        assert "no longer available to you" in html_of(answer)
    too_many = with_files(*(f"{number}.pdf" for number in range(21)), shortcut="many")
    answer = send(alice, conversation, [file.pk for file in too_many.files.all()])
    assert "At most 20 files" in html_of(answer)
    assert sent(conversation) == []
    assert len(stored()) == len(before) + 21


def test_a_file_that_is_missing_is_said(conversation: Conversation, alice: User) -> None:
    file = with_files("a.pdf").files.all()[0]
    path_of(file.file.name).unlink()
    answer = send(alice, conversation, [file.pk])
    assert answer.status_code == 422
    assert "“a.pdf” is missing from the storage." in html_of(answer)
    assert sent(conversation) == []


def test_a_reply_that_is_repeated_needs_its_files_no_more(conversation: Conversation, alice: User) -> None:
    reply = with_files("a.pdf")
    ids = [reply.files.all()[0].pk]
    assert send(alice, conversation, ids, client_key="once").status_code == 200
    reply.delete()
    assert send(alice, conversation, ids, client_key="once").status_code == 200
    assert sent(conversation) == [("Here they are", []), ("", ["a.pdf"])]


def test_a_note_has_no_files(conversation: Conversation, alice: User) -> None:
    file = with_files("a.pdf").files.all()[0]
    assert send(alice, conversation, [file.pk], kind="note").status_code == 200
    [note] = Message.objects.filter(conversation=conversation, kind="note")
    assert not note.attachments.exists()


@pytest.mark.slow
def test_in_a_bucket_files_are_stored_served_copied_and_deleted(
    s3: Any,  # noqa: F811
    bucket: ObjectStorage,  # noqa: F811
    conversation: Conversation,
    alice: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = client_of(alice)
    post(client, f"{OWN}add/", pdf(), SimpleUploadedFile("map.png", png(12, 7)))
    document, image = CannedReply.objects.get().files.all()
    assert (image.width, image.height) == (12, 7)
    assert {f"here/{file.file.name}" for file in (document, image)} <= set(keys(s3))
    assert streamed(client.get(f"/inbox/{conversation.pk}/canned-files/{document.pk}/")) == PDF
    assert send(alice, conversation, [image.pk, document.pk]).status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{OWN}{document.reply_id}/delete/")
    assert not [key for key in keys(s3) if "/canned/" in key]
    copies = [message.attachments.get() for message in Message.objects.filter(attachments__isnull=False).order_by("pk")]
    assert [(copy.name, copy.width) for copy in copies] == [("map.png", 12), ("prices.pdf", None)]
    with copies[1].file.open("rb") as file:
        assert file.read() == PDF


# --- API, export, history
def test_the_api_lists_the_files(conversation: Conversation, alice: User) -> None:
    with_files("a.pdf")
    client = token_client(alice)
    [row] = client.get("/api/v1/canned-replies/").json()["results"]
    [file] = row["files"]
    assert (file["name"], file["content_type"], file["size"]) == ("a.pdf", "application/pdf", len(PDF))
    answer = client.get(file["url"])
    assert streamed(answer) == PDF
    assert answer["Content-Disposition"].startswith("attachment")
    assert client.get("/api/v1/canned-reply-files/99999999999999999999/content/").status_code == 404


def test_the_export_names_the_files_and_an_import_leaves_them_alone(setup: Client) -> None:
    reply = with_files("a, b.pdf", "c.pdf")
    exported = setup.get(f"{LIST}export/").content.decode("utf-8-sig")
    assert exported.splitlines()[0].endswith(",files")
    assert '"a, b.pdf | c.pdf"' in exported
    text = exported.replace("Our prices", "New prices").replace("c.pdf", "d.pdf")
    setup.post(f"{LIST}import/", {"confirm": "yes", "text": text})
    reply.refresh_from_db()
    assert (reply.text, names_of(reply)) == ("New prices", ["a, b.pdf", "c.pdf"])
    assert "The files of canned replies stay as they are" in html_of(setup.get(f"{LIST}import/"))


def test_the_history_does_not_name_personal_canned_replies(alice: User, setup: Client) -> None:
    client = client_of(alice)
    post(client, f"{OWN}add/", shortcut="secret-plan")
    reply = CannedReply.objects.get()
    post(client, f"{OWN}{reply.pk}/", shortcut="secret-plans")
    client.post(f"{OWN}{reply.pk}/delete/")
    page = html_of(setup.get("/admin/desk/auditentry/"))
    assert "secret" not in page
    assert AuditEntry.objects.filter(object_name="a personal canned reply").count() == 3
    post(setup, f"{LIST}add/", shortcut="shared-plan")
    assert "/shared-plan" in html_of(setup.get("/admin/desk/auditentry/"))
