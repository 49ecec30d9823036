"""Contacts, conversations, tickets, messages and their files."""

from desk.sentences import sentence

from .api_token import ApiToken, Scope
from .assignment import AssignmentSettings, Availability
from .contact import Contact
from .conversation import Conversation, Draft, Ticket
from .custom_field import CustomField, FieldValue
from .erasure import Erasure
from .events import EventDelivery, EventSubscription, EventType
from .label import Label
from .macro import Macro, MacroRun
from .mention import AccessGrant, Mention
from .message import Attachment, Message
from .message_change import MessageChange
from .moderation import Moderation
from .notification import (
    MailReminder,
    Notice,
    NotificationChoice,
    NotificationSettings,
    PushDelivery,
    PushKey,
    PushSubscription,
)
from .person import ContactNote, Person
from .replies import CannedReply, CannedReplyFile
from .saved_view import SavedView
from .scheduled import ScheduledReply, ScheduledReplyFile
from .search import AttachmentTerms, ContactTerms, MessageTerms
from .sender_actions import PageReaction, SenderAction, ThreadControlRequest
from .ticket_change import TicketChange, TicketLink
from .viewer import Viewer

#: What the history calls models whose names Django makes; the catalogues find them here.
NAMES = (
    sentence("canned reply"),
    sentence("conversation"),
    sentence("event subscription"),
    sentence("label"),
    sentence("macro"),
    sentence("saved view"),
    sentence("person"),
)

__all__ = [  # English only: names of classes
    "AccessGrant",
    "ApiToken",
    "AssignmentSettings",
    "Attachment",
    "AttachmentTerms",
    "Availability",
    "CannedReply",
    "CannedReplyFile",
    "Contact",
    "ContactNote",
    "ContactTerms",
    "Conversation",
    "CustomField",
    "Draft",
    "Erasure",
    "EventDelivery",
    "EventSubscription",
    "EventType",
    "FieldValue",
    "Label",
    "Macro",
    "MacroRun",
    "MailReminder",
    "Mention",
    "Message",
    "MessageChange",
    "MessageTerms",
    "Moderation",
    "Notice",
    "NotificationChoice",
    "NotificationSettings",
    "PageReaction",
    "Person",
    "PushDelivery",
    "PushKey",
    "PushSubscription",
    "SavedView",
    "ScheduledReply",
    "ScheduledReplyFile",
    "Scope",
    "SenderAction",
    "ThreadControlRequest",
    "Ticket",
    "TicketChange",
    "TicketLink",
    "Viewer",
]
