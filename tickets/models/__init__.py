"""Contacts, conversations, tickets, messages and their files."""

from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .early import MessageChange
from .message import Attachment, Message
from .replies import CannedReply

__all__ = ["Attachment", "CannedReply", "Contact", "Conversation", "Draft", "Message", "MessageChange", "Ticket"]
