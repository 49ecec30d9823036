"""The question over the composer after a reply in a conversation that nobody has: is it yours?"""

from tickets.models import Conversation
from tickets.services.conversation import assigning
from tickets.views.base import AgentRequest

SESSION_KEY = "left_unassigned"
MOST_KEPT = 100  # answers in a session
#: In the address of the page after a reply, for browsers without scripts.
AFTER_REPLY = "replied"


def asks(request: AgentRequest, conversation: Conversation) -> bool:
    """Return whether to ask after a reply: not again in a ticket for which the agent said *Not now*."""
    left = request.session.get(SESSION_KEY, [])
    return conversation.current_ticket_id not in left and assigning.asks_after_reply(conversation)


def leave_unassigned(request: AgentRequest, conversation: Conversation) -> None:
    """Do not ask again in the conversation's current ticket, in this session."""
    left = [pk for pk in request.session.get(SESSION_KEY, []) if pk != conversation.current_ticket_id]
    request.session[SESSION_KEY] = [*left, conversation.current_ticket_id][-MOST_KEPT:]
