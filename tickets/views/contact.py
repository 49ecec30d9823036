"""The customer of a conversation: their details, and the conversation as a ZIP file to download."""

from django.http import HttpResponse, HttpResponseBase
from django.views.decorators.http import require_POST

from desk import exports
from desk.errors import Refused
from desk.file_response import download
from tickets.services.conversation import access, contacts
from tickets.services.privacy import export as export_service
from tickets.views.base import AgentRequest, agent_page, conversation_url, refuse
from tickets.views.compose import show_fresh


@require_POST
@agent_page
def export(request: AgentRequest, conversation_id: int) -> HttpResponseBase:
    """Send the conversation as a ZIP file; it includes the internal notes when `notes` is "yes"."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    try:
        access.require_work(request.facts, conversation)
        with exports.turn(request.user.pk):
            file = export_service.export(request.user, conversation, with_notes=request.POST.get("notes") == "yes")
    except Refused as refused:
        return refuse(request, str(refused), conversation_url(conversation.pk))
    return download(request, file, export_service.file_name(conversation), "application/zip")


@require_POST
@agent_page
def save(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Save the details agents write about the contact (contacts.EDITABLE); 422 with the reason when one is invalid."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    try:
        access.require_work(request.facts, conversation)
        details = {name: request.POST.get(name, "") for name in contacts.EDITABLE}
        contacts.save_details(request.user, conversation.contact, details)
    except Refused as refused:
        return refuse(request, str(refused), conversation_url(conversation.pk))
    return show_fresh(request, conversation)
