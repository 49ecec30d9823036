"""The password is asked for again before what is dangerous, and what was sent meanwhile is carried out after it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from channels_im.models import Channel
from desk import retention
from desk.models import Department, RetentionRule, User
from tests.factories import (
    PASSWORD,
    make_admin,
    make_agent,
    make_channel,
    make_contact,
    make_department,
    make_page,
    make_token,
)
from tests.http import Response
from tests.pages import html_of
from tickets.models import ApiToken, Contact

pytestmark = pytest.mark.django_db
ASK = "/accounts/reauthenticate/"
LATER = timedelta(minutes=6)


@pytest.fixture
def setup() -> Iterator[Client]:
    """A browser in which an administrator logged in six minutes ago."""
    client = Client()
    with time_machine.travel("2026-11-02 09:00+00:00", tick=False) as clock:
        client.force_login(make_admin())
        clock.shift(LATER)
        yield client


def confirm(client: Client, asked: Response, password: str = PASSWORD) -> Response:
    """Follow the redirect of `asked` to the page that asks for the password, and enter it."""
    page, _, target = asked["Location"].partition("?next=")
    assert page == ASK
    assert "Confirm that it is you" in html_of(client.get(asked["Location"]))
    return client.post(ASK, {"password": password, "next": target.replace("%2F", "/")})


def token_form(user: User) -> dict[str, object]:
    return {"user": user.pk, "name": "CRM", "scopes": ["read"]}


def test_a_token_is_made_for_the_user_who_was_chosen_before(setup: Client) -> None:
    user = make_agent("alice")
    asked = setup.post(reverse("programs:token_make"), token_form(user))
    assert not ApiToken.objects.exists()
    page = html_of(confirm(setup, asked))
    assert ApiToken.objects.get(user=user, name="CRM").prefix in page


def test_a_wrong_password_carries_out_nothing(setup: Client) -> None:
    user = make_agent("alice")
    asked = setup.post(reverse("programs:token_make"), token_form(user))
    confirm(setup, asked, "wrong")
    assert not ApiToken.objects.exists()
    confirm(setup, asked)  # what was chosen is still there
    assert ApiToken.objects.filter(user=user).exists()


def test_revoking_a_token_asks(setup: Client) -> None:
    make_token(make_agent("alice"))
    token = ApiToken.objects.get()
    assert setup.post(reverse("programs:token_revoke", args=[token.pk]))["Location"].startswith(ASK)
    token.refresh_from_db()
    assert token.revoked_at is None


def test_deleting_a_channel_asks(setup: Client) -> None:
    channel = make_channel()
    asked = setup.post(reverse("setup:messenger_delete", args=[channel.pk]))
    assert not Channel.objects.get().is_deleted
    assert confirm(setup, asked)["Location"] == reverse("setup:messenger")
    assert Channel.objects.get().is_deleted


def test_erasing_a_person_asks_and_keeps_the_name(setup: Client) -> None:
    contact = make_contact(make_page(), name="Clara")
    asked = setup.post(reverse("admin:tickets_contact_erase", args=[contact.pk]), {"typed_name": "clara"})
    assert Contact.objects.get().name == "Clara"
    confirm(setup, asked)
    assert Contact.objects.get().name != "Clara"


def test_deleting_a_department_asks(setup: Client) -> None:
    department = make_department()
    asked = setup.post(reverse("admin:desk_department_delete", args=[department.pk]), {"post": "yes"})
    assert Department.objects.exists()
    confirm(setup, asked)
    assert not Department.objects.exists()


def test_deleting_several_asks_and_keeps_which(setup: Client) -> None:
    kept, gone = make_department(), make_department()
    url = f"{reverse('admin:desk_department_changelist')}?q={gone.name}"
    fields = {"action": "delete_selected", "_selected_action": [gone.pk], "post": "yes"}
    asked = setup.post(url, fields)
    assert Department.objects.count() == 2
    confirm(setup, asked)
    assert Department.objects.get() == kept


def test_changes_of_the_two_step_login_ask(setup: Client) -> None:
    assert setup.get("/accounts/2fa/totp/activate/")["Location"].startswith(ASK)
    assert setup.get("/accounts/2fa/webauthn/add/")["Location"].startswith(ASK)


def test_another_email_address_asks(setup: Client) -> None:
    """A link for a new password would go there."""
    asked = setup.post("/accounts/email/", {"action_add": "", "email": "new@shop.example"})
    assert asked["Location"].startswith(ASK)


def test_nobody_is_asked_twice_in_a_row(setup: Client) -> None:
    first, second = make_department(), make_department()
    confirm(setup, setup.post(reverse("admin:desk_department_delete", args=[first.pk]), {"post": "yes"}))
    setup.post(reverse("admin:desk_department_delete", args=[second.pk]), {"post": "yes"})
    assert not Department.objects.exists()


def test_a_login_counts_as_the_password() -> None:
    make_admin("admin")
    client, department = Client(), make_department()
    client.post("/accounts/login/", {"login": "admin", "password": PASSWORD})
    client.post(reverse("admin:desk_department_delete", args=[department.pk]), {"post": "yes"})
    assert not Department.objects.exists()


def test_what_is_kept_holds_no_cookie(setup: Client) -> None:
    setup.post(reverse("programs:token_make"), {"user": "1"}, headers={"Authorization": "Bearer secret-token"})
    kept = str(setup.session["account_reauthentication_state"])
    assert "csrfmiddlewaretoken" in kept or "user=1" in kept
    assert "secret-token" not in kept
    assert str(setup.session.session_key) not in kept


def test_without_password_and_second_step_the_reason_is_said(setup: Client) -> None:
    user = User.objects.get()
    user.set_unusable_password()
    user.save()
    setup.force_login(user)
    with time_machine.travel("2026-11-02 10:00+00:00", tick=False):
        answer = setup.post(reverse("programs:token_make"), {"user": "1"})
    assert answer.status_code == 403
    assert "needs your password again" in html_of(answer)


@pytest.mark.parametrize("method", ["get", "post"])
def test_setting_a_password_asks_first_and_keeps_no_password(setup: Client, method: str) -> None:
    admin = User.objects.get()
    url = reverse("admin:auth_user_password_change", args=[admin.pk])
    answer = getattr(setup, method)(url, {"password1": "a-new-password-1", "password2": "a-new-password-1"})
    assert answer["Location"].startswith(f"{ASK}?next=")
    assert "a-new-password-1" not in str(dict(setup.session))
    admin.refresh_from_db()
    assert admin.check_password(PASSWORD)


def test_changing_a_user_a_webhook_and_retention_ask(setup: Client) -> None:
    user = make_agent("alice")
    urls = [reverse("people:person", args=[user.pk]), reverse("people:invite"), reverse("programs:event_add")]
    urls += [reverse(f"people:{name}", args=[user.pk]) for name in ("deactivate", "activate", "resend", "revoke")]
    for url in urls:
        assert setup.post(url, {"username": "mallory", "name": "Mine", "url": "https://x.example"})[
            "Location"
        ].startswith(ASK)
    days = {name: "" for name in retention.current_days()}
    assert setup.post(reverse("retention"), {**days, "save": "yes"})["Location"].startswith(ASK)
    user.refresh_from_db()
    assert user.username == "alice"
    assert not RetentionRule.objects.exists()
