"""The person behind a conversation: what agents note about them, and the conversation as a file to take away."""

from django.contrib import messages as flash
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from desk.errors import Refused
from tickets.services.conversation import access, contacts
from tickets.services.privacy import export as export_service
from tickets.views.base import AgentRequest, agent_page, wants_part
from tickets.views.compose import show_fresh
from tickets.views.file_response import download
from tickets.views.inbox import found_address


@require_POST
@agent_page
def export(request: AgentRequest, conversation_id: int) -> HttpResponseBase:
    """The conversation as a ZIP, its internal notes in it when `notes` is "yes"."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    file = export_service.export(request.user, conversation, with_notes=request.POST.get("notes") == "yes")
    return download(request, file, export_service.file_name(conversation), "application/zip")


@require_POST
@agent_page
def save(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Keep what agents note of the contact (contacts.EDITABLE); 422 with the reason when it cannot be kept."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    try:
        contacts.save_details(conversation.contact, {name: request.POST.get(name, "") for name in contacts.EDITABLE})
    except Refused as refused:
        if wants_part(request):
            return render(request, "tickets/_refusal.html", {"sentence": str(refused)}, status=422)
        flash.error(request, str(refused))
        return redirect(found_address(conversation.pk))
    return show_fresh(request, conversation)
