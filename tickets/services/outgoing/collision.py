"""Somebody else answered meanwhile: a reply written without having seen that answer is asked about before it goes."""

from desk.models import User
from tickets.models import Conversation, Message

State = Message.State
NOT_SENT = (State.FAILED, State.HELD)


OUTSIDE = {
    Message.Source.PAGE_INBOX: "Somebody in the Page inbox",
    Message.Source.THIS_APP: "Somebody outside Desk",
    Message.Source.OTHER_APP: "Another app",
}


class AnsweredMeanwhileError(Exception):
    """There is an answer the agent's page did not show. `message` is the newest one."""

    def __init__(self, message: Message) -> None:
        super().__init__(f"message {message.pk} is newer than what was seen")
        self.message = message


def author_in_words(message: Message) -> str:
    """Who answered the customer with this message, in words for colleagues; empty when it is no answer of anybody."""
    is_answer = message.direction == Message.Direction.OUT and message.kind == Message.Kind.MESSAGE
    if not is_answer or message.source == Message.Source.SYSTEM or message.state in NOT_SENT:
        return ""
    return OUTSIDE.get(Message.Source(message.source)) or str(message.author or "A former colleague")


def require_seen(user: User, conversation: Conversation, seen: int) -> None:
    """Raise AnsweredMeanwhileError when anybody else answered after message `seen` (its id).

    Anybody else: a colleague, somebody in the Page inbox, or another app.

    The caller holds the conversation's lock: two agents who send in the same second come one after the other.
    """
    answers = Message.objects.filter(
        conversation=conversation, pk__gt=seen, direction=Message.Direction.OUT, kind=Message.Kind.MESSAGE
    )
    answers = answers.exclude(author=user).exclude(source=Message.Source.SYSTEM).exclude(state__in=NOT_SENT)
    newest = answers.select_related("author").order_by("-pk").first()
    if newest is not None:
        raise AnsweredMeanwhileError(newest)
