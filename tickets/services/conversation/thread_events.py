"""The lines in a thread that say what agents and Desk did with the conversation."""

from typing import Any

from desk.models import User
from tickets.models import Conversation, Message
from tickets.services import by_macro
from tickets.services.conversation import messages
from tickets.services.conversation.new_message import NewMessage
from tickets.services.conversation.times import now_after


def add_event(
    conversation: Conversation, user: User | None, kind: str, line: str, *, earlier_ticket: int | None = None
) -> Message:
    """Add the event to the thread of a conversation that the caller has locked, and return it.

    `user` None: Desk did it. `earlier_ticket` is the id of the ticket that was closed or reopened when it is not the
    current one.
    """
    card: dict[str, Any] = {"kind": kind, "title": line, "text": by_macro.with_origin(), "url": "", **by_macro.facts()}
    if earlier_ticket is not None:
        card["ticket"] = earlier_ticket
    event = NewMessage(
        direction=Message.Direction.OUT,
        kind=Message.Kind.EVENT,
        source=Message.Source.SYSTEM,
        author=user,
        card=card,
        sent_at=now_after(conversation.last_message_at),
        state=Message.State.SENT,
    )
    # An event has no key that could exist already.
    return messages.add_to_locked(conversation, event, savepoint=False)[0]
