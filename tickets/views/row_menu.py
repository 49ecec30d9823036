"""The context menu of a row of the list. What it does are the actions on many conversations (bulk.py), with one id."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tickets.models import Ticket
from tickets.services.conversation import access
from tickets.services.inbox import labels, snoozes
from tickets.views import pages
from tickets.views.base import AgentRequest, agent_page


@require_GET
@agent_page
def show(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show what this user may do with the conversation now."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    ticket = conversation.current_ticket
    context = {
        "conversation": conversation,
        "contact": conversation.contact,
        "channel": conversation.channel,
        "ticket": ticket,
        "colleagues": [one for one in pages.colleagues_of(conversation) if one.pk != request.user.pk],
        "labels": list(labels.offered(conversation)) if ticket else [],
        "present": {label.pk for label in ticket.labels.all()} if ticket else set(),
        "priorities": Ticket.Priority,
        "snooze_options": snoozes.options(conversation, timezone.get_current_timezone()),
    }
    return render(request, "tickets/_row_menu.html", context)
