"""A text with a number has plural forms: languages have up to six of them, chosen by the number.

`ngettext`, `{% blocktranslate count %}` and desk.sentences.counted give them. A limit (LIMITS) is a constant, so that
the translation knows its form. A word that ends in s and is no plural is in OTHER_WORDS.
"""

import re
from collections.abc import Iterator

import pytest
from django.utils import translation

from desk import languages
from desk.sentences import counted, sentence
from tests import untranslated
from tests.test_translations import DOMAINS, LANGUAGES, catalogue

pytestmark = pytest.mark.any_database

LIMITS = frozenset({"most", "limit", "least", "digits", "decimals"})
ALLOWED = frozenset(
    {"In 1 hour", "This picture has %(size)s pixels; the limit is %(limit)s. Make it smaller and choose it again."}
)
OTHER_WORDS = frozenset({
    "as", "becomes", "begins", "comes", "contains", "controls", "does", "ends", "exists", "has", "holds", "is", "its",
    "lacks", "leads", "ms", "names", "receives", "runs", "shows", "still", "stops", "this", "waits", "was", "writes",
})  # fmt: skip
_PLURAL = re.compile(r"(?:%\((\w+)\)[sd]|\b1)(?:</\w+>)? (?:(?!that |removed )[a-z-]+ )??([a-z]+s|people)\b")
_ONE = re.compile(r"(?<![\w.,=(-])1 (?!MB\b|to\b)[a-z]+")
_MAYBE = re.compile(r"\w\(e?s\)")


def has_uncounted_number(text: str) -> bool:
    """Return whether a text without plural forms has a number before a noun."""
    nouns = (found[1] not in LIMITS and found[2] not in OTHER_WORDS for found in _PLURAL.finditer(text))
    return text not in ALLOWED and (any(nouns) or bool(_ONE.search(text) or _MAYBE.search(text)))


def uncounted() -> Iterator[str]:
    """Yield `file: text` for the texts in the sources that should have plural forms."""
    for domain in DOMAINS:
        for message in catalogue(LANGUAGES[0], domain):
            files = {file for file, _line in message.locations}
            if isinstance(message.id, str) and files != {FORMER} and has_uncounted_number(message.id):
                yield f"{', '.join(sorted(files))}: {message.id}"


FORMER = "desk/former_sentences.py"


def test_no_text_has_a_number_without_plural_forms() -> None:
    assert sorted(uncounted()) == []


@pytest.mark.parametrize(
    "text",
    [
        "%(count)s days", "%(count)s waiting replies", "The last %(days)s days before", "1 reply", "%(n)s people",
        "%(count)d file(s)", "<b>%(count)s</b> files", "It has 1 channel.",
    ],
)  # fmt: skip
def test_such_a_text_is_found(text: str) -> None:
    assert has_uncounted_number(text)


@pytest.mark.parametrize(
    "text", ["%(user)s has left", "At most %(most)s labels", "%(count)s of %(total)s", "at 10:01 x"]
)
def test_no_other_text_is_found(text: str) -> None:
    assert not has_uncounted_number(text)


# --- stored sentences -------------------------------------------------------------------------------------------------
def linked(number: int) -> str:
    return counted("Linked with %(count)s Page.", "Linked with %(count)s Pages.", number)


def test_the_english_has_the_form_of_the_number() -> None:
    assert (linked(0), linked(1), linked(2)) == ("Linked with 0 Pages.", "Linked with 1 Page.", "Linked with 2 Pages.")
    assert counted("%(count)s byte", "%(count)s bytes", 1_600, count="1,600") == "1,600 bytes"


@pytest.mark.parametrize("number", [0, 1, 2, 3, 11, 100, 1_600])
@pytest.mark.parametrize("code", LANGUAGES)
def test_a_stored_sentence_is_shown_in_the_form_of_its_number(code: str, number: int) -> None:
    stored = linked(number)
    with translation.override(code):
        text = translation.ngettext("Linked with %(count)s Page.", "Linked with %(count)s Pages.", number)
        assert languages.translated(stored) == text % {"count": number}


def test_arabic_has_a_form_for_two() -> None:
    with translation.override("ar"):
        forms = {re.sub(r"\d+", "", languages.translated(linked(number))) for number in (1, 2, 3, 11)}
    assert len(forms) == 4


def test_a_number_with_a_comma_is_one_number() -> None:
    stored = counted(
        "Exported %(count)s entry of the history as CSV.",
        "Exported %(count)s entries of the history as CSV.",
        1_600,
        count="1,600",
    )
    with translation.override("de"):
        assert "1.600" in languages.translated(stored)


@pytest.mark.parametrize(("one", "many"), sorted(languages.counted_texts()))
def test_every_counted_sentence_is_known_again(one: str, many: str) -> None:
    for number, message in ((1, one), (7, many)):
        names = set(re.findall(r"%\((\w+)\)", message)) - {"count"}
        stored = message % {"count": number, **dict.fromkeys(names, "12")}
        with translation.override("ar"):
            assert languages.translated(stored) != stored


FORMER_ROWS = [
    sentence("Conversations of agents who are away are handed back after minutes: %(count)s.") % {"count": 5},
    "Replayed 3 failed since 2026-03-01 10:00 UTC.",
    "The import of the history was completed. 3 conversations read, 20 messages imported, 0 out of reach.",
    "The import of the history has failed: The Page is off. 3 conversations read, 1 messages imported, 0 out of reach.",
    "A test message to no address failed: Your user has no e-mail address. Enter one in Setup → People.",
    "1 message could not be imported",
    "1 replies were scheduled. They now wait for an agent, since the old Desk may have sent them.",
    "Linked with 1 Page; connected again: Berg Bikes.",
    "Deleted; it was on 1 ticket.",
]


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("stored", FORMER_ROWS)
def test_what_an_earlier_version_stored_is_still_translated(code: str, stored: str) -> None:
    with translation.override(code):
        assert languages.translated(stored) != stored


def test_the_sentences_of_earlier_versions_are_nowhere_else() -> None:
    former = (untranslated.ROOT / FORMER).read_text()
    for domain in DOMAINS:
        for message in catalogue(LANGUAGES[0], domain):
            files = {file for file, _line in message.locations}
            assert FORMER not in files or files == {FORMER}, message.id
    assert "sentence(" in former
