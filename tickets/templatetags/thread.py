"""The tag that shows the items of a thread, as `tickets.views.item_html` renders them."""

from collections.abc import Iterable

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString, mark_safe

from tickets.views.item_html import Reading, Shown
from tickets.views.thread_items import Item

register = template.Library()


@register.simple_tag(takes_context=True)
def items_html(context: Context, items: Iterable[Item]) -> SafeString:
    """Return these items of the context's `conversation`, as the user of the request sees them."""
    request, verdict = context["request"], context["verdict"]
    reading = Reading(Shown.of(context["conversation"]), request.user.pk, request.facts, lambda: verdict)
    return mark_safe("\n".join(map(reading.html_of, items)))  # noqa: S308 - each was rendered by a template
