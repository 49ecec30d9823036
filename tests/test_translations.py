"""The catalogues have every text of the screens, in every language, and nothing that breaks a page."""

import ast
import gettext
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation.template import templatize

from tests import untranslated

pytestmark = pytest.mark.any_database

LOCALE = untranslated.ROOT / "locale"
LANGUAGES = [code for code, _name in settings.LANGUAGES if code != "en"]
DOMAINS = ["django", "djangojs"]
CALL = re.compile(r"\b(?:(?:np|n|p)?gettext|_)\(")
SCRIPT_CALL = re.compile(r"""\b(p|n|)gettext\(\s*("(?:[^"\\]|\\.)*")(?:,\s*("(?:[^"\\]|\\.)*"))?""")
TAG = re.compile(r"</?[a-z][^>]*>")
VALUE = re.compile(r"%\(\w+\)[sd]")

Text = tuple[str | None, str]  # context and English


@cache
def catalogue(language: str, domain: str) -> Catalog:
    with (LOCALE / language / "LC_MESSAGES" / f"{domain}.po").open("rb") as file:
        return read_po(file, locale=language, domain=domain)


def texts_of(domain: str) -> set[Text]:
    """Return the texts in the sources, as the catalogues should have them."""
    if domain == "djangojs":
        return set(_of_scripts())
    return {
        text
        for path in untranslated.files()
        for text in (_of_module(path.read_text()) if path.suffix == ".py" else _of_template(path))
    }


def _of_scripts() -> Iterator[Text]:
    for path in sorted((untranslated.ROOT / "static").rglob("*.js")):
        for found in SCRIPT_CALL.finditer(path.read_text()):
            first, second = found[2], found[3]
            if found[1] == "p":
                yield ast.literal_eval(first), ast.literal_eval(second)
            else:
                yield None, ast.literal_eval(first)


def _of_template(path: Path) -> Iterator[Text]:
    source = templatize(path.read_text())
    for found in CALL.finditer(source):
        for end in (match.end() for match in re.finditer(r"\)", source[found.start() :])):
            try:
                call = ast.parse(source[found.start() : found.start() + end].strip(), mode="eval").body
            except SyntaxError:
                continue
            yield from _of_call(call)
            break


def _of_module(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        yield from _of_call(node)


def _of_call(node: ast.AST) -> Iterator[Text]:
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if name not in {*untranslated.MARKED, "_"} or not words:
        return
    if name.removeprefix("n").startswith("p"):
        yield words[0], words[1]
    else:
        yield None, words[0]


def strings_of(message: Any) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def english_of(message: Any) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


@pytest.mark.slow
def test_no_text_of_a_screen_is_left_out() -> None:
    assert untranslated.found() == []


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_has_the_texts_of_the_screens_and_no_others(language: str, domain: str) -> None:
    """`make messages` brings it up to date."""
    has = {(message.context, english_of(message)[0]) for message in catalogue(language, domain) if message.id}
    wanted = texts_of(domain)
    assert sorted(map(repr, wanted - has)) == []
    assert sorted(map(repr, has - wanted)) == []


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str, domain: str) -> None:
    messages = [message for message in catalogue(language, domain) if message.id]
    assert messages
    assert [message.id for message in messages if message.fuzzy or not all(strings_of(message))] == []


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_values_and_tags_are_those_of_the_english_text(language: str, domain: str) -> None:
    for message in catalogue(language, domain):
        if not message.id:
            continue
        *_one, many = english = english_of(message)
        for text in strings_of(message):
            assert sorted(TAG.findall(text)) == sorted(TAG.findall(many)), message.id
            if '"' not in TAG.sub("", many):
                assert '"' not in TAG.sub("", text), message.id  # it may stand in an attribute
            if len(english) == 1:
                assert sorted(VALUE.findall(text)) == sorted(VALUE.findall(many)), message.id
            else:
                assert set(VALUE.findall(text)) <= set(VALUE.findall(many)), message.id
        assert [str(error) for error in message.check(catalogue(language, domain))] == []


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_the_text_catalogue(language: str, domain: str) -> None:
    """Desk reads the compiled one: `make messages` writes it."""
    buffer = io.BytesIO()
    write_mo(buffer, catalogue(language, domain))
    buffer.seek(0)
    with (LOCALE / language / "LC_MESSAGES" / f"{domain}.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    compared = [
        {key: text for key, text in vars(each)["_catalog"].items() if key}
        for each in (compiled, gettext.GNUTranslations(buffer))
    ]
    assert compared[0] == compared[1]
