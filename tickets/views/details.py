"""The details beside a conversation: its tickets, its files, and how the customer found the Page."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from desk.models import User
from desk.prepared import PreparedModels
from tickets.models import Attachment, Conversation, Message, Ticket
from tickets.rules.cards import ORIGINS, cards_in
from tickets.services.conversation import access, custom_fields, mentions
from tickets.services.inbox import labels
from tickets.services.inbox.ticket_facts import SUBJECT_LIMIT
from tickets.services.privacy import erasure

MAX_TICKETS = 6
MAX_FILES = 12
MAX_ALSO_ON = 10
ORIGIN_WITHIN = 30  # messages: the card of an ad or referral comes when the customer comes
MAX_ORIGINS = 3  # the first and the newest


def details_context(user: User, conversation: Conversation) -> dict[str, Any]:
    """Return the context of `_details.html`; eight queries at most."""
    contact = conversation.contact
    may_erase = erasure.may_erase(user)
    ticket = conversation.current_ticket
    present, others = labels.of_ticket(ticket, conversation) if ticket else ([], [])
    return {
        "tickets": _tickets.rows(conversation=conversation.pk),
        "shared_files": _shared_files.rows(conversation=conversation.pk),
        "also_on": _also_on(user, conversation),
        "origins": _origins(conversation),
        "labels": present,
        "other_labels": [] if contact.erased_at else others,
        "priorities": Ticket.Priority,
        "custom_fields": custom_fields.of_conversation(conversation),
        "subject_limit": SUBJECT_LIMIT,
        "mention_readers": mentions.readers_of(conversation),
        "may_erase": may_erase and contact.erased_at is None,
        "erasure": getattr(contact, "erasure", None) if may_erase and contact.erased_at else None,
    }


def _newest_tickets(*, conversation: int) -> QuerySet[Ticket, Ticket]:
    rows = Ticket.objects.filter(conversation=conversation).select_related("assignee", "department")
    return rows.order_by("-opened_at", "-pk")[:MAX_TICKETS]


def _newest_files(*, conversation: int) -> QuerySet[Attachment, Attachment]:
    """Return files of messages: no pictures of ads, and nothing that only colleagues see."""
    files = Attachment.objects.filter(message__conversation=conversation, state=Attachment.State.STORED)
    files = files.exclude(kind=Attachment.Kind.STICKER).filter(message__withdrawn_at=None)
    return files.filter(message__kind=Message.Kind.MESSAGE).order_by("-message__sent_at", "-pk")[:MAX_FILES]


def _first_messages(*, conversation: int) -> QuerySet[Message, Message]:
    rows = Message.objects.filter(conversation=conversation).order_by("sent_at", "pk")
    return rows.only("sent_at", "card")[:ORIGIN_WITHIN]


_tickets, _shared_files = PreparedModels(_newest_tickets), PreparedModels(_newest_files)
_first = PreparedModels(_first_messages)


def _also_on(user: User, conversation: Conversation) -> list[Conversation]:
    """Return the conversations of the person's other contacts that `user` may see; no query without a person."""
    contact = conversation.contact
    if contact.person_id is None:
        return []
    others = access.conversations_for(user).filter(contact__person=contact.person_id).exclude(contact=contact.pk)
    return list(others.select_related("channel__page").defer("channel__page__page_token").order_by("-pk")[:MAX_ALSO_ON])


def _origins(conversation: Conversation) -> list[dict[str, Any]]:
    """Return the cards that say how the customer found the Page (ads, links, products), newest first, with pictures.

    Contacts from before Desk kept these have none: then the cards of their first messages say so.
    """
    origins = conversation.contact.origins or _origins_in_messages(conversation)
    shown = [*origins[:1], *origins[1:][-MAX_ORIGINS + 1 :]][::-1]
    files = Attachment.objects.filter(
        message__in=[origin["message"] for origin in shown if origin.get("picture") is not None],
        message__conversation=conversation,
        state=Attachment.State.STORED,
    )
    pictures = {(file.message_id, file.position): file for file in files}
    return [
        {
            **origin,
            "picture": pictures.get((origin["message"], origin.get("picture"))),
            "moment": datetime.fromisoformat(origin["at"]),
        }
        for origin in shown
    ]


def _origins_in_messages(conversation: Conversation) -> list[dict[str, Any]]:
    found = [
        {**card, "at": message.sent_at.isoformat(), "message": message.pk}
        for message in _first.rows(conversation=conversation.pk)
        for card in cards_in(message.card)
        if card["kind"] in ORIGINS
    ]
    return found[:1]
