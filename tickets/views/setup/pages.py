"""The frame of every page of this part of Setup, and the page that shows a secret once."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page of Setup with its menu."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"tickets/integrations/{template}", context, status=status)


def show_once(request: HttpRequest, title: str, **context: Any) -> HttpResponse:
    """Show a new secret in the response to the POST that made it. Nothing stores that page, not even a browser cache.

    `secret.html` shows `secret`, `label`, `explanation`, and a link to `back` (a URL) with the text `back_label`.
    """
    response = page(request, "secret.html", title, **context)
    response.headers["Cache-Control"] = "no-store"
    return response
