"""The past week of Berg Bikes, taken over from the sandbox with its message ids and times: both sides agree."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from channels_im.models import Channel, Page
from desk.models import User
from tickets.models import Attachment, Contact, Conversation, Message, Ticket
from tickets.services.conversation import contacts
from tickets.services.conversation import messages as message_service

CLOSED_AFTER = timedelta(days=2)
KINDS = {"image": Attachment.Kind.IMAGE, "video": Attachment.Kind.VIDEO, "audio": Attachment.Kind.AUDIO}


@transaction.atomic
def import_history(channel: Channel, conversations: list[dict[str, Any]]) -> int:
    """Put the conversations of the sandbox's control API into `channel`; return how many messages are new.

    Files wait to be fetched by the worker, as those of a webhook do.
    """
    authors = {user.username: user for user in User.objects.all()}
    added = sum(_import_one(channel, told, authors) for told in conversations)
    newest = Conversation.objects.filter(channel=channel).aggregate(at=Max("last_customer_message_at"))["at"]
    Page.objects.filter(pk=channel.page_id).update(last_event_at=newest)
    return added


def _import_one(channel: Channel, told: dict[str, Any], authors: dict[str, User]) -> int:
    conversation = contacts.conversation_for(channel.page, channel, told["psid"])
    added = 0
    for line in sorted(told["messages"], key=lambda line: line["ts"]):
        message, is_new = message_service.add_message(conversation, **_fields(line, told["read_watermark"], authors))
        added += is_new
        if is_new and line["reactions"]:
            message.reactions = [
                {"by": by, "emoji": given["emoji"], "at": message.sent_at.isoformat()}
                for by, given in line["reactions"].items()
            ]
            message.save(update_fields=["reactions"])
    if added:
        _settle(conversation)
    return added


def _fields(line: dict[str, Any], read_watermark: int, authors: dict[str, User]) -> dict[str, Any]:
    """Return what `threads.add_message` takes for a line of the sandbox."""
    sent_at = _time(line["ts"])
    fields = {
        "mid": line["mid"],
        "text": line["text"] or "",
        "reply_to_mid": line["reply_to"] or "",
        "sent_at": sent_at,
        "received_at": sent_at,
        "attachments": [_attachment(number, file) for number, file in enumerate(line["attachments"])],
    }
    if line["from"] == "customer":
        return {
            **fields,
            "direction": Message.Direction.IN,
            "source": Message.Source.CUSTOMER,
            "state": Message.State.RECEIVED,
        }
    author = authors.get(line["author"] or "")
    is_read = line["ts"] <= read_watermark
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


def _settle(conversation: Conversation) -> None:
    """Leave the conversation as agents would: who answered has it, what is answered is read, what is old is closed."""
    messages = Message.objects.filter(conversation=conversation)
    last_answer = messages.filter(author__isnull=False).order_by("-sent_at").first()
    conversation.assignee = last_answer.author if last_answer else None
    unread = messages.filter(direction=Message.Direction.IN)
    if last_answer:
        unread = unread.filter(sent_at__gt=last_answer.sent_at)
    is_old = conversation.last_message_at < timezone.now() - CLOSED_AFTER
    conversation.unread_count = 0 if is_old else unread.count()
    if is_old:
        conversation.waiting_since = None
    conversation.save(update_fields=["assignee", "unread_count", "waiting_since"])
    tickets = Ticket.objects.filter(conversation=conversation)
    tickets.update(assignee=conversation.assignee)
    for ticket in tickets if is_old else tickets.exclude(pk=conversation.current_ticket_id):
        ticket.status, ticket.closed_at = Ticket.Status.CLOSED, ticket.last_message_at + timedelta(minutes=10)
        ticket.save(update_fields=["status", "closed_at"])
    first = messages.order_by("sent_at").values_list("sent_at", flat=True).first()
    Contact.objects.filter(pk=conversation.contact_id).update(first_seen_at=first)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
