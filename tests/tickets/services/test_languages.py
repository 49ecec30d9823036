"""What services store is English whoever acts, and people read it in their language; customers' words stay."""

from collections.abc import Iterator

import pytest
from django.utils import translation

from channels_im.models import Page
from desk.errors import Refused
from desk.languages import in_english, translated
from desk.models import AuditEntry
from tests import factories
from tests.matching import present
from tests.tickets.german import CONTEXT, german
from tickets.models import Contact, Conversation, Message, Ticket
from tickets.rules import sending
from tickets.rules.window import window
from tickets.services.conversation import contacts, previews
from tickets.services.inbox import actions, bulk_actions, listing, notifications
from tickets.services.outgoing import replies

TEXTS = {
    "%(count)s conversations: %(done)s.": "%(count)s Unterhaltungen: %(done)s.",
    "%(count)s conversation not changed: %(reasons)s.": "%(count)s Unterhaltung nicht geändert: %(reasons)s.",
    "%(count)s conversations not changed: %(reasons)s.": "%(count)s Unterhaltungen nicht geändert: %(reasons)s.",
    "%(user)s closed ticket #%(number)s": "%(user)s hat Ticket Nr. %(number)s geschlossen",
    "%(user)s unblocked this customer": "%(user)s hat die Sperre aufgehoben",
    "A file or card": "Eine Datei oder Karte",
    "Changed: %(fields_text)s.": "Geändert: %(fields_text)s.",
    "Erased person": "Gelöschte Person",
    "Message withdrawn": "Nachricht zurückgezogen",
    "Messenger user %(digits)s": "Person in Messenger %(digits)s",
    "Nothing was changed.": "Nichts wurde geändert.",
    "The Page must be re-authenticated. %(reason_text)s. You can reply when an administrator has done so.": (
        "Die Seite muss neu verbunden werden. %(reason_text)s. Danach kann geantwortet werden."
    ),
    "The Facebook password was changed": "Das Passwort bei Facebook wurde geändert",
    "This channel was deleted: its conversations can be read, but not assigned.": "Dieser Kanal wurde gelöscht.",
    "about": "Notizen",
    "email": "E-Mail",
    "closed": "geschlossen",
    "Open": "Öffnen",
    f"a ticket is{CONTEXT}Open": "Offen",
    f"conversations{CONTEXT}Mine": "Meine",
    "🎬 Video": "🎬 Film",
    "📷 Photo": "📷 Foto",
}


@pytest.fixture(autouse=True)
def _in_german() -> Iterator[None]:
    with german(TEXTS), translation.override("de"):
        yield


@pytest.mark.django_db
def test_a_line_of_the_thread_is_english_and_read_in_german() -> None:
    user, conversation = factories.make_user("eva"), factories.make_conversation()
    factories.receive(conversation)
    conversation.refresh_from_db()
    actions.close(user, conversation)
    title = present(Message.objects.get(kind="event").card)["title"]
    assert title == f"eva closed ticket #{conversation.current_ticket_id}"
    assert translated(title) == f"eva hat Ticket Nr. {conversation.current_ticket_id} geschlossen"


@pytest.mark.django_db
def test_an_entry_of_the_history_is_english_and_read_in_german() -> None:
    user, conversation = factories.make_user("eva"), factories.make_conversation(psid="70041234", name="")
    contacts.save_details(user, conversation.contact, {"email": "a@example.com", "about": "Likes tea"})
    entry = AuditEntry.objects.get()
    assert (entry.sentence, entry.object_name) == ("Changed: email, about.", "Messenger user 1234")
    assert translated(entry.sentence) == "Geändert: E-Mail, Notizen."


@pytest.mark.django_db
def test_a_refusal_is_read_in_german() -> None:
    channel = factories.make_channel()
    conversation = factories.make_conversation(channel)
    type(channel).objects.filter(pk=channel.pk).update(is_active=False, deleted_at=factories.NOON)
    with pytest.raises(Refused) as refused:
        actions.assign(factories.make_user(), conversation, None)
    words = "This channel was deleted: its conversations can be read, but not assigned. Nothing was changed."
    assert str(refused.value) == words
    assert translated(words) == "Dieser Kanal wurde gelöscht. Nichts wurde geändert."


@pytest.mark.django_db
def test_the_reason_of_a_page_is_english_inside_an_english_sentence() -> None:
    page = Page(connection=Page.Connection.REAUTH_REQUIRED, reauth_reason=Page.Reason.PASSWORD_CHANGED)
    reason = replies._reauth_reason(page)
    assert reason == in_english(Page.Reason.PASSWORD_CHANGED.label)
    closed = window(None, factories.NOON, human_agent=False)
    verdict = sending.may_send(sending.SendFacts(window=closed, reauth_reason=reason))
    assert verdict.sentence == (
        f"The Page must be re-authenticated. {reason}. You can reply when an administrator has done so."
    )
    assert translated(verdict.sentence) == (
        "Die Seite muss neu verbunden werden. Das Passwort bei Facebook wurde geändert. Danach kann geantwortet werden."
    )


def test_only_a_name_that_desk_gives_is_translated() -> None:
    known, unknown = Contact(name="Erased person", psid="7004"), Contact(name="", psid="70041234")
    assert known.display_name == str(known) == "Erased person"
    assert (unknown.display_name, str(unknown)) == ("Person in Messenger 1234", "Messenger user 1234")
    erased = Contact(name="", psid="erased-1", erased_at=factories.NOON)
    assert (erased.display_name, str(erased)) == ("Gelöschte Person", "Erased person")


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("📷 Photo, 🎬 Video", "📷 Foto, 🎬 Film"),
        ("Message withdrawn", "Nachricht zurückgezogen"),
        ("Open", "Open"),
        ("closed, about", "closed, about"),
        ("Where is my 📷 Photo, please?", "Where is my 📷 Photo, please?"),
        ("", ""),
    ],
)
def test_only_desks_own_words_of_a_preview_are_translated(stored: str, shown: str) -> None:
    assert previews.in_language(stored) == shown


@pytest.mark.django_db
def test_a_notification_is_in_the_language_of_the_reader() -> None:
    conversation = factories.make_conversation(psid="70041234", name="")
    said = notifications.notification_of(factories.receive(conversation, "Open"), 0)
    assert (said["name"], said["text"]) == ("Person in Messenger 1234", "Open")
    assert notifications.notification_of(factories.receive(conversation, ""), 0)["text"] == "Eine Datei oder Karte"


def test_the_result_of_a_bulk_action_is_in_german() -> None:
    result = bulk_actions.BulkResult(done=3)
    result.refuse("This channel was deleted: its conversations can be read, but not assigned.", 2)
    assert (
        result.sentence("closed")
        == "3 Unterhaltungen: geschlossen. 2 Unterhaltungen nicht geändert: Dieser Kanal wurde gelöscht."
    )


def test_labels_follow_the_language_and_are_english_for_the_api() -> None:
    assert str(Ticket.Status.OPEN.label) == "Offen"
    assert in_english(Ticket.Status.OPEN.label) == "Open"
    assert str(listing.VIEWS["mine"].label) == "Meine"
    assert in_english(listing.VIEWS["mine"].label) == "Mine"
    assert str(Conversation(pk=5)) == "conversation 5"
