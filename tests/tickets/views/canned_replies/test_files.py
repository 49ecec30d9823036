"""The files of canned replies: added and removed in the form, and served to few."""

import io
import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from desk.errors import Refused
from desk.models import AuditEntry, User
from tests.desk.bucket import bucket, keys, s3, s3_client, server  # noqa: F401 - fixtures
from tests.factories import make_admin, make_agent, make_department, make_user, png
from tests.http import streamed
from tests.pages import html_of
from tests.tickets.api.conftest import client_of as token_client
from tests.tickets.views.canned_replies.steps import (
    FORM,
    LIST,
    OWN,
    PDF,
    client_of,
    names_of,
    path_of,
    pdf,
    post,
    stored,
    with_files,
)
from tickets import tasks
from tickets.models import CannedReply, CannedReplyFile, Conversation
from tickets.services.inbox import canned_files, canned_replies

pytestmark = pytest.mark.django_db


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
@pytest.mark.slow
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
