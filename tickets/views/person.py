"""The person behind a conversation: what agents note about them, and the conversation as a file to take away."""

from django.contrib import messages as flash
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST

from tickets.services import access, contacts, exporting
from tickets.views.base import AgentRequest, agent_page, wants_part
from tickets.views.compose import show_fresh
from tickets.views.inbox import found_address
from tickets.views.streams import blocks, blocks_async


@require_POST
@agent_page
def export(request: AgentRequest, conversation_id: int) -> HttpResponseBase:
    """The conversation as a ZIP, its internal notes in it when `notes` is "yes"."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    file = exporting.export(request.user, conversation, with_notes=request.POST.get("notes") == "yes")
    length = file.seek(0, 2)
    stream = blocks_async if isinstance(request, ASGIRequest) else blocks
    response = StreamingHttpResponse(stream(file, 0, length), content_type="application/zip")
    response._resource_closers.append(file.close)
    response.headers["Content-Length"] = str(length)
    response.headers["Content-Disposition"] = content_disposition_header(True, exporting.file_name(conversation))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
@agent_page
def save(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Keep what agents note of the contact (contacts.EDITABLE); 422 with the reason when it cannot be kept."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    try:
        contacts.save_details(conversation, {name: request.POST.get(name, "") for name in contacts.EDITABLE})
    except contacts.Refused as refused:
        if wants_part(request):
            return render(request, "tickets/_refusal.html", {"sentence": str(refused)}, status=422)
        flash.error(request, str(refused))
        return redirect(found_address(conversation.pk))
    return show_fresh(request, conversation)
