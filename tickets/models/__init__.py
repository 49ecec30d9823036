"""Contacts, conversations, tickets, messages and their files."""

from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .early import MessageChange
from .looking import Looking
from .message import Attachment, Message
from .moderation import Moderation
from .replies import CannedReply

__all__ = [
    "Attachment",
    "CannedReply",
    "Contact",
    "Conversation",
    "Draft",
    "Looking",
    "Message",
    "MessageChange",
    "Moderation",
    "Ticket",
]
