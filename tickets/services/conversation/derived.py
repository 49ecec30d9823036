"""Columns of a conversation that follow from its messages: compute them again after messages changed.

`messages.add_message` keeps them up to date without reading; `manage.py verify_integrity` finds where they differ. The
caller of each function holds the conversation's lock.
"""

from django.db.models import Max

from tickets.models import Conversation, Message
from tickets.services.conversation import messages

Direction, Kind = Message.Direction, Message.Kind


def refresh_newest(conversation: Conversation) -> None:
    """Show the newest message in the list: its time and preview."""
    own = Message.objects.filter(conversation=conversation, kind=Kind.MESSAGE)
    newest = own.order_by("-sent_at", "-id").prefetch_related("attachments").first()
    if newest is None:
        conversation.last_message_at, conversation.preview, conversation.preview_is_ours = None, "", False
    else:
        messages.show_as_newest(conversation, newest)
    conversation.save(update_fields=["last_message_at", "preview", "preview_is_ours"])


def refresh_current_ticket(conversation: Conversation) -> None:
    """Make the newest ticket the current one."""
    conversation.current_ticket = conversation.tickets.order_by("-opened_at", "-id").first()
    conversation.save(update_fields=["current_ticket"])


def recount(conversation: Conversation) -> None:
    """Count the messages again, and find the customer's newest one.

    What agents have read is written down nowhere but in the unread count: it can only be too high.
    """
    own = Message.objects.filter(conversation=conversation, kind=Kind.MESSAGE)
    incoming = own.filter(direction=Direction.IN)
    conversation.message_count = own.count()
    conversation.unread_count = min(conversation.unread_count, most_unread(incoming.count()))
    conversation.last_customer_message_at = incoming.aggregate(at=Max("sent_at"))["at"]
    conversation.save(update_fields=["message_count", "unread_count", "last_customer_message_at"])


def most_unread(incoming: int) -> int:
    """Return the highest unread count with this number of customer messages. *Mark as unread* makes one of none."""
    return max(incoming, 1)


def forget_message(conversation: Conversation, message: Message) -> None:
    """Bring `conversation` up to date after `message`, one of its counted messages, was deleted.

    A ticket without any other message is deleted too.
    """
    conversation.message_count = max(conversation.message_count - 1, 0)
    conversation.preview = ""  # also when the newest message has nothing to show
    conversation.save(update_fields=["message_count"])
    messages.refresh_tickets(conversation, {message.ticket_id})
    refresh_newest(conversation)
    messages.refresh_waiting(conversation)
    messages.announce(conversation)
