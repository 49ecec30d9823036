"""Import the past week of Berg Bikes from the sandbox with its message ids and times, so that both sides agree."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from channels_im.models import Channel, Page
from desk.models import User
from tickets.models import Attachment, Contact, Conversation, Message, Ticket
from tickets.services.conversation import contacts, derived, ticketing
from tickets.services.conversation import messages as message_service

logger = logging.getLogger(__name__)

CLOSED_AFTER = timedelta(days=2)
KINDS = {"image": Attachment.Kind.IMAGE, "video": Attachment.Kind.VIDEO, "audio": Attachment.Kind.AUDIO}


@transaction.atomic
def import_history(channel: Channel, conversations: list[dict[str, Any]]) -> tuple[int, int]:
    """Import conversations of the sandbox's control API into `channel`.

    Returns how many messages are new, and how many conversations were left out because they are not complete. The
    worker fetches their files later, like those of a webhook delivery.
    """
    authors = {user.username: user for user in User.objects.all()}
    added = skipped = 0
    for conversation in conversations:
        try:
            with transaction.atomic():
                added += _import_one(channel, conversation, authors)
        except (KeyError, TypeError, ValueError, OverflowError, DataError, IntegrityError):
            logger.exception("A conversation of the sandbox could not be imported")
            skipped += 1
    newest = Conversation.objects.filter(channel=channel).aggregate(at=Max("last_customer_message_at"))["at"]
    Page.objects.filter(pk=channel.page_id).update(last_event_at=newest)
    return added, skipped


def _import_one(channel: Channel, data: dict[str, Any], authors: dict[str, User]) -> int:
    conversation = contacts.conversation_for(channel.page, channel, data["psid"])
    added = 0
    for item in sorted(data["messages"], key=lambda item: item["ts"]):
        message, is_new = message_service.add_message(conversation, **_fields(item, data["read_watermark"], authors))
        added += is_new
        if is_new and item["reactions"]:
            message.reactions = [
                {"by": by, "emoji": reaction["emoji"], "at": message.sent_at.isoformat()}
                for by, reaction in item["reactions"].items()
            ]
            message.save(update_fields=["reactions"])
    if added:
        _finish(conversation)
    return added


def _fields(item: dict[str, Any], read_watermark: int, authors: dict[str, User]) -> dict[str, Any]:
    """Return the arguments of `messages.add_message` for a message of the sandbox.

    `read_watermark` is in milliseconds.
    """
    sent_at = _time(item["ts"])
    fields = {
        "mid": item["mid"],
        "text": item["text"] or "",
        "reply_to_mid": item["reply_to"] or "",
        "sent_at": sent_at,
        "received_at": sent_at,
        "attachments": [_attachment(number, file) for number, file in enumerate(item["attachments"])],
    }
    if item["from"] == "customer":
        return {
            **fields,
            "direction": Message.Direction.IN,
            "source": Message.Source.CUSTOMER,
            "state": Message.State.RECEIVED,
        }
    author = authors.get(item["author"] or "")
    is_read = item["ts"] <= read_watermark
    return {
        **fields,
        "direction": Message.Direction.OUT,
        "source": Message.Source.AGENT if author else Message.Source.PAGE_INBOX,
        "author": author,
        "state": Message.State.READ if is_read else Message.State.DELIVERED,
        "delivered_at": sent_at,
        "read_at": sent_at + timedelta(minutes=1) if is_read else None,
    }


def _attachment(position: int, file: dict[str, Any]) -> Attachment:
    return Attachment(
        position=position,
        kind=KINDS.get(file["type"], Attachment.Kind.DOCUMENT),
        name=file["name"],
        source_url=file["cdn_url"],
    )


def _finish(conversation: Conversation) -> None:
    """Assign the conversation to the last author, mark what was answered as read, and close old tickets."""
    messages = Message.objects.filter(conversation=conversation)
    last_reply = messages.filter(author__isnull=False).order_by("-sent_at").first()
    conversation.assignee = last_reply.author if last_reply else None
    unread = messages.filter(direction=Message.Direction.IN)
    if last_reply:
        unread = unread.filter(sent_at__gt=last_reply.sent_at)
    last_message_at, current_ticket = conversation.last_message_at, conversation.current_ticket_id
    is_old = last_message_at is not None and last_message_at < timezone.now() - CLOSED_AFTER
    conversation.unread_count = 0 if is_old else unread.count()
    conversation.save(update_fields=["assignee", "unread_count"])
    tickets = Ticket.objects.filter(conversation=conversation)
    tickets.update(assignee=conversation.assignee)
    for ticket in tickets if is_old or current_ticket is None else tickets.exclude(pk=current_ticket):
        ticket.status, ticket.closed_at = Ticket.Status.CLOSED, ticket.last_message_at + timedelta(minutes=10)
        ticket.save(update_fields=["status", "closed_at"])
    ticketing.refresh_current_ticket(conversation)
    derived.refresh_row(conversation)  # nobody waits in a closed ticket
    first = messages.order_by("sent_at").values_list("sent_at", flat=True).first()
    Contact.objects.filter(pk=conversation.contact_id).update(first_seen_at=first)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
