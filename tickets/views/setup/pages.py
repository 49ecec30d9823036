"""What every page of this part of Setup shows around its content, and the one that shows a secret once."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page of Setup with its menu."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"tickets/integrations/{template}", context, status=status)


def show_once(request: HttpRequest, title: str, **context: Any) -> HttpResponse:
    """Show a secret that was just made: in the answer to the POST that made it, kept nowhere, not even by the browser.

    `secret`, `label`, `explanation`, `back` (an address) are what `secret.html` shows.
    """
    response = page(request, "secret.html", title, **context)
    response.headers["Cache-Control"] = "no-store"
    return response
