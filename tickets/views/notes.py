"""Internal notes: whom to mention, and changing or deleting one's own. Writing them is in compose.py."""

from django.http import Http404, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from desk.errors import Refused
from tickets.models import Message
from tickets.services.conversation import access
from tickets.services.inbox import mention_choice, notes
from tickets.views.base import AgentRequest, agent_page, page_of, refuse
from tickets.views.compose import show_fresh, targets_of, wanted_of


@require_GET
@agent_page
def mention_choices(request: AgentRequest, conversation_id: int) -> JsonResponse:
    """Return who fits `q`, or the present state of each `key`: {choices: [{key, label, detail, sees}], may_give}.

    `sees`: whether they are notified. `may_give`: whether the user can give access to those who are not.
    """
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    if "key" in request.GET:
        found = mention_choice.by_targets(conversation, targets_of(request.GET.getlist("key")))
    else:
        found = mention_choice.choices(request.user, conversation, request.GET.get("q", ""))
    return JsonResponse(
        {
            "choices": [
                {"key": one.target.key, "label": one.label, "detail": one.detail, "sees": one.sees} for one in found
            ],
            "may_give": conversation.is_open and access.may_work_in(request.facts, conversation),
        }
    )


@require_POST
@agent_page
def change(request: AgentRequest, conversation_id: int, message_id: int) -> HttpResponse:
    """Change the text of one's own note to `text`; `mention`, `access` and `told` are those of a new note."""
    note = _note(request, conversation_id, message_id)
    try:
        notes.edit_note(request.user, note, request.POST.get("text", ""), wanted_of(request))
    except Refused as refused:
        return refuse(request, str(refused), page_of(request, conversation_id))
    return show_fresh(request, note.conversation)


@require_POST
@agent_page
def delete(request: AgentRequest, conversation_id: int, message_id: int) -> HttpResponse:
    """Delete one's own note."""
    note = _note(request, conversation_id, message_id)
    try:
        notes.delete_note(request.user, note)
    except Refused as refused:
        return refuse(request, str(refused), page_of(request, conversation_id))
    return show_fresh(request, note.conversation)


def _note(request: AgentRequest, conversation_id: int, message_id: int) -> Message:
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    note = conversation.messages.filter(pk=message_id, kind=Message.Kind.NOTE).first()
    if note is None:
        raise Http404("There is no such note in this conversation.")  # English only: no page shows it
    note.conversation = conversation
    return note
