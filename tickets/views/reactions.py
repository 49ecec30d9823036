"""What an agent shows the customer besides messages: a reaction, and that they are typing."""

from django.contrib import messages as flash
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from tickets.services.conversation import access
from tickets.services.outgoing.replies import ReplyError
from tickets.services.page_actions import reactions, sender_actions
from tickets.views.base import AgentRequest, agent_page, wants_part
from tickets.views.compose import show_fresh
from tickets.views.inbox import found_address


@require_POST
@agent_page
def react(request: AgentRequest, conversation_id: int, message_id: int) -> HttpResponse:
    """Wish for `emoji` as the Page's reaction to a message; empty takes it back. 422 with the reason when refused.

    With `dismiss` the word that a wish was refused goes away.
    """
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    message = conversation.messages.filter(pk=message_id).first()
    if message is None:
        raise Http404("There is no such message in this conversation.")
    message.conversation = conversation
    try:
        if "dismiss" in request.POST:
            reactions.dismiss(message)
        else:
            reactions.react(request.user, message, request.POST.get("emoji", ""))
    except ReplyError as refused:
        if wants_part(request):
            return render(request, "tickets/_refusal.html", {"sentence": str(refused)}, status=422)
        flash.error(request, str(refused))
        return redirect(found_address(conversation.pk))
    return show_fresh(request, conversation)


@require_POST
@agent_page
def typing(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """The agent is typing a reply, or (`off`) has stopped: the customer is shown it where the channel says so."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    sender_actions.typing(request.user, conversation, is_on="off" not in request.POST)
    return HttpResponse(status=204)
