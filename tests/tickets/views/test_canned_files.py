"""The files of canned replies: added and removed in the form, served to few, and copied into the replies."""

import io
import re
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from desk.errors import Refused
from desk.models import AuditEntry, User
from desk.object_storage import ObjectStorage
from tests.desk.test_object_storage import bucket, keys, s3, s3_client, server  # noqa: F401 - fixtures
from tests.factories import make_admin, make_agent, make_channel, make_conversation, make_department, make_user, png
from tests.factories import receive as receive_message
from tests.http import Response, streamed
from tests.pages import html_of
from tests.tickets.api.conftest import client_of as token_client
from tickets import tasks
from tickets.models import CannedReply, CannedReplyFile, Conversation, Message
from tickets.services.inbox import canned_files, canned_replies

pytestmark = pytest.mark.django_db
LIST = "/admin/canned-replies/"
OWN = "/accounts/canned-replies/"
PDF = b"%PDF-1.4\n%%EOF\n"
FORM = {"shortcut": "prices", "title": "Prices", "folder": "", "text": "Our prices"}


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def setup() -> Client:
    return client_of(make_admin())


@pytest.fixture
def conversation() -> Conversation:
    made = make_conversation(make_channel(name="Shop"))
    receive_message(made, at=timezone.now())
    return made


@pytest.fixture
def alice(conversation: Conversation) -> User:
    return make_agent("alice", channels=(conversation.channel,))


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


# --- The form
@pytest.mark.parametrize("url", [LIST, OWN])
def test_files_are_added_and_removed_in_the_form(
    url: str,
    alice: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = client_of(make_admin() if url == LIST else alice)
    picture = SimpleUploadedFile("shop.jpg", png(12, 7))  # a PNG by its bytes
    assert post(client, f"{url}add/", pdf(), picture)["Location"] == url
    reply = CannedReply.objects.get()
    first, second = reply.files.all()
    assert (first.name, first.kind, first.size, first.content_type) == (
        "prices.pdf",
        "document",
        len(PDF),
        "application/pdf",
    )
    assert (second.name, second.width, second.height) == ("shop.png", 12, 7)
    assert re.search(r"</svg> ?2<span class=\"visually-hidden\"> files</span>", html_of(client.get(url)))
    page = html_of(client.get(f"{url}{reply.pk}/"))
    assert f'href="{url}files/{first.pk}/"' in page
    assert 'type="hidden" name="added"' not in page
    with django_capture_on_commit_callbacks(execute=True):
        post(client, f"{url}{reply.pk}/", removed=[first.pk])
    assert names_of(reply) == ["shop.png"]
    assert stored() == {path_of(second.file.name).name}
    assert AuditEntry.objects.filter(object_id=str(reply.pk), sentence="Changed files.").count() == 1
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{url}{reply.pk}/delete/")
    assert not CannedReplyFile.objects.exists()
    assert stored() == set()


@pytest.mark.parametrize("url", [LIST, OWN])
def test_files_are_kept_when_something_else_is_wrong(url: str, alice: User) -> None:
    client = client_of(make_admin() if url == LIST else alice)
    answer = post(client, f"{url}add/", pdf(), SimpleUploadedFile("list.exe", b"MZ\x90"), shortcut="two words")
    assert answer.status_code == 422
    page = html_of(answer)
    assert "Use letters from a to z" in page
    assert "“list.exe” is not a kind of file that can be sent." in page
    assert "not saved yet" in page
    assert not CannedReply.objects.exists()
    [added] = re.findall(r'name="added" value="(\d+)"', page)
    assert streamed(client.get(f"{url}files/{added}/")) == PDF
    preview = html_of(post(client, f"{url}add/", pdf("more.pdf"), added=[added], preview="yes"))
    assert re.findall(r"</svg> ?([\w.]+) ?</li>", preview) == ["prices.pdf", "more.pdf"]
    ids = re.findall(r'name="added" value="(\d+)"', preview)
    assert post(client, f"{url}add/", added=ids, removed=[ids[1]])["Location"] == url
    assert names_of(CannedReply.objects.get()) == ["prices.pdf"]
    assert CannedReplyFile.objects.count() == 1


def test_what_to_remove_stays_marked_when_something_else_is_wrong(setup: Client) -> None:
    reply = with_files("a.pdf", "b.pdf")
    first = reply.files.all()[0]
    page = html_of(post(setup, f"{LIST}{reply.pk}/", text="", removed=[first.pk]))
    assert re.findall(r'name="removed" value="(\d+)" checked', page) == [str(first.pk)]
    assert names_of(reply) == ["a.pdf", "b.pdf"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("big.png", png() + b"\0" * 8 * 1_048_576, "images may have at most 8 MB. Make it smaller"),
        ("empty.pdf", b"", "“empty.pdf” is empty. Choose another file."),
        ("list.pdf", png(), "is a PNG image by its content, but its name does not end in .png."),
        ("page.html", b"<script>alert(1)</script>", "“page.html” is not a kind of file that can be sent."),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused(setup: Client, name: str, content: bytes, sentence: str) -> None:
    answer = post(setup, f"{LIST}add/", SimpleUploadedFile(name, content))
    assert answer.status_code == 422
    assert sentence in html_of(answer)
    assert not CannedReplyFile.objects.exists()
    assert stored() == set()


def test_a_canned_reply_has_at_most_five_files(setup: Client) -> None:
    reply = with_files("1.pdf", "2.pdf", "3.pdf", "4.pdf")
    url = f"{LIST}{reply.pk}/"
    answer = post(setup, url, pdf("5.pdf"), pdf("6.pdf"))
    assert answer.status_code == 422
    assert "A canned reply may have at most 5 files." in html_of(answer)
    assert CannedReplyFile.objects.count() == 4
    assert post(setup, url, pdf("5.pdf"), pdf("6.pdf"), removed=[reply.files.all()[0].pk]).status_code == 302
    assert names_of(reply) == ["2.pdf", "3.pdf", "4.pdf", "5.pdf", "6.pdf"]
    # A form that was open when somebody else added a file.
    unsaved, _refusals = canned_files.upload(User.objects.get(username="admin"), [pdf("7.pdf")])
    answer = post(setup, url, added=[unsaved[0].pk], text="Changed")
    assert "at most 5 files" in html_of(answer)
    reply.refresh_from_db()
    assert (reply.text, reply.files.count()) == ("Our prices", 5)


def test_nobody_takes_the_unsaved_file_of_somebody_else(setup: Client, alice: User) -> None:
    [row], _refusals = canned_files.upload(alice, [pdf()])
    foreign = with_files("theirs.pdf", owner=alice)
    assert setup.get(f"{LIST}files/{row.pk}/").status_code == 404
    post(setup, f"{LIST}add/", shortcut="mine", added=[row.pk, foreign.files.all()[0].pk], removed=[row.pk])
    reply = CannedReply.objects.get(shortcut="mine")
    assert names_of(reply) == []
    post(setup, f"{LIST}{reply.pk}/", shortcut="mine", removed=[file.pk for file in CannedReplyFile.objects.all()])
    assert CannedReplyFile.objects.count() == 2


def test_an_administrator_who_may_not_change_it_uploads_nothing() -> None:
    reply = with_files("a.pdf")
    viewer = make_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_cannedreply"))
    page = html_of(post(client_of(viewer), f"{LIST}{reply.pk}/", pdf("b.pdf"), text="Mine"))
    assert "Our prices</p>" in page
    assert CannedReplyFile.objects.count() == 1


def test_files_of_forms_that_were_not_saved_are_deleted_after_a_day(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    kept = with_files("kept.pdf")
    writer = make_agent("writer2")
    canned_files.upload(writer, [pdf("old.pdf")])
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        canned_files.upload(writer, [pdf("new.pdf")])
        with django_capture_on_commit_callbacks(execute=True):
            assert tasks.delete_unsaved_canned_files() == 1
    assert set(CannedReplyFile.objects.values_list("name", flat=True)) == {"kept.pdf", "new.pdf"}
    assert len(stored()) == 2
    assert kept.files.count() == 1


def test_a_form_says_when_its_file_is_no_longer_kept(alice: User) -> None:
    [row], _refusals = canned_files.upload(alice, [pdf()])
    changes = canned_files.Changes([row.pk])
    row.delete()
    with pytest.raises(Refused, match="Choose it again"):
        canned_replies.save(alice, None, FORM, owner=alice, files=changes)
    assert not CannedReply.objects.exists()


def test_the_files_go_with_their_owner_and_their_department(
    alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    department = make_department("Care")
    with_files("a.pdf", owner=alice)
    with_files("b.pdf", department=department, shortcut="care")
    with django_capture_on_commit_callbacks(execute=True):
        alice.delete()
        department.delete()
    assert not CannedReplyFile.objects.exists()
    assert stored() == set()


def test_rows_and_files_are_compared(setup: Client) -> None:
    reply = with_files("a.pdf")
    call_command("verify_integrity", stdout=io.StringIO())
    path_of(reply.files.all()[0].file.name).unlink()
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_integrity", stdout=out, stderr=io.StringIO())
    assert "tickets.CannedReplyFile" in out.getvalue()


# --- Who gets a file
def test_a_file_is_served_only_to_whoever_may_use_its_canned_reply(conversation: Conversation, alice: User) -> None:
    shared = with_files("shared.pdf").files.all()[0]
    own = with_files("own.pdf", owner=alice).files.all()[0]
    elsewhere = with_files("else.pdf", shortcut="else", department=make_department("Other")).files.all()[0]
    bob = make_agent("bob", channels=(conversation.channel,))
    stranger = make_agent("stranger")
    admin = make_admin("chief")
    inbox, in_setup, in_account = f"/inbox/{conversation.pk}/canned-files/", f"{LIST}files/", f"{OWN}files/"
    api = "/api/v1/canned-reply-files/"
    expected = {
        f"{inbox}{shared.pk}/": {"alice", "bob", "chief"},
        f"{inbox}{own.pk}/": {"alice"},
        f"{inbox}{elsewhere.pk}/": set(),
        f"{in_setup}{shared.pk}/": {"chief"},
        f"{in_setup}{own.pk}/": set(),
        f"{in_setup}{elsewhere.pk}/": {"chief"},
        f"{in_account}{own.pk}/": {"alice"},
        f"{in_account}{shared.pk}/": set(),
        f"{api}{shared.pk}/content/": {"alice", "bob", "stranger", "chief"},
        f"{api}{own.pk}/content/": {"alice"},
        f"{api}{elsewhere.pk}/content/": {"chief"},
    }
    for url, allowed in expected.items():
        client_for = token_client if url.startswith("/api/") else client_of
        seen = {
            user.username for user in (alice, bob, stranger, admin) if client_for(user).head(url).status_code == 200
        }
        assert seen == allowed, url
        assert Client().get(url).status_code in (302, 401)
    answer = client_of(alice).get(f"{inbox}{own.pk}/")
    assert streamed(answer) == PDF
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("inline")


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


# --- At the same moment
def someone_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        return cursor.fetchone() is not None


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_who_save_at_once_do_not_pass_the_limit_of_personal_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canned_replies, "MOST_PERSONAL", 1)  # a limit, lowered: the two below pass it
    alice = make_agent("alice")
    answers: list[Response] = []

    def save() -> None:
        answers.append(post(client_of(alice), f"{OWN}add/", shortcut="second"))
        connection.close()

    thread = threading.Thread(target=save)
    with transaction.atomic():
        canned_replies.save(alice, None, {**FORM, "shortcut": "first"}, owner=alice)
        thread.start()
        while not someone_waits_for_us():
            assert thread.is_alive()
            time.sleep(0.01)
    thread.join()
    assert answers[0].status_code == 422
    assert "You have 1 canned replies." in html_of(answers[0])
    assert CannedReply.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_uses_are_counted_in_one_order(conversation: Conversation) -> None:
    """Hold the first of two: whoever counts both must wait for it before holding the second."""
    alice = make_agent("alice", channels=(conversation.channel,))
    first, second = (
        CannedReply.objects.create(shortcut=shortcut, title=shortcut, text=shortcut) for shortcut in ("zz", "aa")
    )

    def count() -> None:
        canned_replies.count_use(alice, conversation, [second.pk, first.pk])
        connection.close()

    thread = threading.Thread(target=count)
    with transaction.atomic():
        CannedReply.objects.select_for_update().get(pk=first.pk)
        thread.start()
        while not someone_waits_for_us():
            assert thread.is_alive()
            time.sleep(0.01)
        CannedReply.objects.select_for_update(nowait=True).get(pk=second.pk)
    thread.join()
    assert list(CannedReply.objects.values_list("use_count", flat=True)) == [1, 1]
