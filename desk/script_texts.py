"""The texts of the scripts in one language, as a script that the browser keeps."""

from functools import cache
from pathlib import Path
from zlib import crc32

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_safe
from django.views.i18n import JavaScriptCatalog

KEPT = "public, max-age=31536000, immutable"


def address(language: str) -> str:
    """Return the address of the texts; it changes when they do."""
    return reverse("script_texts", args=[language, _version(language)])


@require_safe
def show(request: HttpRequest, language: str, version: str) -> HttpResponseBase:
    """Answer with the texts of one language. The browser keeps them if it asked for those of this version."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    with translation.override(language):
        response = JavaScriptCatalog.as_view(packages=["desk"])(request)
    if version == _version(language):
        response.headers["Cache-Control"] = KEPT
    return response


@cache
def _version(language: str) -> str:
    files = (Path(path) / language / "LC_MESSAGES" / "djangojs.mo" for path in settings.LOCALE_PATHS)
    return f"{crc32(b''.join(file.read_bytes() for file in files if file.exists())):08x}"
