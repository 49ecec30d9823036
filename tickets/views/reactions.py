"""What an agent shows the customer besides messages: a reaction, and that they are typing."""

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST

from desk.errors import Refused
from tickets.services.conversation import access
from tickets.services.page_actions import reactions, sender_actions
from tickets.views.base import AgentRequest, agent_page, page_of, refuse
from tickets.views.compose import show_fresh


@require_POST
@agent_page
def react(request: AgentRequest, conversation_id: int, message_id: int) -> HttpResponse:
    """Set the Page's reaction to a message to `emoji`; empty removes it. 422 with the reason when it is refused.

    With `dismiss`, remove the notice that a reaction was refused.
    """
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    message = conversation.messages.filter(pk=message_id).first()
    if message is None:
        raise Http404("There is no such message in this conversation.")  # English only: no page shows it
    message.conversation = conversation
    try:
        access.require_work(request.facts, conversation)
        if "dismiss" in request.POST:
            reactions.dismiss(message)
        else:
            reactions.react(request.user, message, request.POST.get("emoji", ""))
    except Refused as refused:
        return refuse(request, str(refused), page_of(request, conversation.pk))
    return show_fresh(request, conversation)


@require_POST
@agent_page
def typing(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show the customer that the agent is typing, or with `off` has stopped, where the channel shows this."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    if access.may_work_in(request.facts, conversation):
        sender_actions.typing(request.user, conversation, is_on="off" not in request.POST)
    return HttpResponse(status=204)
