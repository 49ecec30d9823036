"""Import by CSV: the preview says what happens with each line, and nobody is invited until it is confirmed."""

import re
from html import unescape

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from pytest_django import Settings

from desk import csv_table
from desk.models import User
from tests.desk.accounts.queue import run_queued_tasks
from tests.factories import make_agent, make_department, make_user
from tests.http import Response
from tests.pages import html_of
from tickets.services.people import roles

from .conftest import client_of

IMPORT = "/admin/people/import/"
GOOD = "Name,E-mail,Role,Departments\nMia Berg,mia@shop.example,Lead,Sales|care\nTom,tom@shop.example,,\n"


def preview(client: Client, content: str | bytes) -> Response:
    from django.core.files.uploadedfile import SimpleUploadedFile

    body = content.encode() if isinstance(content, str) else content
    return client.post(IMPORT, {"file": SimpleUploadedFile("people.csv", body, "text/csv")})


def confirm(client: Client, previewed: Response) -> Response:
    """Send the form of the preview, as a browser does."""
    field = re.search(r'name="text" value="([^"]*)"', previewed.content.decode())
    assert field
    return client.post(IMPORT, {"text": unescape(field[1]).replace("\n", "\r\n"), "confirm": "yes"})


def test_a_file_is_previewed_and_then_invited(setup: Client, mailoutbox: list[EmailMessage]) -> None:
    sales, care = make_department("Sales"), make_department("Care")
    previewed = preview(setup, GOOD)
    page = html_of(previewed)
    assert "<b>2 of 2</b> can be invited." in page
    assert "Invite 2 people" in page
    assert User.objects.count() == 1
    assert confirm(setup, previewed)["Location"] == "/admin/people/"
    mia, tom = User.objects.get(username="mia"), User.objects.get(username="tom")
    assert [roles.role_of(user).key for user in (mia, tom)] == [roles.LEAD, roles.AGENT]
    assert set(mia.agent.departments.all()) == {sales, care}
    assert (mia.first_name, mia.last_name, tom.last_name, tom.is_active) == ("Mia", "Berg", "", False)
    run_queued_tasks()
    assert sorted(mail.to[0] for mail in mailoutbox) == ["mia@shop.example", "tom@shop.example"]


def test_what_is_wrong_is_said_line_by_line_and_the_rest_is_invited(setup: Client) -> None:
    make_user("old", email="Old@shop.example")
    lines = [
        "name;email;role;departments",
        "Good One;good@shop.example;agent;",
        "Bad;no-address;agent;",
        ";empty@shop.example;;",
        "Old;old@shop.example;;",
        "Twice;GOOD@shop.example;;",
        "Chief;chief@shop.example;Chief;",
        "Far;far@shop.example;;Nowhere",
        "",
    ]
    previewed = preview(setup, "\ufeff" + "\r\n".join(lines))
    page = html_of(previewed)
    rows = {
        int(number): row
        for row in page.split("<tr>")
        for number in re.findall(r'<td data-label="Line">(\d+)</td>', row)
    }
    for number, sentence in (
        (2, "Is invited"),
        (3, "“no-address” is not an e-mail address."),
        (4, "The name is missing."),
        (5, "Somebody with this address exists already."),
        (6, "Line 2 has the same address."),
        (7, "There is no role “Chief”."),
        (8, "There is no department “Nowhere”."),
    ):
        assert sentence in rows[number]
    assert sorted(rows) == list(range(2, 9))
    confirm(setup, previewed)
    assert set(User.objects.values_list("username", flat=True)) == {"admin", "old", "good"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "Missing: name, email."),
        ("name,role\nMia,agent\n", "Missing: email."),
        ("name,email\n\n", "has no line after the first"),
        (b"name,email\nM\xfcller,m@shop.example\n", "is not text in UTF-8"),
        (b"x" * (csv_table.MAX_BYTES + 1), "at most 200,000"),
        ("name,email\n" + "A,a@shop.example\n" * 201, "at most 200 can be invited"),
        ('name,email\n"' + "x" * 140_000 + '",a@shop.example\n', "Line 2 cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(setup: Client, content: str | bytes, sentence: str) -> None:
    answer = preview(setup, content)
    assert answer.status_code == 422
    assert sentence in html_of(answer)


def test_no_file_is_refused(setup: Client) -> None:
    assert "Choose a file first." in html_of(setup.post(IMPORT, {}))


def test_where_no_mail_is_sent_the_links_are_shown_once(setup: Client, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    answer = confirm(setup, preview(setup, "name,email\nMia,mia@shop.example\nTom,tom@shop.example\n"))
    links = re.findall(r'value="[^"]+(/accounts/invitation/[^"]+)"', html_of(answer))
    assert [Client().get(link).status_code for link in links] == [200, 200]
    assert "no-store" in answer["Cache-Control"]


def test_an_import_gives_no_more_than_somebody_has(manager: User) -> None:
    client = client_of(manager)
    page = html_of(preview(client, "name,email,role\nMia,mia@shop.example,Administrator\n"))
    assert "You may not give the role “Administrator”." in page
    assert "confirm" not in page.partition("<tbody>")[2]
    manager.user_permissions.set(manager.user_permissions.exclude(codename="change_agent"))
    make_department("Sales")
    page = html_of(preview(client, "name,email,departments\nMia,mia@shop.example,Sales\n"))
    assert "You may not choose departments." in page


def test_importing_is_for_who_may_invite(db: None) -> None:
    for user in (make_agent("alice"), make_user(is_staff=True)):
        assert client_of(user).get(IMPORT).status_code == 403
        assert preview(client_of(user), GOOD).status_code == 403
    assert preview(Client(), GOOD).status_code == 302


def test_a_file_can_have_languages(setup: Client) -> None:
    lines = "name,email,language\nMia,mia@shop.example,DE\nTom,tom@shop.example,\nEve,eve@shop.example,tlh\n"
    previewed = preview(setup, lines)
    page = html_of(previewed)
    for part in ("<b>2 of 3</b>", ">Deutsch</td>", ">As their browser</td>", "There is no language “tlh”. Use en, de,"):
        assert part in page
    confirm(setup, previewed)
    assert dict(User.objects.exclude(email="admin@shop.example").values_list("username", "language")) == {
        "admin": "",
        "mia": "de",
        "tom": "",
    }
