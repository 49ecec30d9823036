"""Answer a customer from a notification. What cannot be sent becomes the person's draft: nothing typed is lost."""

from dataclasses import dataclass

from django.core import signing
from django.http import Http404

from desk.errors import Refused
from desk.models import User
from desk.sentences import sentence
from desk.text import is_blank
from tickets.models import Conversation
from tickets.rules.sending import clean_text
from tickets.services.conversation import access
from tickets.services.inbox import drafts
from tickets.services.notifications.payloads import read_token
from tickets.services.outgoing import collision, replies
from tickets.services.outgoing.collision import AnsweredMeanwhileError

NOT_YOURS = sentence("This notification is not yours, or not valid.")
TOO_LATE = sentence("The notification is older than an hour. Your text is a draft in the conversation.")
NOT_AGAIN = sentence("You have answered this message already. Your text is a draft in the conversation.")
KEPT = sentence("Your text is a draft in the conversation.")


@dataclass(frozen=True)
class NotSent:
    """A reply that was not sent: the reason for people. `conversation_id` is where the draft is, None without one."""

    reason: str
    conversation_id: int | None = None


def reply(user: User, token: str, text: str) -> NotSent | None:
    """Send `text` to the customer whose message the notification was about; return None once it is queued.

    The token allows one reply of the person it was made for. Sending the same again changes nothing.
    """
    try:
        to, is_in_time = read_token(token)
        if to.user_id != user.pk:
            return NotSent(NOT_YOURS)
        conversation = access.get_conversation(user, to.conversation_id)
    except (signing.BadSignature, TypeError, Http404):
        return NotSent(NOT_YOURS)
    if is_blank(clean_text(text)):
        return NotSent(sentence("The reply is empty. Write something first."), conversation.pk)
    if not is_in_time and not replies.is_queued(conversation, to.client_key):
        return _keep(user, conversation, text, TOO_LATE)
    try:
        parts = replies.queue_reply(user, conversation, text=text, client_key=to.client_key, seen=to.message_id)
    except AnsweredMeanwhileError as meanwhile:
        who = collision.author_in_words(meanwhile.message)
        return _keep(user, conversation, text, sentence("%(who)s has answered meanwhile.", who=who) + f" {KEPT}")
    except Refused as refused:
        return _keep(user, conversation, text, f"{refused} {KEPT}")
    if parts[0].text != clean_text(text):
        return _keep(user, conversation, text, NOT_AGAIN)
    return None


def _keep(user: User, conversation: Conversation, text: str, reason: str) -> NotSent:
    """Make the text a draft, behind what the person has there already."""
    before: str | None = drafts.read(user, conversation)
    while before is not None and clean_text(text) not in before:
        # Again with what an open page has saved meanwhile.
        before = drafts.save(user, conversation, f"{before}\n{text}" if before.strip() else text, known=[before])
    return NotSent(reason, conversation.pk)
