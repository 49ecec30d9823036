"""Refuse a reply when somebody else answered meanwhile and the agent's page did not show that answer."""

from desk.models import User
from desk.sentences import sentence
from tickets.models import Conversation, Message

State = Message.State
NOT_SENT = (State.FAILED, State.HELD)

AUTHOR_OUTSIDE_DESK = {
    Message.Source.PAGE_INBOX: sentence("Somebody in the Page inbox"),
    Message.Source.THIS_APP: sentence("Somebody outside Desk"),
    Message.Source.OTHER_APP: sentence("Another app"),
}


class AnsweredMeanwhileError(Exception):
    """There is an answer that the agent's page did not show. `message` is the newest one."""

    def __init__(self, message: Message) -> None:
        super().__init__(f"message {message.pk} is newer than what the page showed")  # English only: for the log
        self.message = message


def author_in_words(message: Message) -> str:
    """Return who answered the customer with this message, in words for colleagues; "" when it is not an answer."""
    is_answer = message.direction == Message.Direction.OUT and message.kind == Message.Kind.MESSAGE
    if not is_answer or message.source == Message.Source.SYSTEM or message.state in NOT_SENT:
        return ""
    return AUTHOR_OUTSIDE_DESK.get(Message.Source(message.source)) or str(
        message.author or sentence("A former colleague")
    )


def require_seen(user: User, conversation: Conversation, seen: int) -> None:
    """Raise AnsweredMeanwhileError when somebody else answered after message `seen` (its id).

    Somebody else is a colleague, a person in the Page inbox, or another app. The caller holds the conversation's lock,
    so that two agents who send in the same second are checked one after the other.
    """
    answers = Message.objects.filter(
        conversation=conversation, pk__gt=seen, direction=Message.Direction.OUT, kind=Message.Kind.MESSAGE
    )
    answers = answers.exclude(author=user).exclude(source=Message.Source.SYSTEM).exclude(state__in=NOT_SENT)
    newest = answers.select_related("author").order_by("-pk").first()
    if newest is not None:
        raise AnsweredMeanwhileError(newest)
