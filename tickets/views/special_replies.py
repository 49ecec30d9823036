"""Stickers and templates of the Page: what the composer offers, now or later, and what it sends."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from channels_im.messenger.attachment_cards import THUMBS_UP
from channels_im.messenger.template_texts import MAX_VALUE_CHARS
from tickets.models import Conversation
from tickets.rules import sent_as
from tickets.rules.scheduling import Choice
from tickets.services.conversation import access
from tickets.services.outgoing import replies, scheduled_times, stickers, template_replies
from tickets.views.base import AgentRequest, agent_page, parse_id


def special_part(request: AgentRequest, conversation: Conversation) -> replies.SpecialPart | None:
    """Return the sticker or template that the reply consists of; None for text and files."""
    sticker_id, template_id = request.POST.get("sticker_id", ""), request.POST.get("template", "")
    if sticker_id:
        return stickers.part_of(request.user, sticker_id)
    if template_id:
        values = request.POST.getlist("template_value")
        return template_replies.part_by_id(conversation, parse_id(template_id), values)
    return None


@require_GET
@agent_page
def template_choice(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show the approved templates of the Page with a field for each placeholder, filled in where it is known."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    form = sent_as.of_template(sent_as.TemplateUse("", ""))
    options = scheduled_times.options(conversation, timezone.get_current_timezone(), form)
    context = {
        "conversation": conversation,
        "templates": template_replies.choices(conversation),
        "value_limit": MAX_VALUE_CHARS,
        "later_options": [option for option in options if option.choice != Choice.LAST],  # it needs no window
    }
    return render(request, "tickets/_templates.html", context)


@require_GET
@agent_page
def sticker_choice(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show the stickers that can be sent, for the composer's picker."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    form = sent_as.of_sticker(next(iter(THUMBS_UP)))
    verdict = replies.may_send(request.user, conversation, form=form)
    options = scheduled_times.options(conversation, timezone.get_current_timezone(), form) if verdict.allowed else []
    context = {
        "thumbs": list(THUMBS_UP.items()),
        "stickers": stickers.seen(request.user),
        "refusal": verdict.sentence,
        "later_options": [option for option in options if option.fits],
    }
    return render(request, "tickets/_stickers.html", context)
