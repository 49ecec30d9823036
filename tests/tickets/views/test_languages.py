"""The workspace speaks the language of who reads: its filters, and what is pushed to open pages of one process."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation
from django.utils.translation import trans_real

from desk.models import User
from tickets.models import Conversation, Message
from tickets.services.conversation import access
from tickets.services.inbox import viewers
from tickets.templatetags import desk as filters
from tickets.views import live_rows, live_state
from tickets.views.live_rows import Reader
from tickets.views.live_thread import ThreadReader

from . import world

WEDNESDAY = datetime(2026, 3, 4, 9, 41, tzinfo=UTC)
WORDS = {"en": "Wednesday 4 March 2026, 09:41", "de": "Mittwoch, 4. März 2026, 09:41"}
GERMAN = {
    "%(count)s min": "%(count)s Min.",
    "%(hours)s h %(minutes)s m": "%(hours)s Std. %(minutes)s Min.",
    "A file or card": "Eine Datei oder Karte",
    "Today": "Heute",
    "today": "heute",
}


@pytest.fixture(autouse=True)
def german(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A catalogue with a few words in German, whatever that of Desk has."""
    catalogue: Any = trans_real.translation("de")
    for english, words in GERMAN.items():
        monkeypatch.setitem(catalogue._catalog._catalogs[0], english, words)
    with timezone.override(UTC):
        yield


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    return world.make_conversation(desk.shop, at=WEDNESDAY, assignee=desk.alice, unread_count=1)


def readers_of(user: User) -> dict[str, Reader]:
    """Return readers by language: pages of one user, alike in everything else."""
    facts = live_rows.facts_of(User.objects.get(pk=user.pk))
    return {language: Reader(facts, ZoneInfo("UTC"), language) for language in WORDS}


def change(conversation: Conversation) -> dict[str, Any]:
    return {"kind": "conversation", **access.ids_of(conversation)}


def assert_each_reads_their_own(html: dict[str, str]) -> None:
    for language in WORDS:
        assert [code for code, words in WORDS.items() if words in html[language]] == [language]


def test_rows_are_in_the_language_of_each_reader(desk: world.Desk, conversation: Conversation) -> None:
    world.say(conversation, "", at=WEDNESDAY)
    readers = readers_of(desk.alice)
    events = live_rows.read([change(conversation)], set(readers.values()))
    rows = {language: events[reader][0] for language, reader in readers.items()}
    assert_each_reads_their_own({language: row["html"] for language, row in rows.items()})
    assert rows["en"]["news"]["text"] == "A file or card"
    assert rows["de"]["news"]["text"] == "Eine Datei oder Karte"


def test_what_a_customer_wrote_is_not_translated(desk: world.Desk, conversation: Conversation) -> None:
    world.say(conversation, "Today", at=WEDNESDAY)
    one = readers_of(desk.alice)["de"]
    assert live_rows.read([change(conversation)], {one})[one][0]["news"]["text"] == "Today"


def test_messages_are_in_the_language_of_each_reader(desk: world.Desk, conversation: Conversation) -> None:
    """Also when their pages were sent the thread before."""
    viewers.open_page(desk.alice, conversation, "0" * 32, typing=False)
    thread, readers = ThreadReader(), readers_of(desk.alice)
    for text in ("Hello", "Again"):
        world.say(conversation, text, at=WEDNESDAY)
        events = thread.read([change(conversation)], set(readers.values()))
        sent = {
            language: "".join(html or "" for _key, html in events[one][0]["items"]) for language, one in readers.items()
        }
        assert all(text in html for html in sent.values())
        assert_each_reads_their_own(sent)


def test_header_and_details_are_in_the_language_of_each_reader(desk: world.Desk, conversation: Conversation) -> None:
    conversation.contact.first_seen_at = WEDNESDAY
    conversation.contact.save()
    world.say(conversation, "Our answer", at=WEDNESDAY, direction=Message.Direction.OUT, author=desk.alice)
    viewers.open_page(desk.alice, conversation, "0" * 32, typing=False)
    readers = readers_of(desk.alice)
    events = live_state.read([change(conversation)], set(readers.values()))
    states = {
        language: next(event["html"] for event in events[one] if event["kind"] == "state")
        for language, one in readers.items()
    }
    assert_each_reads_their_own(states)


def test_filters_speak_the_active_language() -> None:
    now = timezone.now()
    with translation.override("de"):
        assert filters.day(now) == "Heute"
        assert filters.day_within(now) == "heute"
        assert filters.ago(now - timedelta(minutes=5)) == "5 Min."
        assert filters.duration(timedelta(hours=5, minutes=12)) == "5 Std. 12 Min."
        assert filters.full_time(WEDNESDAY) == WORDS["de"]
        assert filters.long_day(WEDNESDAY) == "Mittwoch, 4. März 2026"
        assert filters.day_name(datetime(2020, 3, 4, tzinfo=UTC), short=True) == "4. Mär 2020"
        assert filters.preview_text("Today") == "Today"


def test_filters_in_english() -> None:
    now = timezone.now()
    with translation.override("en"):
        assert (filters.day(now), filters.day_within(now)) == ("Today", "today")
        assert filters.ago(now - timedelta(minutes=5)) == "5 min"
        assert filters.ago(now - timedelta(hours=3)) == "3 h"
        assert filters.ago(now) == "now"
        lengths = {40: "40 s", 540: "9 m", 18_720: "5 h 12 m", 18_000: "5 h", 183_600: "2 d 3 h", 172_800: "2 d"}
        assert {seconds: filters.duration(timedelta(seconds=seconds)) for seconds in lengths} == lengths
        assert filters.day(datetime(2020, 3, 4, tzinfo=UTC)) == "4 March 2020"
        assert filters.day_name(datetime(2020, 3, 4, tzinfo=UTC), short=True) == "4 Mar 2020"
        assert filters.full_time(WEDNESDAY) == WORDS["en"]
