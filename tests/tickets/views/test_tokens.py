"""Setup → API tokens, and the offer to revoke them with a new password."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from desk.models import AuditEntry, User
from tests import factories
from tests.http import Response
from tests.matching import search
from tests.pages import html_of
from tickets.models import ApiToken
from tickets.services.webhooks import api_tokens

pytestmark = pytest.mark.django_db
TOKENS = "/admin/programs/tokens/"
PASSWORD, NEW = "desk-demo", "another-Passw0rd-9"


@pytest.fixture
def administrator() -> User:
    return factories.make_admin()


@pytest.fixture
def setup(administrator: User) -> Client:
    return client_of(administrator)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff(*codenames: str) -> User:
    user = factories.make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def text(response: Response) -> str:
    return html_of(response)


def form(person: User, **fields: Any) -> dict[str, Any]:
    day = timezone.localdate() + timedelta(days=30)
    return {"user": person.pk, "name": "CRM", "scopes": ["read", "reply"], "expires": f"{day:%Y-%m-%d}"} | fields


def status_with(key: str) -> int:
    return Client().get("/api/v1/channels/", headers={"Authorization": f"Token {key}"}).status_code


def test_a_token_is_made_shown_once_and_revoked(setup: Client, administrator: User) -> None:
    alice = factories.make_agent("alice")
    page = setup.post(f"{TOKENS}make/", form(alice))
    key = search(r'value="(desk_\w+)"', text(page))[1]
    assert "no-store" in page["Cache-Control"]
    assert status_with(key) == 200
    token = ApiToken.objects.get()
    assert (token.user, token.created_by, token.name, token.scopes) == (alice, administrator, "CRM", ["read", "reply"])
    assert timezone.localdate(token.expires_at) == timezone.localdate() + timedelta(days=30)

    listed = text(setup.get(TOKENS))
    assert key not in listed
    assert token.digest not in listed
    for shown in ("CRM", token.prefix, "alice", "read, reply", f"by {administrator}"):
        assert shown in listed

    setup.post(f"{TOKENS}{token.pk}/revoke/")
    assert status_with(key) == 401
    assert "Revoked" in text(setup.get(TOKENS))
    assert "was revoked already" in text(setup.post(f"{TOKENS}{token.pk}/revoke/", follow=True))
    lines = list(AuditEntry.objects.filter(action="token").order_by("pk").values_list("actor__username", "sentence"))
    assert [name for name, _sentence in lines] == ["admin", "admin"]
    assert f"API token CRM ({token.prefix}…) created: read, reply, until" in lines[0][1]
    assert lines[1][1] == f"API token CRM ({token.prefix}…) revoked."


def test_a_user_has_several_and_a_year_is_offered(setup: Client) -> None:
    alice = factories.make_agent("alice")
    for name in ("CRM", "Shop"):
        setup.post(f"{TOKENS}make/", form(alice, name=name, expires=""))
    assert set(ApiToken.objects.values_list("name", "expires_at")) == {("CRM", None), ("Shop", None)}
    assert f'value="{timezone.localdate() + timedelta(days=365):%Y-%m-%d}"' in text(setup.get(TOKENS))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"user": ""}, "Choose a user for the token."),
        ({"user": "٣"}, "You cannot create a token for this user."),
        ({"user": "9" * 30}, "You cannot create a token for this user."),
        ({"name": " "}, "Give the token a name"),
        ({"name": "x" * 81}, "at most 80 characters"),
        ({"scopes": []}, "Choose at least one thing"),
        ({"scopes": ["all"]}, "Select a valid choice"),
        ({"expires": "2020-01-01"}, "This day is over."),
        ({"expires": "tomorrow"}, "Enter a day as YYYY-MM-DD"),
        ({"expires": "9999-12-31"}, ""),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(setup: Client, wrong: dict[str, Any], sentence: str) -> None:
    alice = factories.make_agent("alice")
    page = setup.post(f"{TOKENS}make/", form(alice, **({"name": "Typed"} | wrong)))
    if sentence:
        assert page.status_code == 422
        assert sentence in text(page)
        assert "name" in wrong or 'value="Typed"' in text(page)
        assert not ApiToken.objects.exists()
    else:
        assert page.status_code == 200


def test_no_administrator_makes_a_token_of_somebody_who_may_more(administrator: User) -> None:
    other = staff("view_apitoken", "add_apitoken", "delete_apitoken")
    client = client_of(other)
    agent, colleague = factories.make_agent("alice"), factories.make_user("boss", is_staff=True)
    auditor = factories.make_user("auditor")
    auditor.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    page = text(client.get(TOKENS))
    assert "alice" in page
    for person in (administrator, colleague, auditor):
        assert f'<option value="{person.pk}"' not in page
        assert client.post(f"{TOKENS}make/", form(person)).status_code == 422
    assert not ApiToken.objects.exists()
    for person in (agent, other):
        assert client.post(f"{TOKENS}make/", form(person)).status_code == 200
    key = factories.make_token(administrator)
    token = ApiToken.objects.get(user=administrator)
    assert "You cannot create or revoke a token" in text(client.post(f"{TOKENS}{token.pk}/revoke/", follow=True))
    assert status_with(key) == 200


def test_tokens_are_for_who_may_make_them() -> None:
    alice = factories.make_agent("alice")
    factories.make_token(alice)
    posts = [f"{TOKENS}make/", f"{TOKENS}{ApiToken.objects.get().pk}/revoke/"]
    for client, expected in (
        (client_of(staff("view_apitoken")), 403),
        (client_of(staff()), 403),
        (client_of(alice), 403),
        (Client(), 302),
    ):
        assert [client.post(address, form(alice)).status_code for address in posts] == [expected] * 2
    assert ApiToken.objects.get().revoked_at is None
    assert client_of(staff()).get(TOKENS).status_code == 403


def test_a_key_that_no_longer_works_is_marked(setup: Client) -> None:
    alice = factories.make_agent("alice")
    factories.make_token(alice)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert "Expired" in text(setup.get(TOKENS))


# --- A new password
def change_password(client: Client, **fields: str) -> Response:
    passwords = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    return client.post("/accounts/password/change/", passwords | fields)


def test_who_changes_the_password_is_asked_about_their_tokens() -> None:
    alice = factories.make_agent("alice")
    key = factories.make_token(alice)
    client = client_of(alice)
    assert "Revoke my API token too" in text(client.get("/accounts/password/change/"))
    assert change_password(client, revoke_tokens="on").status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert status_with(key) == 401
    entries = AuditEntry.objects.filter(actor=alice).order_by("pk").values_list("action", "sentence")
    assert ("password", "Password changed.") in entries
    assert any("revoked. The password was changed." in sentence for _action, sentence in entries)


def test_who_does_not_tick_it_keeps_them() -> None:
    alice = factories.make_agent("alice")
    key = factories.make_token(alice)
    change_password(client_of(alice))
    assert status_with(key) == 200


def test_who_has_no_token_is_not_asked() -> None:
    alice = factories.make_agent("alice")
    factories.make_token(alice)
    api_tokens.revoke_all(alice, alice)
    assert "Revoke my" not in text(client_of(alice).get("/accounts/password/change/"))


def test_a_refused_password_revokes_nothing() -> None:
    alice = factories.make_agent("alice")
    key = factories.make_token(alice)
    assert change_password(client_of(alice), oldpassword="wrong", revoke_tokens="on").status_code == 200
    assert status_with(key) == 200
    assert not AuditEntry.objects.filter(action="password").exists()


def test_an_administrator_who_sets_a_password_hears_of_the_tokens(setup: Client) -> None:
    alice = factories.make_agent("alice")
    factories.make_token(alice)
    fields = {"usable_password": "true", "password1": NEW, "password2": NEW, "set-password": "1"}
    page = text(setup.post(f"/admin/desk/user/{alice.pk}/password/", fields, follow=True))
    assert "lice has 1 API token that still works." in page
    entry = AuditEntry.objects.get(action="password")
    assert (entry.actor_name, entry.object_name, entry.sentence) == ("admin", "alice", "Password set in Setup.")


def test_setup_leads_to_the_common_page_for_the_own_password(setup: Client) -> None:
    assert setup.get("/admin/password_change/")["Location"] == "/accounts/password/change/"
