"""What was typed before a logout, or into a page that became outdated, comes back to its user, and to nobody else."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from desk import error_pages
from desk.accounts import kept_forms
from desk.models import Department, User
from tests.factories import PASSWORD, make_admin
from tests.http import Response
from tests.pages import html_of

pytestmark = pytest.mark.django_db
ADD = "/admin/desk/department/add/"
LOGIN = "/accounts/login/"


@pytest.fixture
def setup() -> Client:
    """A browser that checks CSRF tokens, in which an administrator has logged in by the form."""
    make_admin("admin")
    make_admin("other")
    client = Client(enforce_csrf_checks=True)
    log_in(client, "admin")
    return client


def token_of(response: Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', response.content.decode())
    assert found
    return found[1]


def log_in(client: Client, name: str, target: str = "/admin/") -> Response:
    token = token_of(client.get(LOGIN))
    fields = {"login": name, "password": PASSWORD, "next": target, "csrfmiddlewaretoken": token}
    return client.post(LOGIN, fields)


def log_out(client: Client) -> None:
    client.post("/accounts/logout/", {"csrfmiddlewaretoken": token_of(client.get(ADD))})


def typed(client: Client) -> dict[str, str]:
    """Return the fields of the form *Add department*, filled in."""
    page = client.get(ADD)
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.content.decode())
    return {**dict(hidden), "name": "Sales & Söhne", "_save": "Save"}


def save_what_was_kept(client: Client, page: Response) -> Response:
    html = page.content.decode()
    form = html[html.index(f'action="{ADD}"') :]
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[: form.index("</form>")]))
    return client.post(ADD, {name: value.replace("&amp;", "&") for name, value in fields.items()})


def test_a_form_that_is_sent_after_the_logout_comes_back_after_the_login(setup: Client) -> None:
    fields = typed(setup)
    log_out(setup)  # in another tab
    answer = setup.post(ADD, fields)
    assert answer["Location"] == f"{LOGIN}?next=%2Faccounts%2Fkept%2F"
    assert kept_forms.IS_KEPT in html_of(setup.get(answer["Location"]))
    assert log_in(setup, "admin", "/accounts/kept/")["Location"] == "/accounts/kept/"
    page = setup.get("/accounts/kept/")
    assert "Sales &amp; Söhne" in html_of(page)
    assert save_what_was_kept(setup, page).status_code == 302
    assert Department.objects.get().name == "Sales & Söhne"
    assert kept_forms.KEPT not in setup.session


def test_a_form_with_an_old_token_comes_back_at_once(setup: Client) -> None:
    fields = typed(setup)
    log_out(setup)
    log_in(setup, "admin")
    page = setup.post(ADD, fields)
    assert page.status_code == 403
    assert not Department.objects.exists()
    save_what_was_kept(setup, page)
    assert Department.objects.get().name == "Sales & Söhne"


def test_another_user_of_the_browser_never_sees_it(setup: Client) -> None:
    fields = typed(setup)
    log_out(setup)
    setup.post(ADD, fields)
    log_in(setup, "other")
    assert kept_forms.KEPT not in setup.session
    assert setup.get("/accounts/kept/")["Location"] == "/"
    page = html_of(setup.post(ADD, fields))  # from the tab of the first user
    assert error_pages.OTHER_USER.partition(",")[0] in page
    assert "Söhne" not in page


def test_it_is_kept_for_minutes_only(setup: Client) -> None:
    fields = typed(setup)
    log_out(setup)
    log_in(setup, "admin")
    setup.post(ADD, fields)
    with time_machine.travel(timedelta(seconds=kept_forms.KEPT_S + 1)):
        assert setup.get("/accounts/kept/")["Location"] == "/"


def test_an_unknown_token_keeps_and_shows_nothing(setup: Client) -> None:
    answer = setup.post(ADD, {"name": "Forged", "csrfmiddlewaretoken": "a" * 64})
    assert answer.status_code == 403
    assert error_pages.OUTDATED in html_of(answer)
    assert kept_forms.KEPT not in setup.session


def test_an_outdated_page_after_the_logout_leads_to_the_login(setup: Client) -> None:
    log_out(setup)
    page = html_of(setup.post(ADD, {"name": "Sales", "csrfmiddlewaretoken": "a" * 64}))
    assert "You were logged out meanwhile" in page
    assert f'href="{LOGIN}"' in page


def test_deletions_are_never_kept(setup: Client) -> None:
    department = Department.objects.create(name="Sales")
    url = reverse("admin:desk_department_delete", args=[department.pk])
    fields = {"post": "yes", "csrfmiddlewaretoken": token_of(setup.get(url))}
    log_out(setup)
    assert setup.post(url, fields)["Location"] == f"/admin/login/?next={url}"
    assert kept_forms.KEPT not in setup.session


def test_a_canned_reply_in_the_account_is_kept_too(setup: Client) -> None:
    url = "/accounts/canned-replies/add/"
    fields = {"shortcut": "thanks", "text": "Thank you, {{name}}!", "csrfmiddlewaretoken": token_of(setup.get(url))}
    log_out(setup)
    assert setup.post(url, fields)["Location"] == f"{LOGIN}?next=%2Faccounts%2Fkept%2F"
    log_in(setup, "admin", "/accounts/kept/")
    page = html_of(setup.get("/accounts/kept/"))
    assert "Thank you, {{name}}!" in page
    assert f'action="{url}"' in page


def test_passwords_are_left_out_when_the_password_is_asked_again(setup: Client) -> None:
    url = reverse("admin:auth_user_password_change", args=[User.objects.get(username="admin").pk])
    fields = {
        "note": "newcomer", "password1": "a-new-password-1", "password2": "a-new-password-1",
        "csrfmiddlewaretoken": token_of(setup.get(url)),
    }  # fmt: skip
    with time_machine.travel(timedelta(minutes=6)):
        assert setup.post(url, fields)["Location"].endswith("?next=%2Faccounts%2Fkept%2F")
        assert "a-new-password-1" not in str(dict(setup.session))
        page = html_of(setup.get("/accounts/kept/"))
    assert "newcomer" in page
    assert "Not kept: passwords and codes" in page
    assert not User.objects.get(username="admin").check_password("a-new-password-1")


def test_a_second_login_in_another_tab_is_no_error(setup: Client) -> None:
    client = Client(enforce_csrf_checks=True)
    token = token_of(client.get(LOGIN))
    log_in(client, "admin")
    fields = {"login": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post(LOGIN, fields)["Location"] == "/"
