"""Texts made by desk.sentences and texts of scripts, translated. Needs no {% load %}: see TEMPLATES in the settings."""

from collections.abc import Hashable
from functools import lru_cache
from typing import Any

from django import template
from django.template.loader import get_template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, get_language_bidi

from desk import languages, script_texts

register = template.Library()


@register.simple_tag
def language_attributes() -> SafeString:
    """Return the attributes lang and dir of <html>."""
    direction = "rtl" if get_language_bidi() else "ltr"
    return format_html('lang="{}" dir="{}"', get_language() or languages.ENGLISH, direction)


@register.simple_tag
def texts_of_scripts() -> SafeString | str:
    """Return the script element with the texts of the scripts. They are written in English, which needs none."""
    language = get_language() or languages.ENGLISH
    if language == languages.ENGLISH:
        return ""
    return format_html('<script src="{}"></script>', script_texts.address(language))


@register.simple_tag
def unchanging(name: str, **values: Hashable) -> SafeString:
    """Return a template that shows only these values and texts; it is rendered once for them and each language."""
    return _unchanging(name, get_language(), tuple(values.items()))


@lru_cache(maxsize=256)
def _unchanging(name: str, _language: str | None, values: tuple[tuple[str, Hashable], ...]) -> SafeString:
    return mark_safe(get_template(name).render(dict(values)))  # noqa: S308 - the template escaped its values


@register.filter
def translated(text: Any) -> Any:
    """Return a text of desk.sentences in the language of the reader; what is safe HTML or no text stays as it is."""
    return languages.translated(text)
