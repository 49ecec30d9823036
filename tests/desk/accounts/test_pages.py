"""The pages of an account: each is ours, each leads on and back, and a new address needs its link."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.urls import urlpatterns
from django.conf import settings
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from channels_im.models import FacebookAccount
from desk.accounts import addresses
from desk.models import AuditEntry, User
from tests.desk.accounts.queue import run_queued_tasks
from tests.factories import PASSWORD, make_admin, make_agent, make_channel, make_user
from tests.http import Response
from tests.pages import html_of
from tests.tickets.views.people.conftest import person_form

pytestmark = pytest.mark.django_db
OURS = str(Path(settings.BASE_DIR) / "templates")
STOCK = re.compile(r"Menu:|example\.com|Third-Party|Sign (In|Up|Out)|Email Address|successfully signed")


def names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from names(each.url_patterns)
        elif each.name:
            yield each.name


def client_of(user: User | None = None) -> Client:
    """Return a browser in which the user has logged in by the form, so that no password is asked for again."""
    client = Client()
    if user is not None:
        fields = {"login": user.username, "password": PASSWORD}
        assert client.post("/accounts/login/", fields).status_code == 302
    return client


def expect_ours(response: Response) -> None:
    html = html_of(response)
    assert "entrance__card" in html
    assert response.templates[0].origin.name.startswith(OURS), response.templates[0].name
    assert not STOCK.search(html), STOCK.search(html)


@pytest.mark.parametrize("who", ["stranger", "agent", "administrator", "without a password"])
def test_every_page_of_allauth_is_ours(who: str) -> None:
    makers: dict[str, Callable[[], User]] = {"agent": make_agent, "administrator": make_admin}
    user = None if who == "stranger" else makers.get(who, make_user)()
    client = client_of(user)
    if who == "without a password" and user is not None:
        user.set_unusable_password()
        user.save()
        client.force_login(user)
    shown = set()
    for name in dict.fromkeys(names(urlpatterns)):
        arguments = {}
        if name in ("mfa_edit_webauthn", "mfa_remove_webauthn"):
            key = {"user": user, "type": "webauthn", "data": {"name": "Key"}}
            arguments = {"pk": Authenticator.objects.create(**key).pk if user else 1}
        if name in ("account_confirm_email", "account_reset_password_from_key"):
            continue  # below
        response = client.get(reverse(name, kwargs=arguments))
        Authenticator.objects.all().delete()
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            expect_ours(response)
            shown.add(name)
    assert len(shown) >= (4 if user is None else 10), shown


def test_the_links_of_messages_are_ours() -> None:
    user = make_agent("alice")
    client = client_of()
    address = EmailAddress.objects.create(user=user, email="alice@shop.example")
    for key in (EmailConfirmationHMAC(address).key, "x"):
        expect_ours(client.get(reverse("account_confirm_email", args=[key])))
    token = default_token_generator.make_token(user)
    for key in (token, "x-y"):
        place = {"uidb36": user_pk_to_url_str(user), "key": key}
        expect_ours(client.get(reverse("account_reset_password_from_key", kwargs=place), follow=True))
    expect_ours(client.get(reverse("account_reset_password_from_key_done")))


@pytest.mark.parametrize("path", ["", "signup/", "login/cancelled/", "login/error/"])
def test_nothing_of_allauth_logs_in_with_facebook(path: str) -> None:
    assert client_of(make_agent()).get(f"/accounts/3rdparty/{path}").status_code == 404
    assert client_of(make_admin()).get("/accounts/social/connections/").status_code == 404


# --- The first page, and the way back
def test_the_account_shows_its_parts_and_both_menus_lead_to_it() -> None:
    client = client_of(make_admin())
    for page in ("/inbox/", "/admin/"):
        assert 'href="/accounts/"' in html_of(client.get(page))
    page = html_of(client.get("/accounts/"))
    for part in ("email", "password/change", "2fa", "sessions", "linked-facebook"):
        assert f'href="/accounts/{part}/"' in page


@pytest.mark.parametrize(
    ("came_from", "leads_to", "words"),
    [
        ("/admin/people/?q=a", "/admin/people/?q=a", "Back to Setup"),
        ("/inbox/7/?view=mine", "/inbox/7/?view=mine", "Back to the inbox"),
        ("/accounts/sessions/", "/", "Back to Desk"),
        ("//evil.example/admin/", "/", "Back to Desk"),
    ],
)
def test_the_pages_lead_back_to_where_one_came_from(came_from: str, leads_to: str, words: str) -> None:
    client = client_of(make_admin())
    origin = "http:" if came_from.startswith("//") else "http://testserver"
    client.get("/accounts/", headers={"Referer": f"{origin}{came_from}"})
    link = f'<a href="{leads_to}">← {words}</a>'
    assert link in html_of(client.get("/accounts/sessions/", headers={"Referer": "http://testserver/accounts/"}))


def test_a_referer_that_is_no_address_is_left_out() -> None:
    assert client_of().get("/accounts/login/", headers={"Referer": "http://["}).status_code == 200


# --- Facebook
def test_linked_facebook_accounts_are_listed_for_who_linked_them() -> None:
    admin, other = make_admin(), make_admin("other")
    channel = make_channel(name="Berlin")
    account = channel.page.facebook_account
    assert account is not None
    FacebookAccount.objects.filter(pk=account.pk).update(linked_by=admin)
    page = html_of(client_of(admin).get("/accounts/linked-facebook/"))
    for part in (str(account), channel.page.name, "Berlin", "does not expire"):
        assert part in page
    assert str(account) not in html_of(client_of(other).get("/accounts/linked-facebook/"))
    agent = client_of(make_agent())
    assert agent.get("/accounts/linked-facebook/").status_code == 403
    assert "linked-facebook" not in html_of(agent.get("/accounts/"))


# --- The e-mail address
def test_a_new_address_holds_once_its_link_is_opened(mailoutbox: list[EmailMessage]) -> None:
    user = make_user("alice", email="old@shop.example")
    client = client_of(user)
    page = html_of(client.post("/accounts/email/", {"email": "New@shop.example"}, follow=True))
    assert "Open the link that was sent to <b>new@shop.example</b>" in page
    run_queued_tasks()
    user.refresh_from_db()
    assert user.email == "old@shop.example"
    [message] = mailoutbox
    assert message.to == ["new@shop.example"]
    found = re.search(r"/accounts/confirm-email/\S+/", str(message.body))
    assert found
    assert "becomes the address of alice" in html_of(client.get(found[0]))
    assert client.post(found[0])["Location"] == "/accounts/email/"
    user.refresh_from_db()
    assert user.email == "new@shop.example"
    run_queued_tasks()
    assert [each.to for each in mailoutbox[1:]] == [["old@shop.example"]]
    assert (
        "changed from old@shop.example to new@shop.example"
        in AuditEntry.objects.get(action="email", sentence__contains="changed").sentence
    )


def test_a_waiting_address_can_be_dropped_and_replaced() -> None:
    user = make_user("alice", email="old@shop.example")
    client = client_of(user)
    for email in ("one@shop.example", "two@shop.example"):
        client.post("/accounts/email/", {"email": email})
    assert set(EmailAddress.objects.values_list("email", flat=True)) == {"old@shop.example", "two@shop.example"}
    client.post("/accounts/email/", {"cancel": "yes"})
    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["old@shop.example"]
    user.refresh_from_db()
    assert user.email == "old@shop.example"


def test_who_asks_for_a_link_too_soon_is_told_and_keeps_what_waits(mailoutbox: list[EmailMessage]) -> None:
    user = make_user("alice", email="old@shop.example")
    client = client_of(user)
    for email in ("one@shop.example", "two@shop.example"):
        client.post("/accounts/email/", {"email": email})
    answer = client.post("/accounts/email/", {"email": "one@shop.example"})
    assert answer.status_code == 422
    assert "A link was sent to this address moments ago." in html_of(answer)
    assert addresses.waiting(user) == "two@shop.example"
    run_queued_tasks()
    assert [message.to for message in mailoutbox] == [["one@shop.example"], ["two@shop.example"]]


NEW_PASSWORD = "another-long-passphrase-7"
BOTH = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}


def change_password(user: User) -> None:
    client_of(user).post("/accounts/password/change/", {"oldpassword": PASSWORD, **BOTH})


def set_password_in_setup(user: User) -> None:
    client_of(make_admin()).post(f"/admin/desk/user/{user.pk}/password/", {"usable_password": "true", **BOTH})


def change_address_in_setup(user: User) -> None:
    fields = person_form(User.objects.get(pk=user.pk), email="set@shop.example")
    client_of(make_admin()).post(f"/admin/people/{user.pk}/", fields)


def deactivate_in_setup(user: User) -> None:
    admin = client_of(make_admin())
    admin.post(f"/admin/people/{user.pk}/deactivate/", {"successor": ""})
    assert not User.objects.get(pk=user.pk).is_active


def test_a_link_brings_no_address_that_somebody_else_has_by_now() -> None:
    user = make_user("alice", email="old@shop.example")
    client_of(user).post("/accounts/email/", {"email": "new@shop.example"})
    link = EmailConfirmationHMAC(EmailAddress.objects.get(email="new@shop.example")).key
    make_user("bob", email="New@shop.example")
    answer = client_of(user).post(reverse("account_confirm_email", args=[link]), follow=True)
    assert "Somebody with this address exists already" in html_of(answer)
    assert User.objects.get(pk=user.pk).email == "old@shop.example"
    assert not addresses.waiting(user)


def test_who_is_deactivated_has_no_address_that_waits() -> None:
    user = make_user("alice", email="old@shop.example")
    client_of(user).post("/accounts/email/", {"email": "new@shop.example"})
    deactivate_in_setup(user)
    assert not addresses.waiting(user)


@pytest.mark.parametrize("change", [change_password, set_password_in_setup, change_address_in_setup])
def test_a_link_for_another_address_works_no_longer_once_somebody_is_shut_out(change: Callable[[User], None]) -> None:
    user = make_user("alice", email="old@shop.example")
    client_of(user).post("/accounts/email/", {"email": "thief@elsewhere.example"})
    link = EmailConfirmationHMAC(EmailAddress.objects.get(email="thief@elsewhere.example")).key
    change(user)
    after = User.objects.get(pk=user.pk)
    assert (after.email, after.password) != (user.email, user.password)
    client_of().post(reverse("account_confirm_email", args=[link]))
    assert User.objects.get(pk=user.pk).email == after.email
    assert not addresses.waiting(after)


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("", "Enter an e-mail address."),
        ("nobody", "This is not an e-mail address."),
        ("OLD@shop.example", "This is your address already."),
        ("bob@shop.example", "Somebody with this address exists already."),
    ],
)
def test_an_address_that_cannot_be_taken_says_why(email: str, sentence: str, mailoutbox: list[EmailMessage]) -> None:
    make_user("bob", email="Bob@shop.example")
    client = client_of(make_user("alice", email="old@shop.example"))
    answer = client.post("/accounts/email/", {"email": email})
    assert answer.status_code == 422
    assert sentence in html_of(answer)
    run_queued_tasks()
    assert not mailoutbox


# --- Logged out meanwhile
def test_an_open_page_learns_whether_its_session_lasts() -> None:
    user = make_agent("alice")
    client = client_of(user)
    answer = client.get("/accounts/session/", headers={"X-Requested-With": "fetch"})
    assert answer.json()["user"] == user.pk
    assert len(answer.json()["csrf"]) == 64
    assert "no-store" in answer["Cache-Control"]
    client.post("/accounts/logout/")
    assert client.get("/accounts/session/").status_code == 401
    page = client.get("/accounts/again/")
    assert page["Location"] == "/accounts/login/?next=/accounts/again/"


@pytest.mark.parametrize("path", ["/inbox/", "/admin/"])
def test_the_dialog_for_the_login_is_on_every_page_that_one_types_into(path: str) -> None:
    page = html_of(client_of(make_admin()).get(path))
    assert 'id="logged-out"' in page
    assert 'href="/accounts/login/?next=/accounts/again/" target="_blank"' in page
