"""Contacts, conversations, tickets, messages and their files."""

from .api_token import ApiToken, Scope
from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .erasure import Erasure
from .events import EventDelivery, EventSubscription, EventType
from .message import Attachment, Message
from .message_change import MessageChange
from .moderation import Moderation
from .replies import CannedReply, CannedReplyFile
from .search import AttachmentTerms, ContactTerms, MessageTerms
from .sender_actions import PageReaction, SenderAction, ThreadControlRequest
from .viewer import Viewer

__all__ = [
    "ApiToken",
    "Attachment",
    "AttachmentTerms",
    "CannedReply",
    "CannedReplyFile",
    "Contact",
    "ContactTerms",
    "Conversation",
    "Draft",
    "Erasure",
    "EventDelivery",
    "EventSubscription",
    "EventType",
    "Message",
    "MessageChange",
    "MessageTerms",
    "Moderation",
    "PageReaction",
    "Scope",
    "SenderAction",
    "ThreadControlRequest",
    "Ticket",
    "Viewer",
]
