"""Invite: what is made, the letter, the link that works once and for a few days, a new link, and revoking it."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.test import Client
from pytest_django import Settings

from desk.accounts import invitations
from desk.models import AuditEntry, Invitation, User
from tests.desk.accounts.queue import run_queued_tasks
from tests.factories import make_agent, make_channel, make_department, make_user
from tests.http import Response
from tests.pages import html_of

from .conftest import client_of, invitation_form, person_form

PUBLIC = "https://desk.example.com"
PASSWORD = "a-long-passw0rd"
INVITE = "/admin/people/invite/"


def invite(client: Client, **changes: object) -> Response:
    return client.post(INVITE, invitation_form(**changes))


def link_in(mail: EmailMessage) -> str:
    found = re.search(r"\S+/accounts/invitation/\S+", str(mail.body))
    assert found
    return found[0].removeprefix(PUBLIC)


def choose_password(link: str, password: str = PASSWORD) -> Response:
    return Client().post(link, {"new_password1": password, "new_password2": password})


@pytest.fixture
def link(setup: Client, mailoutbox: list[EmailMessage], settings: Settings) -> str:
    """The link of an invitation that was mailed."""
    settings.PUBLIC_URL = PUBLIC
    invite(setup)
    run_queued_tasks()
    return link_in(mailoutbox[0])


def test_an_invited_person_chooses_a_password_and_logs_in(
    setup: Client, administrator: User, mailoutbox: list[EmailMessage], settings: Settings
) -> None:
    settings.PUBLIC_URL = PUBLIC
    channel = make_channel(name="Shop")
    fields = {"departments": [channel.department_id], "channels": [channel.pk]}
    answer = invite(setup, **fields)
    mia = User.objects.get(email="mia@shop.example")
    assert answer["Location"] == f"/admin/people/{mia.pk}/"
    assert (mia.username, str(mia), mia.is_active, mia.is_staff) == ("mia", "Mia Berg", False, False)
    assert list(mia.agent.departments.all()) == [channel.department]
    assert list(mia.agent.channels.all()) == [channel]
    run_queued_tasks()
    assert [mail.to for mail in mailoutbox] == [["mia@shop.example"]]
    link = link_in(mailoutbox[0])
    assert "Your username is <b>mia</b>" in html_of(Client().get(link))
    assert choose_password(link)["Location"] == "/accounts/login/"
    assert Client().login(username="mia", password=PASSWORD)
    entries = set(AuditEntry.objects.values_list("actor__username", "sentence"))
    assert {
        ("admin", "Added as Agent."),
        ("admin", "Invited."),
        ("mia", "Invitation accepted: password set."),
    } <= entries


def test_a_link_works_once(link: str) -> None:
    choose_password(link)
    assert Client().get(link).status_code == 410
    again = choose_password(link, "another-passw0rd")
    assert again.status_code == 410
    assert "This link no longer works" in html_of(again)
    assert User.objects.get(username="mia").check_password(PASSWORD)


def test_a_link_expires(link: str) -> None:
    with time_machine.travel(invitations.ends_at(Invitation.objects.get()) - timedelta(minutes=1)):
        assert Client().get(link).status_code == 200
    with time_machine.travel(invitations.ends_at(Invitation.objects.get()) + timedelta(seconds=1)):
        assert choose_password(link).status_code == 410
    assert not User.objects.get(username="mia").is_active


def test_a_weak_password_is_refused_and_uses_nothing_up(link: str) -> None:
    weak = choose_password(link, "12345")
    assert weak.status_code == 422
    assert "too short" in html_of(weak)
    assert choose_password(link).status_code == 302


def test_a_new_link_ends_the_earlier_one(setup: Client, link: str, mailoutbox: list[EmailMessage]) -> None:
    mia = User.objects.get(username="mia")
    setup.post(f"/admin/people/{mia.pk}/resend/")
    run_queued_tasks()
    assert choose_password(link).status_code == 410
    assert choose_password(link_in(mailoutbox[1])).status_code == 302
    assert setup.post(f"/admin/people/{mia.pk}/resend/").status_code == 404


def test_a_revoked_invitation_ends_the_link_and_removes_the_person(setup: Client, link: str) -> None:
    mia = User.objects.get(username="mia")
    url = f"/admin/people/{mia.pk}/revoke/"
    page = html_of(setup.get(url))
    assert re.search(r'<a class="button" href="[^"]+" data-close autofocus>Cancel</a>', page)
    assert "button--destroy" in page
    setup.post(url)
    assert not User.objects.filter(username="mia").exists()
    assert choose_password(link).status_code == 410
    assert AuditEntry.objects.filter(sentence="Invitation revoked.", object_name="Mia Berg").exists()


def test_another_address_ends_the_link_that_went_to_the_first(
    setup: Client, link: str, mailoutbox: list[EmailMessage]
) -> None:
    mia = User.objects.get(username="mia")
    page = setup.post(f"/admin/people/{mia.pk}/", person_form(mia, email="mia.berg@shop.example"), follow=True)
    assert "The invitation expired on" in html_of(page)
    assert choose_password(link).status_code == 410
    setup.post(f"/admin/people/{mia.pk}/resend/")
    run_queued_tasks()
    assert mailoutbox[1].to == ["mia.berg@shop.example"]
    setup.post(f"/admin/people/{mia.pk}/", person_form(User.objects.get(pk=mia.pk), email=""))
    assert "/accounts/invitation/" in html_of(setup.post(f"/admin/people/{mia.pk}/resend/"))


def test_who_accepted_is_not_removed_by_a_late_revoking(administrator: User, link: str) -> None:
    invitation = Invitation.objects.get()
    choose_password(link)
    invitations.revoke(administrator, invitation)
    assert User.objects.get(username="mia").is_active


@pytest.mark.parametrize("backend", ["dummy", "console"])
def test_where_no_mail_is_sent_the_link_is_shown_once(setup: Client, settings: Settings, backend: str) -> None:
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    page = invite(setup)
    found = re.search(r'value="([^"]+/accounts/invitation/[^"]+)"', html_of(page))
    assert found
    assert 'data-copy="secret"' in html_of(page)
    assert "no-store" in page["Cache-Control"]
    token = found[1].rstrip("/").rpartition("/")[2]
    mia = User.objects.get(username="mia")
    assert token not in html_of(setup.get(f"/admin/people/{mia.pk}/"))
    assert token not in str(list(Invitation.objects.values()))
    assert choose_password(f"/accounts/invitation/{token}/").status_code == 302


def test_an_invited_person_cannot_log_in_or_ask_for_a_password(link: str, mailoutbox: list[EmailMessage]) -> None:
    Client().post("/accounts/password/reset/", {"email": "mia@shop.example"})
    run_queued_tasks()
    assert len(mailoutbox) == 1
    assert not Client().login(username="mia", password="")


def test_what_is_wrong_with_an_invitation_is_said(setup: Client) -> None:
    make_user("old", email="Mia@Shop.example")
    channel, other = make_channel(name="Shop"), make_department("Other")
    assert "Somebody with this address exists already." in html_of(invite(setup))
    wrong = invite(setup, email="new@shop.example", departments=[other.pk], channels=[channel.pk])
    assert wrong.status_code == 422
    assert f"“Shop” belongs to {channel.department}. Choose this department too." in html_of(wrong)
    assert "Choose a role." in html_of(invite(setup, role=""))
    assert User.objects.count() == 2


def test_a_username_that_is_taken_gets_a_number(setup: Client) -> None:
    make_user("MIA")
    invite(setup)
    assert User.objects.filter(username="mia2", email="mia@shop.example").exists()


def test_invitations_are_for_who_may_make_them(setup: Client, manager: User, link: str) -> None:
    mia = User.objects.get(username="mia")
    alice = make_agent("alice")
    addresses = [INVITE, f"/admin/people/{mia.pk}/resend/", f"/admin/people/{mia.pk}/revoke/"]
    for client, expected in ((client_of(alice), 403), (client_of(make_user(is_staff=True)), 403), (Client(), 302)):
        assert [client.post(url, invitation_form(email="x@shop.example")).status_code for url in addresses] == (
            [expected] * 3
        )
    assert Invitation.objects.get().user == mia
    assert invite(client_of(manager), email="new@shop.example").status_code == 302
    for role in ("administrator", "lead"):
        refused = invite(client_of(manager), email="newer@shop.example", role=role)
        assert "You can give only what you have yourself." in html_of(refused)


def test_an_invitation_can_have_a_language(setup: Client) -> None:
    assert '<option value="ar">العربية</option>' in html_of(setup.get(INVITE))
    invite(setup, language="ar")
    assert User.objects.get(email="mia@shop.example").language == "ar"
    assert invite(setup, email="tom@shop.example", language="tlh").status_code == 422
    assert not User.objects.filter(email="tom@shop.example").exists()
