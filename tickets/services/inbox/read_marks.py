"""Mark conversations as read and as unread, for all agents."""

from django.db import transaction

from tickets.models import Conversation, Message
from tickets.services.conversation import messages
from tickets.services.inbox.cursors import after_cursor, read_cursor

UNREAD_LIMIT = 100  # messages; after a partial read no more are counted


def mark_read(conversation: Conversation, upto: str = "") -> bool:
    """Mark the conversation as read for all agents; return whether that changed anything.

    `upto` is the cursor of the newest message the agent has seen: later messages of the customer stay unread.
    """
    if not conversation.unread_count:
        return False
    seen = read_cursor(upto)
    unread_count = 0
    if seen:
        later = after_cursor("sent_at", seen, descending=False)
        unseen = conversation.messages.filter(later, direction=Message.Direction.IN, kind=Message.Kind.MESSAGE)
        unread_count = unseen[:UNREAD_LIMIT].count()
    if unread_count >= conversation.unread_count:
        return False
    return _set_unread(conversation, conversation.unread_count, unread_count)


def mark_unread(conversation: Conversation) -> bool:
    """Mark a read conversation as unread; return whether that changed anything."""
    return _set_unread(conversation, 0, 1)


def _set_unread(conversation: Conversation, before: int, after: int) -> bool:
    """Change the count, unless somebody else did meanwhile: open pages have then received that change."""
    with transaction.atomic():
        rows = Conversation.objects.filter(pk=conversation.pk, unread_count=before)
        if not rows.update(unread_count=after):
            return False
        conversation.unread_count = after
        messages.announce(conversation)
    return True
