"""Apply edits, reactions, withdrawals and receipts to messages, also when they arrive before their message."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from channels_im.messenger.values import digest
from channels_im.models import Page
from tickets.models import Conversation, Message, MessageChange
from tickets.services.conversation import derived, messages, ticketing
from tickets.services.webhooks import events

Kind = MessageChange.Kind
RETENTION = timedelta(days=30)
NOT_IN_API = ("edit_number", "delivered_at")
MAX_MID_IN_KEY = 200  # characters
MAX_EDIT_NUMBER = 32_767  # what the column holds; an edit after that many counts by its time


def receive(page: Page, mid: str, *, key: str, kind: str, at: datetime, **content: Any) -> Message | None:
    """Apply a change to the message `mid` of `page`, or store it until that message arrives (None is returned then).

    `kind` and `content` are those of MessageChange: an edit has `text` and `number` (Meta's num_edit, 0 when absent), a
    reaction `by` ("customer" or "page") and `emoji` ("" removes it). The same change twice, and an older change after a
    newer one, change nothing.
    """
    change = MessageChange(page=page, mid=mid, key=key, kind=kind, at=at, content=content)
    with transaction.atomic():
        message = _locked(page.pk, mid)
        if message is None:
            _store(change)
            return None
        _apply(message, change)
    return message


def receive_deliveries(page: Page, psid: str, mids: Iterable[str], at: datetime) -> None:
    """Store that these messages were delivered to the customer, until Desk learns that it sent them."""
    for mid in set(mids):
        key = f"{Kind.DELIVERY}:{mid}" if len(mid) < MAX_MID_IN_KEY else digest([Kind.DELIVERY, mid])
        _store(MessageChange(page=page, mid=mid, key=key, kind=Kind.DELIVERY, at=at, content={"psid": psid}))


def receive_watermark(page: Page, psid: str, kind: str, at: datetime) -> None:
    """Store the newest watermark of a customer who has no conversation yet; `kind` is DELIVERY or READ."""
    subject = MessageChange.subject_of(psid)
    stored, created = MessageChange.objects.get_or_create(
        page=page, key=f"{kind}:{subject}", defaults={"mid": subject, "kind": kind, "at": at, "content": {"psid": psid}}
    )
    if not created and stored.at < at:
        MessageChange.objects.filter(pk=stored.pk).update(at=at)


def take_watermarks(page_id: int, psid: str) -> dict[str, datetime]:
    """Return the watermarks stored for a customer by the field of Conversation, and delete them."""
    stored = MessageChange.objects.filter(page_id=page_id, mid=MessageChange.subject_of(psid))
    watermarks = {f"{'read' if row.kind == Kind.READ else 'delivered'}_watermark": row.at for row in stored}
    if watermarks:
        stored.delete()
    return watermarks


def with_watermarks(page_ids: Iterable[int], psids: Iterable[str]) -> set[tuple[int, str]]:
    """Return those of these customers, as row id of the Page and PSID, of whom watermarks are stored."""
    psid_of = {MessageChange.subject_of(psid): psid for psid in psids}
    stored = MessageChange.objects.filter(page__in=list(page_ids), mid__in=psid_of).values_list("page_id", "mid")
    return {(page_id, psid_of[subject]) for page_id, subject in stored}


def apply_early(page_id: int, mids: Iterable[str]) -> None:
    """Apply stored changes to messages that exist now, in the caller's transaction; `page_id` is the Page's row id."""
    stored = MessageChange.objects.filter(page_id=page_id, mid__in=list(mids), applied_at=None).order_by("at", "pk")
    for change in stored:
        message = _locked(page_id, change.mid)
        if message is not None:
            _apply(message, change)


def waiting() -> QuerySet[MessageChange, MessageChange]:
    """Return the stored changes whose message exists: the two were stored at the same moment."""
    message = Message.objects.filter(page=OuterRef("page"), mid=OuterRef("mid"))
    return MessageChange.objects.filter(Exists(message), applied_at=None)


def is_due() -> bool:
    """Return whether a stored change can be applied."""
    return waiting().exists()


def apply_waiting() -> int:
    """Apply every stored change whose message exists; return the number of messages."""
    count = 0
    for page_id, mid in waiting().values_list("page_id", "mid").distinct():
        with transaction.atomic():
            apply_early(page_id, [mid])
        count += 1
    return count


def delete_old() -> int:
    """Delete changes whose message did not arrive within 30 days; return how many."""
    return MessageChange.objects.filter(created_at__lt=timezone.now() - RETENTION).delete()[0]


def _locked(page_id: int, mid: str) -> Message | None:
    """Lock the conversation of a message, then read the message: the order of every writer."""
    ids = Message.objects.filter(page_id=page_id, mid=mid).values_list("pk", "conversation_id").first()
    if ids is None:
        return None
    rows = Conversation.objects.select_for_update(of=("self",)).select_related("contact")
    conversation = rows.get(pk=ids[1])
    message = Message.objects.get(pk=ids[0])
    message.conversation = conversation
    return message


def _store(change: MessageChange, applied_at: datetime | None = None) -> None:
    MessageChange.objects.get_or_create(
        page=change.page,
        key=change.key,
        defaults={
            "mid": change.mid,
            "kind": change.kind,
            "at": change.at,
            "content": change.content,
            "applied_at": applied_at,
        },
    )


def _apply(message: Message, change: MessageChange) -> None:
    if message.conversation.contact.erased_at is not None:
        MessageChange.objects.filter(pk=change.pk).delete()
        return
    changed = _APPLY[change.kind](message, change)
    if change.kind == Kind.REACTION and not change.content["emoji"]:
        if change.pk:
            MessageChange.objects.filter(pk=change.pk).update(applied_at=timezone.now())
        else:
            _store(change, timezone.now())
    elif change.pk:
        change.delete()
    if changed:
        message.save(update_fields=changed)
        shown = [name for name in changed if name not in NOT_IN_API]
        events.messages_updated(message.conversation, [message.pk], *shown)
        _update_texts(message)


def _edit(message: Message, change: MessageChange) -> list[str]:
    """Apply an edit. Meta counts the edits of a message; without a count, or at its end, the times decide."""
    number, text = min(change.content.get("number", 0), MAX_EDIT_NUMBER), change.content.get("text", "")
    if number and number != message.edit_number:
        is_newer = number > message.edit_number
    elif number and number < MAX_EDIT_NUMBER:
        is_newer = False  # the same edit again
    else:
        is_newer = not message.edited_at or change.at > message.edited_at
    if not is_newer:
        return []
    message.text, message.edited_at, message.edit_number = text, change.at, number or message.edit_number
    return ["text", "edited_at", "edit_number"]


def _reaction(message: Message, change: MessageChange) -> list[str]:
    """Apply a reaction. The customer and the Page have one each: the newest by Meta's time."""
    by, emoji = change.content["by"], change.content["emoji"]
    previous = next((reaction for reaction in message.reactions if reaction["by"] == by), None)
    if previous and datetime.fromisoformat(previous["at"]) > change.at:
        return []
    if emoji and _removed_later(message, by, change.at):
        return []
    others = [reaction for reaction in message.reactions if reaction["by"] != by]
    reactions = [*others, {"by": by, "emoji": emoji, "at": change.at.isoformat()}] if emoji else others
    if reactions == message.reactions:
        return []
    message.reactions = reactions
    return ["reactions"]


def _removed_later(message: Message, by: str, at: datetime) -> bool:
    return MessageChange.objects.filter(
        page=message.page_id, mid=message.mid, kind=Kind.REACTION, at__gte=at, content__by=by, content__emoji=""
    ).exists()


def _withdrawal(message: Message, change: MessageChange) -> list[str]:
    if message.withdrawn_at:
        return []
    message.withdrawn_at = change.at
    return ["withdrawn_at"]


def _delivery(message: Message, change: MessageChange) -> list[str]:
    if message.state != Message.State.SENT:
        return []
    message.state, message.delivered_at = Message.State.DELIVERED, change.at
    return ["state", "delivered_at"]


_APPLY: dict[str, Callable[[Message, MessageChange], list[str]]] = {
    Kind.EDIT: _edit,
    Kind.REACTION: _reaction,
    Kind.WITHDRAWAL: _withdrawal,
    Kind.DELIVERY: _delivery,
}


def _update_texts(message: Message) -> None:
    """Update preview and ticket's subject when they show this message, and announce the change to open pages."""
    conversation = message.conversation
    is_newest = message.ticket is None or message.sent_at >= message.ticket.last_message_at  # of its ticket at least
    if message.kind == Message.Kind.MESSAGE and (is_newest or message.sent_at == conversation.last_message_at):
        derived.refresh_row(conversation)
    if message.ticket is not None and message.sent_at == message.ticket.opened_at:
        ticketing.refresh_tickets(conversation, [message.ticket_id])
    messages.announce(conversation)
