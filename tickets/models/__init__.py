"""Contacts, conversations, tickets, messages and their files."""

from tickets.models.message_change import MessageChange
from tickets.models.sender_actions import PageReaction, SenderAction
from tickets.models.viewer import Viewer

from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .erasure import Erasure
from .events import EventDelivery, EventSubscription, EventType
from .message import Attachment, Message
from .moderation import Moderation
from .replies import CannedReply

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
    "Message",
    "MessageChange",
    "Moderation",
    "PageReaction",
    "SenderAction",
    "Ticket",
    "Viewer",
]
