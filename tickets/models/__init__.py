"""Contacts, conversations, tickets, messages and their files."""

from .api_token import ApiToken, Scope
from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .erasure import Erasure
from .events import EventDelivery, EventSubscription, EventType
from .message import Attachment, CardText, Message
from .message_change import MessageChange
from .moderation import Moderation
from .replies import CannedReply
from .sender_actions import PageReaction, SenderAction, ThreadControlRequest
from .viewer import Viewer

__all__ = [
    "ApiToken",
    "Attachment",
    "CannedReply",
    "CardText",
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
    "ThreadControlRequest",
    "Ticket",
    "Viewer",
]
