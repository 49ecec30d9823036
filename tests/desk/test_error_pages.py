"""What people see when something goes wrong: a page of Desk with the right status, a reason and a way back."""

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.test import Client, override_settings
from pytest_django import DjangoAssertNumQueries

from desk import body_limits, error_pages, unavailable
from desk.models import User
from tests import database_faults
from tests.factories import make_admin, make_agent, make_department
from tests.pages import html_of


@pytest.fixture
def agent(db: None) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_agent("alice"))
    return client


@pytest.fixture
def strict(db: None) -> Client:
    """A browser of an administrator, with the check of CSRF tokens."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_admin())
    return client


def test_an_unknown_address_says_so_and_leads_back(agent: Client) -> None:
    answer = agent.get("/nothing-here/")
    page = html_of(answer)
    assert answer.status_code == 404
    assert "Page not found" in page
    assert 'href="/inbox/">Go to the inbox</a>' in page
    assert "Go to Setup" not in page
    assert "Go to Setup" in html_of(agent.get("/admin/instant-messaging/nothing/"))


def test_a_script_gets_the_sentence_alone(agent: Client) -> None:
    answer = agent.get("/nothing-here/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content.decode()) == (404, error_pages.NOT_FOUND)


def test_a_missing_permission_is_named(db: None) -> None:
    admin, department = make_agent("bob"), make_department()
    User.objects.update(is_staff=True)
    client = Client()
    client.force_login(admin)
    page = html_of(client.get(f"/admin/desk/department/{department.pk}/delete/"))
    assert "Your account may not delete departments. Ask an administrator for this permission." in page
    assert f"You are logged in as <b>{admin}</b>" in page
    assert "may not add channels" in html_of(client.get("/admin/instant-messaging/messenger/add/"))


def test_a_method_that_is_not_allowed_has_a_page(agent: Client) -> None:
    answer = agent.put("/inbox/")
    assert answer.status_code == 405
    assert answer["Allow"]
    assert "This cannot be opened" in html_of(answer)


def test_too_many_attempts_have_a_page(client: Client) -> None:
    answer = error_pages.handler_429(client.get("/healthz").wsgi_request)
    assert (answer.status_code, "Wait a few minutes" in html_of(answer)) == (429, True)


@override_settings(DEBUG=False, ALLOWED_HOSTS=["testserver"])
def test_an_unreadable_request_has_a_page(client: Client) -> None:
    answer = client.get("/inbox/", headers={"Host": "evil.example"})
    assert (answer.status_code, "This request cannot be read" in html_of(answer)) == (400, True)


def test_a_broken_database_still_has_a_page_with_the_request(agent: Client) -> None:
    with database_faults.failing("SELECT"):
        answer = agent.get("/inbox/", headers={"X-Request-ID": "quote-me-1"})
    page = html_of(answer)
    assert answer.status_code == 503
    assert unavailable.DATABASE in page
    assert "quote-me-1" in page
    assert 'href="/inbox/">Try again</a>' in page


def test_error_pages_need_no_query_and_no_list_of_static_files(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    def missing(name: str) -> str:
        raise ValueError(f"Missing staticfiles manifest entry for {name!r}")

    request = client.get("/healthz").wsgi_request
    monkeypatch.setattr(staticfiles_storage, "url", missing)
    with django_assert_num_queries(0):
        answer = unavailable.server_error(request)
    assert (answer.status_code, "/static/desk/base.css" in html_of(answer)) == (500, True)


def test_a_body_that_is_too_large_has_a_page_for_people_only() -> None:
    scope = {"path": "/admin/desk/department/", "method": "POST", "headers": [(b"accept", b"text/html,*/*")]}
    error = body_limits.BodyTooLargeError(body_limits.MIB)
    page = error_pages.for_refused_body(scope, error.status, error.sentence)
    assert page is not None
    assert b"at most 1 MB" in page
    assert error_pages.NOT_SAVED.encode() in page
    assert error_pages.for_refused_body({**scope, "headers": []}, 413, error.sentence) is None


def test_a_form_from_another_site_is_refused_and_not_shown(strict: Client) -> None:
    url = "/admin/desk/department/add/"
    token = strict.get(url).context["csrf_token"]
    fields = {"name": "Sales", "csrfmiddlewaretoken": str(token)}
    answer = strict.post(url, fields, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert error_pages.FOREIGN in html_of(answer)
    assert "Sales" not in html_of(answer)
