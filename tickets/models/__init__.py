"""Contacts, conversations, tickets, messages and their files."""

from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .early import MessageChange
from .erasure import Erasure
from .events import EventDelivery, EventSubscription, EventType
from .looking import Looking
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
