"""The details beside a conversation: its tickets, its files, and how the customer found the Page."""

from datetime import datetime
from typing import Any

from desk.models import User
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
    tickets = conversation.tickets.select_related("assignee", "department").order_by("-opened_at", "-pk")
    files = Attachment.objects.filter(message__conversation=conversation, state=Attachment.State.STORED)
    files = files.exclude(kind=Attachment.Kind.STICKER).filter(message__withdrawn_at=None)
    files = files.filter(message__kind=Message.Kind.MESSAGE)  # not pictures of ads, and not what only colleagues see
    may_erase = erasure.may_erase(user)
    ticket = conversation.current_ticket
    present, others = labels.of_ticket(ticket, conversation) if ticket else ([], [])
    return {
        "tickets": list(tickets[:MAX_TICKETS]),
        "shared_files": list(files.order_by("-message__sent_at", "-pk")[:MAX_FILES]),
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
    rows = conversation.messages.order_by("sent_at", "pk").values_list("pk", "sent_at", "card")[:ORIGIN_WITHIN]
    found = [
        {**card, "at": sent_at.isoformat(), "message": pk}
        for pk, sent_at, cards in rows
        for card in cards_in(cards)
        if card["kind"] in ORIGINS
    ]
    return found[:1]
