"""The privacy policy: written in Setup, shown to everybody as text, and the page on data deletion."""

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from channels_im.models import PrivacyPolicy
from channels_im.services.go_live import policy
from desk.models import AuditEntry
from tests.pages import html_of

URL = "/admin/instant-messaging/messenger/go-live/privacy-policy/"
PUBLIC, DELETION = "/privacy/", "/privacy/data-deletion/"
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def save(setup: Client, text: str = "We keep it.", contact: str = "privacy@example.com") -> int:
    return setup.post(URL, {"text": text, "contact": contact}).status_code


@pytest.mark.django_db
def test_before_it_is_published_the_address_says_so() -> None:
    response = Client().get(PUBLIC)
    assert response.status_code == 404
    assert "No privacy policy is published here yet." in html_of(response)
    assert "{contact}" not in html_of(response)


def test_the_form_begins_with_a_text_that_names_the_contact_of_the_settings(setup: Client, settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Desk <help@example.com>"
    page = html_of(setup.get(URL))
    assert 'value="help@example.com"' in page
    assert "responsible for the data" in page
    settings.DEFAULT_FROM_EMAIL = "desk@localhost"
    assert "desk@localhost" not in html_of(setup.get(URL))


def test_the_text_to_begin_with_is_published_only_when_it_is_completed(setup: Client) -> None:
    assert save(setup, policy.BEGINNING) == 422
    assert not PrivacyPolicy.objects.exists()
    assert save(setup, policy.BEGINNING.replace(policy.COMPANY_GAP, "Berg Bikes, Kiel,")) == 302
    page = html_of(Client().get(PUBLIC))
    assert "Berg Bikes, Kiel, runs this help desk" in page
    assert "<h2>Who we are</h2>" in page
    assert "write to privacy@example.com" in page
    assert "{contact}" not in page


def test_paragraphs_headings_and_lines_are_shown(setup: Client) -> None:
    save(setup, "# First\r\n\r\nOne\r\nline\r\n \t\r\n\r\nTwo\r\n# Second\r\n#3 in\r\nthe list\r\n\r\nLast")
    page = html_of(Client().get(PUBLIC))
    assert "<h2>First</h2>" in page
    assert "<p>One<br>line</p>" in page
    assert "<p>Two</p><h2>Second</h2><p>#3 in<br>the list</p>" in re.sub(r">\s+<", "><", page)
    assert "<p>Last</p>" in page


def test_what_looks_like_html_is_shown_as_text(setup: Client) -> None:
    save(setup, f"# {ATTACK}\n\n{ATTACK}\n\n{{contact}}", f"{ATTACK}@example.com")
    for url in (PUBLIC, DELETION):
        response = Client().get(url)
        page = html_of(response)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "<script>alert" not in html_of(setup.get(URL))


def test_template_syntax_and_other_braces_stay_as_they_are(setup: Client) -> None:
    save(setup, "{{ settings.SECRET_KEY }} {% now 'Y' %} {0} {contact}")
    page = html_of(Client().get(PUBLIC))
    assert "{{ settings.SECRET_KEY }} {% now &#x27;Y&#x27; %} {0} privacy@example.com" in page


@pytest.mark.parametrize(
    ("text", "contact", "sentence"),
    [
        ("", "a@example.com", "Write the privacy policy."),
        (" \n ", "a@example.com", "Write the privacy policy."),
        ("Text", "", "Say whom people can ask"),
        ("Text", "a" * 201, "At most 200 characters."),
        ("x" * 50_001, "a@example.com", "At most 50,000 characters."),
    ],
)
def test_what_cannot_be_published_is_refused_and_stays_in_the_form(
    setup: Client, text: str, contact: str, sentence: str
) -> None:
    response = setup.post(URL, {"text": text, "contact": contact})
    assert response.status_code == 422
    assert sentence in html_of(response)
    assert not PrivacyPolicy.objects.exists()


def test_a_text_with_nul_is_refused(setup: Client) -> None:
    assert save(setup, "a\x00b") == 422
    assert save(setup, "a", "b\x00") == 422


def test_changes_are_in_the_history_and_seen_at_once(setup: Client) -> None:
    save(setup, "First text")
    save(setup, "Second text")
    page = html_of(Client().get(PUBLIC))
    assert "Second text" in page
    assert "First text" not in page
    sentences = AuditEntry.objects.filter(sentence__contains="Privacy policy").order_by("pk")
    assert [entry.sentence for entry in sentences] == ["Privacy policy published.", "Privacy policy changed."]


def test_the_public_pages_need_no_login_and_one_query(
    setup: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    save(setup)
    for url in (PUBLIC, DELETION):
        with django_assert_num_queries(1):
            response = Client().get(url)
        assert response.status_code == 200
        assert "privacy@example.com" in html_of(response)
        assert Client().post(url).status_code == 405


@pytest.mark.django_db
def test_the_page_on_data_deletion_works_before_there_is_a_policy() -> None:
    page = html_of(Client().get(DELETION))
    assert "Apps and websites" in page
    assert PUBLIC + '"' not in page
