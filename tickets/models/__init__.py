"""Contacts, conversations, tickets, messages and their files."""

from .api_token import ApiToken, Scope
from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .erasure import Erasure
from .events import EventDelivery, EventSubscription, EventType
from .message import Attachment, Message
from .message_change import MessageChange
from .moderation import Moderation
from .replies import CannedReply
from .sender_actions import PageReaction, SenderAction
from .viewer import Viewer

__all__ = [
    "ApiToken",
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
    "Scope",
    "SenderAction",
    "Ticket",
    "Viewer",
]
