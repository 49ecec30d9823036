"""Every e-mail: two parts, one button that leads to Desk, escaped names, and our words."""

import re
from email.utils import parseaddr
from html import unescape
from pathlib import Path

import allauth
import pytest
from django.core.mail import EmailMultiAlternatives
from pytest_django import Settings

from desk import letters
from desk.models import User
from tests import smtp_server
from tests.factories import make_admin
from tests.mails import EVIL, MAILS, SEEN

pytestmark = pytest.mark.django_db
PUBLIC = "https://desk.shop.test"
NAMED = [
    name
    for name in MAILS
    if name.startswith(("lost", "end", "disabled", "failures", "confirmation", "waiting"))
    or name in {"password-reset", "app-on"}
]


@pytest.fixture
def admin(settings: Settings) -> User:
    settings.PUBLIC_URL = PUBLIC
    settings.DEFAULT_FROM_EMAIL = "Berg Support <desk@shop.test>"
    admin = make_admin()
    admin.email = "alice@shop.test"
    admin.save()
    return admin


def send(name: str, admin: User, outbox: list[EmailMultiAlternatives]) -> tuple[EmailMultiAlternatives, str, str]:
    """Let the mail be sent; return it, its plain text and its HTML."""
    MAILS[name](admin)
    [message] = outbox
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    return message, str(message.body), str(html)


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_has_two_parts_one_button_and_our_words(
    name: str, admin: User, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    message, text, html = send(name, admin, mailoutbox)
    assert message.to == [admin.email]
    assert parseaddr(message.from_email) == ("Berg Support", "desk@shop.test")
    assert message.message().get_content_type() == "multipart/alternative"
    assert "\n" not in message.subject
    assert len(message.subject) <= letters.MAX_SUBJECT
    [link] = re.findall(r'<a\b[^>]*?href="([^"]*)"', html, re.DOTALL)
    assert unescape(link).startswith(f"{PUBLIC}/")
    assert f"\n{unescape(link)}\n" in text
    assert html.count(link) == 2  # the button, and the bare address below
    for part in (str(message.subject), text, html):
        assert "example.com" not in part.lower()
        assert not re.search("django|allauth|hello from|thank you for using", part, re.IGNORECASE)
        assert "\u202e" not in part
    assert not re.search(r"<(img|script|link|iframe|form)\b|url\(|@import", html)
    assert "Berg Support" in html
    assert "You get this message because" in text.rpartition("\n-- \n")[2].replace("\n", " ")
    assert all(len(line) <= letters.WIDTH or line.startswith(PUBLIC) for line in text.splitlines())


@pytest.mark.parametrize("name", NAMED)
def test_names_are_escaped_and_stay_on_one_line(
    name: str, admin: User, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    _message, text, html = send(name, admin, mailoutbox)
    assert EVIL not in text
    assert SEEN in " ".join(text.split())
    assert "Berg &lt;b&gt;&quot;&amp;&#x27;&lt;/b&gt; bikes" in html
    assert "Berg <b>" not in html


def test_each_notice_of_allauth_has_our_words() -> None:
    """allauth's base template for notices says what a notice is."""
    from desk.accounts.letters import _CHANGES

    templates = Path(allauth.__file__).parent / "templates"
    notices = {
        str(path.relative_to(templates)).removesuffix("_message.txt")
        for path in templates.glob("*/email/*_message.txt")
        if "base_notification.txt" in path.read_text()
    }
    assert notices == set(_CHANGES)


def test_lost_pages_are_listed_in_one_mail(admin: User, mailoutbox: list[EmailMultiAlternatives]) -> None:
    message, text, html = send("lost-pages", admin, mailoutbox)
    assert message.subject.startswith("Re-authenticate 3 Pages: ")
    for page in ("- Berg Bakery\n", "- بيرغ\n"):
        assert page in text
    assert html.count('class="entry"') == 3
    assert f"{PUBLIC}/admin/instant-messaging/messenger/\n" in text


def test_a_real_server_gets_both_parts(admin: User, settings: Settings) -> None:
    with smtp_server.accepting() as (inbox, port):
        smtp_server.use(settings, port)
        MAILS["lost-page"](admin)
        [message] = inbox.messages
    plain, html = (part for part in message.walk() if not part.is_multipart())
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert "since" in plain.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "color-scheme" in html.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "Berg Support <desk@shop.test>"


@pytest.mark.parametrize(
    ("sender", "name"),
    [("desk@shop.test", "Desk"), ("Berg <desk@shop.test>", "Berg"), ('"Berg, Sales" <desk@shop.test>', "Berg, Sales")],
)
def test_the_name_of_the_installation_is_that_of_the_sender(settings: Settings, sender: str, name: str) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    assert letters.installation_name() == name
    assert parseaddr(letters.sender()) == (name, "desk@shop.test")


def test_a_link_always_leads_to_desk(settings: Settings) -> None:
    settings.PUBLIC_URL = PUBLIC
    letter = letters.Letter("A", ("B",), "Open", f"{PUBLIC}/inbox/", "C")
    assert f'href="{PUBLIC}/inbox/"' in letters.render(letter).html
