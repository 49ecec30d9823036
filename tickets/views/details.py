"""The details beside a conversation: its tickets, its files, and how the customer found the Page."""

from typing import Any

from tickets.models import Attachment, Conversation
from tickets.services.privacy import erasure
from tickets.views.base import AgentRequest

MAX_TICKETS = 6
MAX_FILES = 12
ORIGIN_WITHIN = 30  # messages: the card of an ad or referral comes when the customer comes
ORIGINS = ("ad", "referral")


def details_context(request: AgentRequest, conversation: Conversation) -> dict[str, Any]:
    """Return the context of `_details.html`; four queries at most."""
    contact = conversation.contact
    tickets = conversation.tickets.select_related("assignee", "department").order_by("-opened_at", "-pk")
    files = Attachment.objects.filter(message__conversation=conversation, state=Attachment.State.STORED)
    files = files.exclude(kind=Attachment.Kind.STICKER).filter(message__withdrawn_at=None)
    may_erase = erasure.may_erase(request.user)
    return {
        "tickets": list(tickets[:MAX_TICKETS]),
        "shared_files": list(files.order_by("-message__sent_at", "-pk")[:MAX_FILES]),
        "origin": _origin(conversation),
        "may_erase": may_erase and contact.erased_at is None,
        "erasure": getattr(contact, "erasure", None) if may_erase and contact.erased_at else None,
    }


def _origin(conversation: Conversation) -> dict[str, Any] | None:
    """Return the card that says how the customer found the Page: an ad, an m.me link or a product."""
    cards = conversation.messages.order_by("sent_at", "pk").values_list("card", flat=True)[:ORIGIN_WITHIN]
    return next((card for card in cards if card and card.get("kind") in ORIGINS), None)
