"""In which language Desk speaks to whom: the pages of an account, e-mail, errors; what is stored stays English."""

import gettext
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused
from typing import Any

import allauth
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.test import Client
from django.utils import translation
from django.utils.translation import trans_real
from pytest_django import Settings

from desk import body_limits, error_pages, failure_digest, languages, letters, mail
from desk.accounts import invitations, library_words, mails
from desk.models import AuditEntry, User
from desk.sentences import sentence
from tests.desk.accounts.queue import run_queued_tasks
from tests.factories import make_admin, make_user
from tests.history import changes
from tests.pages import html_of

pytestmark = pytest.mark.django_db
GERMAN = {
    "Language": "Sprache",
    "As my browser": "Wie mein Browser",
    "Your language is saved.": "Deine Sprache ist gespeichert.",
    "Needs attention": "Braucht Aufmerksamkeit",
    "Page not found": "Seite nicht gefunden",
    "%(person)s invited you to %(name)s": "%(person)s hat dich zu %(name)s eingeladen",
    "Your username": "Dein Benutzername",
    "Choose a new password for %(name)s": "Wähle ein neues Passwort für %(name)s",
    "Since %(time)s, this has failed:": "Seit %(time)s ist misslungen:",
    "Your password was changed": "Dein Passwort wurde geändert",
    "You get this message because you are an administrator of %(name)s.": "Du verwaltest %(name)s.",
    "This digest is sent at most once a day.": "Höchstens einmal am Tag.",
    "Something happened to %(name)s": "Mit %(name)s ist etwas geschehen",
    "This request is too large: at most %(size)s are allowed here. Send less at once.": "Zu groß: höchstens %(size)s.",
}


@pytest.fixture(autouse=True)
def german() -> Iterator[None]:
    """Put some German into the catalogue, which the tests of the texts do not depend on."""
    german: Any = trans_real.translation("de")
    first = german._catalog._catalogs[0]
    before = {key: first.get(key) for key in GERMAN}
    first.update(GERMAN)
    caches = (languages._translated, languages._patterns)
    for cache in caches:
        cache.cache_clear()
    yield
    for key, value in before.items():
        if value is None:
            del first[key]
        else:
            first[key] = value
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def alice() -> User:
    return make_user(email="alice@shop.example")


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def speak(user: User, language: str) -> None:
    User.objects.filter(pk=user.pk).update(language=language)
    user.language = language


def sentences(user: User) -> list[str]:
    return [entry.sentence for entry in changes(user)]


def html_part(message: EmailMessage) -> str:
    assert isinstance(message, EmailMultiAlternatives)
    return str(message.alternatives[0][0])


# --- Your account -----------------------------------------------------------------------------------------------------
def test_the_language_of_an_account_is_saved_and_spoken_at_once(alice: User, browser: Client) -> None:
    page = html_of(browser.get("/accounts/"))
    assert '<option value="">As my browser</option>' in " ".join(page.split())
    answer = browser.post("/accounts/", {"language": "de"}, follow=True)
    page = html_of(answer)
    assert 'lang="de"' in page
    assert "Deine Sprache ist gespeichert." in page
    assert "Sprache</label>" in page
    alice.refresh_from_db()
    assert (alice.language, sentences(alice)[0]) == ("de", "Language changed: as the browser asks → Deutsch.")
    page = html_of(browser.post("/accounts/", {"language": ""}, follow=True))
    assert 'lang="en"' in page
    assert sentences(alice)[0] == "Language changed: Deutsch → as the browser asks."


@pytest.mark.parametrize("language", ["tlh", "de "])
def test_a_language_that_desk_does_not_speak_is_not_saved(alice: User, browser: Client, language: str) -> None:
    speak(alice, "fr")
    browser.post("/accounts/", {"language": language})
    alice.refresh_from_db()
    assert alice.language == "fr"


def test_the_same_language_again_is_no_change(alice: User, browser: Client) -> None:
    speak(alice, "fr")
    browser.post("/accounts/", {"language": "fr"})
    assert sentences(alice) == []


def test_what_a_german_administrator_does_is_stored_in_english() -> None:
    admin = make_admin()
    speak(admin, "de")
    client = Client()
    client.force_login(admin)
    client.post("/admin/desk/department/add/", {"name": "Verkauf"})
    entry = AuditEntry.objects.filter(object_name="Verkauf").get()
    assert (entry.sentence, languages.in_english(entry.get_action_display())) == ("Added.", "Added")
    client.post(f"/admin/desk/department/{entry.object_id}/change/", {"name": "Einkauf"})
    assert AuditEntry.objects.filter(object_name="Einkauf").get().sentence == "Changed Name."


# --- E-mail -----------------------------------------------------------------------------------------------------------
def test_an_invitation_is_in_the_language_of_the_invited(mailoutbox: list[EmailMessage]) -> None:
    admin, mia = make_admin(), make_user(email="mia@shop.example", is_active=False)
    speak(mia, "de")
    invitations.send(admin, mia)
    run_queued_tasks()
    [message] = mailoutbox
    assert message.subject == f"{admin} hat dich zu Desk eingeladen"
    assert f"Dein Benutzername: {mia.username}" in str(message.body)
    assert '<html lang="de" dir="ltr">' in html_part(message)


def test_a_letter_in_arabic_runs_from_right_to_left(alice: User, mailoutbox: list[EmailMessage]) -> None:
    speak(alice, "ar")
    mails.send_password_reset(alice.email)
    [message] = mailoutbox
    assert '<html lang="ar" dir="rtl">' in html_part(message)
    assert 'dir="rtl" align="right"' in html_part(message)


def test_who_chose_no_language_gets_that_of_the_installation(
    alice: User, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    settings.LANGUAGE_CODE = "de"
    mails.send_password_reset(alice.email)
    assert mailoutbox[0].subject == "Wähle ein neues Passwort für Desk"


def test_a_notice_about_an_account_is_in_the_language_of_its_owner(
    alice: User, browser: Client, mailoutbox: list[EmailMessage]
) -> None:
    speak(alice, "de")
    rendered = mails.compose("account/email/password_changed", alice.email, {"user": alice})
    assert rendered.subject == "Dein Passwort wurde geändert"
    assert mails.compose("account/email/password_changed", alice.email, {}).subject == "Your password was changed"


def _news() -> letters.Letter:
    return letters.Letter(
        subject=sentence("Something happened to %(name)s", name="Berg"), paragraphs=(), action="Go", path="/", why="Why"
    )


def test_the_last_line_of_a_letter_is_in_its_language() -> None:
    """Also when it is two sentences."""
    why = f"{letters.to_administrators()} {failure_digest.ONCE_IN['daily']}"
    with translation.override("de"):
        rendered = letters.render(replace(_news(), why=why))
    for form in (rendered.text, rendered.html):
        assert f"Du verwaltest {letters.installation_name()}. Höchstens einmal am Tag." in form


@pytest.fixture
def two_admins() -> None:
    for name, language in (("ann", "en"), ("bob", "de"), ("cy", "de")):
        speak(make_admin(username=name, email=f"{name}@shop.example"), language)


@pytest.mark.usefixtures("two_admins")
def test_administrators_of_two_languages_get_two_messages(mailoutbox: list[EmailMessage]) -> None:
    assert mail.send_to_administrators(_news(), key="news") == 2
    told = {tuple(message.to): message.subject for message in mailoutbox}
    assert told == {
        ("ann@shop.example",): "Something happened to Berg",
        ("bob@shop.example", "cy@shop.example"): "Mit Berg ist etwas geschehen",
    }
    ids = [message.extra_headers["Message-ID"] for message in mailoutbox]
    assert len(set(ids)) == 2
    mail.send_to_administrators(_news, key="news")
    assert [message.extra_headers["Message-ID"] for message in mailoutbox[2:]] == ids


@pytest.mark.usefixtures("two_admins")
def test_a_language_that_fails_keeps_the_other_from_nothing(
    monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage]
) -> None:
    send = EmailMessage.send

    def refuse_german(message: EmailMessage, fail_silently: bool = False) -> int:
        if message.subject.startswith("Mit"):
            raise SMTPException("no German")
        return send(message, fail_silently)

    monkeypatch.setattr(EmailMessage, "send", refuse_german)
    with pytest.raises(SMTPException, match="no German"):
        mail.send_to_administrators(_news(), key="news")
    assert [message.to for message in mailoutbox] == [["ann@shop.example"]]


@pytest.mark.usefixtures("two_admins")
@pytest.mark.parametrize(
    ("refusal", "is_tried_again"),
    [
        (SMTPRecipientsRefused({"bob@shop.example": (550, b"No such user")}), False),
        (SMTPDataError(554, b"Rejected"), False),
        (SMTPDataError(451, b"Try again later"), True),
        (ConnectionResetError(), True),
    ],
)
def test_administrators_whose_server_took_the_message_do_not_get_it_again_for_those_it_refuses(
    monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage], refusal: Exception, is_tried_again: bool
) -> None:
    send = EmailMessage.send

    def refuse(message: EmailMessage, fail_silently: bool = False) -> int:
        if message.to != ["ann@shop.example"]:
            raise refusal
        return send(message, fail_silently)

    monkeypatch.setattr(EmailMessage, "send", refuse)
    with pytest.raises(type(refusal)) if is_tried_again else nullcontext():
        assert mail.send_to_administrators(_news(), key="news") == 1
    User.objects.filter(username="ann").update(is_active=False)
    with pytest.raises(type(refusal)):  # nobody got it
        mail.send_to_administrators(_news(), key="news")


def test_the_digest_of_failures_has_its_times_in_the_language_of_the_reader() -> None:
    since = datetime(2026, 3, 4, 9, 41, tzinfo=UTC)
    cause = failure_digest.Cause("Failures", lambda count: f"{count} failures", 2, "Why", "Where")
    with translation.override("de"):
        [paragraph] = failure_digest._letter([cause], since).paragraphs
        rendered = letters.render(failure_digest._letter([cause], since))
    assert paragraph == "Since 4. März 2026, 09:41 UTC, this has failed:"
    assert "Seit 4. März 2026, 09:41 UTC ist misslungen:" in rendered.text
    assert failure_digest._letter([cause], since).paragraphs == ("Since 4 March 2026 at 09:41 UTC, this has failed:",)


# --- Errors -----------------------------------------------------------------------------------------------------------
def test_an_error_page_follows_the_browser() -> None:
    page = html_of(Client().get("/nowhere/", headers={"Accept-Language": "de-AT,en;q=0.5"}))
    assert 'lang="de"' in page
    assert "Seite nicht gefunden" in page


@pytest.mark.parametrize(("asked", "lang"), [(b"ar", 'lang="ar" dir="rtl"'), (b"xx", 'lang="en" dir="ltr"')])
def test_so_does_the_page_of_what_django_has_not_seen(asked: bytes, lang: str) -> None:
    headers = [(b"accept", b"text/html"), (b"accept-language", asked)]
    scope = {"path": "/admin/desk/department/", "method": "POST", "headers": headers}
    page = error_pages.for_refused_body(scope, 413, body_limits.BodyTooLargeError(1).sentence)
    assert page is not None
    assert lang.encode() in page


def test_a_script_gets_the_sentence_in_the_language_of_its_page() -> None:
    error = body_limits.BodyTooLargeError(body_limits.MIB)
    scope = {"path": "/x/", "method": "POST", "headers": [(b"accept-language", b"de")]}
    assert error_pages.in_language_of(scope, error.sentence) == "Zu groß: höchstens 1 MB."
    assert error_pages.in_language_of({**scope, "headers": []}, error.sentence) == error.sentence


# --- Words of allauth -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", library_words.TEXTS)
def test_a_text_that_desk_takes_over_is_one_of_allauth(text: str) -> None:
    own: Any = gettext.translation("django", Path(allauth.__file__).parent / "locale", ["de"])
    assert text in own._catalog
