"""Contacts, conversations, tickets, messages and their files."""

from tickets.models.message_change import MessageChange
from tickets.models.viewer import Looking

from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .erasure import Erasure
from .events import EventDelivery, EventSubscription, EventType
from .message import Attachment, Message
from .moderation import Moderation
from .replies import CannedReply
from .sender_actions import PageReaction, PageSignal

__all__ = [
    "Attachment",
    "CannedReply",
    "Contact",
    "Conversation",
    "Draft",
    "Erasure",
    "EventDelivery",
    "EventSubscription",
    "EventType",
    "Looking",
    "Message",
    "MessageChange",
    "Moderation",
    "PageReaction",
    "PageSignal",
    "Ticket",
]
