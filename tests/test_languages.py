"""Whose language a page, an error, an e-mail and the API have; and that every page speaks all of them."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from channels_im.models import Channel, FacebookAccount
from desk import languages
from desk.models import User
from desk.sentences import sentence
from tests import factories as make
from tests import untranslated
from tests.pseudo_language import CODE, left_out, pseudo_language
from tests.test_translations import texts_of
from tickets.models import ApiToken, CannedReply
from tickets.services.webhooks import subscriptions

OTHERS = [code for code, _name in settings.LANGUAGES if code != "en"]
LOGIN_WORDS = {"en": "Log in", "de": "Anmelden", "fr": "Se connecter", "es": "Iniciar sesión", "ar": "تسجيل الدخول"}
NOT_FOLLOWED = re.compile(r"^/(static|api|media|texts|webhooks|meta|files)/|logout|export|\.csv|/file|/history/.*csv")
MAX_PAGES = 250


# --- whose language ---------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize("code", LOGIN_WORDS)
def test_a_stranger_reads_the_language_of_their_browser(client: Client, code: str) -> None:
    response = client.get("/accounts/login/", headers={"accept-language": f"{code}-XX,{code};q=0.9,en;q=0.5"})
    direction = "rtl" if code == "ar" else "ltr"
    assert f'<html lang="{code}" dir="{direction}"' in response.content.decode()
    assert LOGIN_WORDS[code] in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("asked", ["", "xx", "zh-CN", "de;q=x", "*", "\x00", "a" * 5000, ",,,;;;"])
def test_a_language_that_desk_does_not_speak_is_english(client: Client, asked: str) -> None:
    response = client.get("/accounts/login/", headers={"accept-language": asked})
    assert '<html lang="en" dir="ltr"' in response.content.decode()


@pytest.mark.django_db
def test_the_language_a_person_chose_is_that_of_their_pages_whatever_the_browser_asks_for(client: Client) -> None:
    user = make.make_admin(language="fr")
    client.force_login(user)
    for path in ("/admin/", "/inbox/", "/accounts/", "/nothing-here/"):
        response = client.get(path, headers={"accept-language": "de"})
        assert '<html lang="fr" dir="ltr"' in response.content.decode(), path
    User.objects.update(language="")
    assert 'lang="de"' in client.get("/admin/", headers={"accept-language": "de"}).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["xx", "it", "../de", "de/..", "\x04"])
def test_a_choice_that_desk_does_not_speak_any_more_is_none(client: Client, code: str) -> None:
    user = make.make_admin(language=code)
    client.force_login(user)
    for path in ("/admin/", "/accounts/"):
        response = client.get(path, headers={"accept-language": "de"})
        assert (response.status_code, 'lang="de"' in response.content.decode()) == (200, True), path
    assert languages.of_person(user) == settings.LANGUAGE_CODE


@pytest.mark.django_db
def test_the_api_answers_in_english(client: Client) -> None:
    user = make.make_admin(language="de")
    key = make.make_token(user)
    wrong = client.get("/api/v1/conversations/0/", headers={"authorization": f"Bearer {key}", "accept-language": "de"})
    assert wrong.json()["detail"] == "There is no such row, or you may not see it."
    assert translation.get_language() == settings.LANGUAGE_CODE


@pytest.mark.django_db
def test_one_request_leaves_no_language_to_the_next(client: Client) -> None:
    client.force_login(make.make_admin(language="ar"))
    client.get("/admin/")
    assert translation.get_language() == settings.LANGUAGE_CODE
    assert 'lang="en"' in Client().get("/accounts/login/").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("code", OTHERS)
def test_the_texts_of_scripts_are_kept_by_the_browser_until_they_change(client: Client, code: str) -> None:
    page = client.get("/accounts/login/", headers={"accept-language": code}).content.decode()
    found = re.search(r'<script src="(/texts/[^"]+)"></script>', page)
    assert found
    texts = client.get(found[1], headers={"accept-language": "en"})
    assert texts["Cache-Control"] == "public, max-age=31536000, immutable"
    assert texts["Content-Type"].startswith("text/javascript")
    old = client.get(f"/texts/{code}/00000000.js")
    assert (old.status_code, old["Cache-Control"]) == (200, "private, no-store")
    assert client.get("/texts/xx/00000000.js").status_code == 404


# --- English that was stored ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def stored_sentences() -> list[str]:
    """The texts of desk.sentences that have values."""
    found = set()
    for path in untranslated.files():
        if path.suffix == ".py":
            found |= set(re.findall(r'\bsentence\(\s*"((?:[^"\\]|\\.)*%\(\w+\)[sd](?:[^"\\]|\\.)*)"', path.read_text()))
    known = {text for _context, text in texts_of("django")}
    return sorted(found & known)


@pytest.mark.slow
def test_every_stored_sentence_is_known_again_by_its_words(stored_sentences: list[str]) -> None:
    assert len(stored_sentences) > 50
    with pseudo_language(), translation.override(CODE):
        for message in stored_sentences:
            names = re.findall(r"%\((\w+)\)", message)
            values = {name: number if name in languages.COUNTS else f"Ω{number}Ω" for number, name in enumerate(names)}
            stored = message % values
            assert languages.translated(stored) == f"«{stored}»"


@given(st.text(), st.text(max_size=40))
def test_what_desk_did_not_write_stays_as_it_is(text: str, name: str) -> None:
    with translation.override("de"):
        translated = languages.translated(text)
        assert translated == text or languages._exactly(text) or re.search(r"\w", text)
        assert name in languages.translated(f"{name} closed ticket #5") or languages.translated(name) != name


def test_two_sentences_are_translated_one_by_one() -> None:
    with translation.override("de"):
        assert languages.translated("") == ""
        assert languages.translated(None) is None
        assert languages.translated("No such text. Nor this.") == "No such text. Nor this."


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("de", "5 May 2026 at 10:00 UTC", "5. Mai 2026"),
        ("de", "5 May 2026", "5. Mai 2026"),
        ("de", "5 May", "5. Mai"),
        ("fr", "5 May 2026, 10:00 UTC", "5 mai 2026"),
        ("ar", "5 May 2026 10:00 UTC", "5 مايو 2026"),
        ("de", "35 May 2026", "35 May 2026"),
        ("de", "1,600", "1.600"),
        ("de", "2.5", "2,5"),
        ("de", "1,60", "1,60"),
    ],
)
def test_dates_and_numbers_in_a_stored_sentence_follow_the_language(code: str, value: str, shown: str) -> None:
    stored = sentence("The note has %(count)s characters; at most %(most)s fit. Shorten it.", count=value, most=value)
    if value[0].isdigit() and " " in value:
        stored = sentence("The Facebook login of %(account)s ends on %(day)s", account="Ada", day=value)
    with translation.override(code):
        translated = languages.translated(stored)
        assert translated != stored
        assert shown in translated


def test_a_list_in_a_stored_sentence_is_joined_as_the_language_does() -> None:
    stored = sentence("Changed: %(fields_text)s.", fields_text="e-mail, phone")
    with translation.override("ar"):
        assert "، " in languages.translated(stored)
    assert languages.translated("x" * 100_000 + " closed ticket #5") == "x" * 100_000 + " closed ticket #5"


@pytest.mark.parametrize(
    ("code", "shown"),
    [("de", "„VIP“, „A, B“"), ("fr", "«\u202fVIP\u202f», «\u202fA, B\u202f»"), ("ar", "«VIP»، «A, B»")],
)
def test_names_in_a_stored_sentence_have_the_quotation_marks_of_the_language(code: str, shown: str) -> None:
    stored = sentence("labeled %(labels)s", labels="“VIP”, “A, B”")
    with translation.override(code):
        assert shown in languages.translated(stored)


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_with_values_takes_any_words_for_them(code: str) -> None:
    """A customer may write what is one of them, also one of Django: "Successfully deleted a %(items)s."."""
    with translation.override(code):
        for pattern in languages._patterns(code):
            names = re.findall(r"%\((\w+)\)", pattern.message)
            text = re.sub(r"(%\(\w+\))d", r"\1s", pattern.message) % {name: "7" for name in names}
            assert isinstance(languages.translated(text), str)


@pytest.mark.parametrize(
    "text",
    [
        "a. " * 600 + "b",
        "a. " * 20_000,
        "a\n" * 20_000,
        "“a” is b by its content, but its name does not end in " + "x or " * 300 + "x. Rename it",
        "The import of the history has failed: " + "a conversations read, b messages imported, " * 45,
    ],
)
def test_a_long_text_takes_no_long_time(text: str) -> None:
    with translation.override("de"):
        languages.translated("before")  # reads the catalogue
        begun = time.process_time()
        assert languages.translated(text) == text
        assert time.process_time() - begun < 5  # s; without the bounds it is minutes


@pytest.mark.parametrize("message", ["Why: %s.", "add %s", "Changed %s."])
def test_values_in_values_end_somewhere(message: str) -> None:
    text = "x"
    while len(text) < languages.MAX_CHARACTERS - 20:
        text = message % text
    for code in OTHERS:
        with translation.override(code):
            assert languages.translated(text) != text


# --- every page -------------------------------------------------------------------------------------------------------
@pytest.fixture
def crawled(client: Client) -> Callable[[str], Iterator[tuple[str, str]]]:
    """Return a function that yields (address, HTML) of all pages that links lead to, for an administrator and agent.

    All names are Greek, so that Latin letters are words of Desk.
    """
    department = make.make_department("Τμήμα", intermission=60)
    page = make.make_page(name="Σελίδα")
    FacebookAccount.objects.update(name="Πρόσωπο")
    channel: Channel = make.make_channel(page, department, name="Κανάλι")
    agent = make.make_agent("ανα", channels=(channel,))
    admin = make.make_admin("διαχειριστής", language=CODE, email="")
    conversation = make.make_conversation(channel, name="Πελάτης")
    make.receive(conversation, "Γεια", timezone.now() - timedelta(minutes=5))
    make.answer(conversation, "Ναι", timezone.now() - timedelta(minutes=4), author=agent)
    make.answer(conversation, "Όχι", timezone.now(), state="failed", author=agent, reason="")
    CannedReply.objects.create(title="Χαιρετισμός", text="Γεια", shortcut="γεια")
    make.make_token(admin)
    ApiToken.objects.update(name="Κλειδί")
    subscriptions.create(admin, name="Πρόγραμμα", url="https://93.184.216.34/", events=["message.created"])
    client.force_login(admin)

    def crawl(code: str) -> Iterator[tuple[str, str]]:
        User.objects.filter(pk=admin.pk).update(language=code)
        waiting, seen, count = ["/admin/", "/inbox/", f"/inbox/{conversation.pk}/", "/accounts/"], set[str](), 0
        while waiting and count < MAX_PAGES:
            address = waiting.pop(0)
            if _shape(address) in seen:
                continue
            seen.add(_shape(address))
            response = client.get(address, follow=True)
            if response.status_code >= 500 or "text/html" not in response.get("Content-Type", ""):
                assert response.status_code < 500, address
                continue
            count += 1
            html = response.content.decode()
            yield address, html
            for link in re.findall(r'href="([^"#]+)', html):
                target = link.replace("&amp;", "&")
                target = target if not target.startswith("?") else f"{urlsplit(address).path}{target}"
                if target.startswith("/") and not target.startswith("//") and not NOT_FOLLOWED.search(target):
                    waiting.append(target)

    return crawl


def _shape(address: str) -> str:
    """Return what pages of one kind have in common: their address without numbers and without values."""
    parts = urlsplit(address)
    return re.sub(r"\d+", "0", parts.path) + "?" + ",".join(sorted(name for name, _value in parse_qsl(parts.query)))


@pytest.mark.slow
@pytest.mark.django_db
def test_no_page_has_a_word_that_cannot_be_translated(
    crawled: Callable[[str], Iterator[tuple[str, str]]],
) -> None:
    with pseudo_language():
        found = {address: words for address, html in crawled(CODE) if (words := left_out(html))}
    assert found == {}


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("code", OTHERS)
def test_every_page_exists_in_every_language(crawled: Callable[[str], Iterator[tuple[str, str]]], code: str) -> None:
    direction = "rtl" if code == "ar" else "ltr"
    pages = dict(crawled(code))
    assert len(pages) > 60
    assert [address for address, html in pages.items() if f'lang="{code}" dir="{direction}"' not in html] == []
