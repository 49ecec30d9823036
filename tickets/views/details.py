"""What the details strip shows of a conversation besides itself: tickets, files, where the customer came from."""

from typing import Any

from tickets.models import Attachment, Conversation
from tickets.services.privacy import erasure
from tickets.views.base import AgentRequest

EARLIER_TICKETS = 6
SHARED_FILES = 12
# Where somebody came from is said when they come.
FIRST_MESSAGES = 30
ORIGINS = ("ad", "referral")


def details_context(request: AgentRequest, conversation: Conversation) -> dict[str, Any]:
    """For `_details.html`; four queries at most."""
    contact = conversation.contact
    tickets = conversation.tickets.select_related("assignee", "department").order_by("-opened_at", "-pk")
    files = Attachment.objects.filter(message__conversation=conversation, state=Attachment.State.STORED)
    files = files.exclude(kind=Attachment.Kind.STICKER).filter(message__withdrawn_at=None)
    may_erase = erasure.may_erase(request.user)
    return {
        "tickets": list(tickets[:EARLIER_TICKETS]),
        "shared_files": list(files.order_by("-message__sent_at", "-pk")[:SHARED_FILES]),
        "origin": _origin(conversation),
        "may_erase": may_erase and contact.erased_at is None,
        "erasure": getattr(contact, "erasure", None) if may_erase and contact.erased_at else None,
    }


def _origin(conversation: Conversation) -> dict[str, Any] | None:
    """The card that says how the customer found the Page: an ad, an m.me link, a product."""
    first = conversation.messages.order_by("sent_at", "pk").values_list("card", flat=True)[:FIRST_MESSAGES]
    return next((card for card in first if card and card.get("kind") in ORIGINS), None)
