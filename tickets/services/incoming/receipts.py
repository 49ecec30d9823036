"""Process echoes, deliveries and reads of sent messages. Called by the receiver for one customer's events.

Sources: Meta, "message_echoes", "message_deliveries", "message_reads". Every function may be called twice for the same
event, and in any order; no state ever moves back.
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from channels_im.messenger.cards import INBOX_APP_IDS
from channels_im.messenger.events import Delivered, Echo, Read
from channels_im.models import Channel, Page
from channels_im.services.journal.store import MAX_CLOCK_SKEW, IncomingEvent
from desk import wake
from tickets.models import Contact, Conversation, Erasure, Message, MessageChange
from tickets.rules.delivery_lookup import CLOCK_SKEW, is_alike
from tickets.rules.sending import message_id_in, receipt_state
from tickets.services.conversation import contacts, message_changes, messages
from tickets.services.conversation.times import from_ms, now_ms
from tickets.services.incoming import attachments as attachment_service
from tickets.services.incoming import cards_and_files, recovered
from tickets.services.outgoing import delivery_status
from tickets.services.privacy import erasure
from tickets.services.webhooks import events

Direction, Kind, Source, State = Message.Direction, Message.Kind, Message.Source, Message.State


# --- Echoes -----------------------------------------------------------------------------------------------------------
def handle_echo(page: Page, channel: Channel, event: Echo, incoming: IncomingEvent | None = None) -> Message | None:
    """Confirm our message that this echo is of, or store what somebody else sent as the Page; return the message.

    Ours is identified by `metadata`, by `mid`, or, when Meta returns no metadata, as a message this app is sending at
    the moment. Any other echo was sent from the Page inbox, by this app outside Desk, or by another app: it counts as
    an answer. The echo of a message to a contact who was erased since creates no contact: then None, or the emptied
    message, is returned.

    One that Desk recovered or imported, as `incoming` tells, has neither an app nor the exact time: it may be a message
    whose outcome is unknown, and is what a look-up of the conversation would find.
    """
    recovered_at = incoming.recovered_at if incoming else None
    is_imported = incoming is not None and incoming.is_imported
    evidence = delivery_status.Evidence.LOOKUP if recovered_at else delivery_status.Evidence.ECHO
    if event.psid is None:
        return None
    at = from_ms(event.timestamp_ms) if event.timestamp_ms is not None else now_ms()
    with transaction.atomic():
        conversation = contacts.find_conversation(channel, event.psid)
        if conversation is not None:
            messages.lock(conversation)
        is_recovered = recovered_at is not None
        row = _row_of(page, _contact_id(page, conversation, event.psid), event, at, is_recovered=is_recovered)
        if row is not None and delivery_status.confirm(row.pk, mid=event.mid, sent_at=at, evidence=evidence):
            row.refresh_from_db()
            return row
        if row is None:
            erased = list(erasure.receipts_for(page, event.psid))
            row = _emptied_row_of(page, conversation, erased, event, at)
            if row is not None or any(at <= receipt.erased_at for receipt in erased):
                return row
        conversation = conversation or contacts.conversation_for(page, channel, event.psid)
        return _store_outside(page, channel, conversation, event, at, recovered_at, is_imported=is_imported)


def _contact_id(page: Page, conversation: Conversation | None, psid: str) -> int | None:
    """Return the contact's id; an earlier channel of the Page may have created the contact."""
    if conversation is not None:
        return conversation.contact_id
    return Contact.objects.filter(page=page, psid=psid).values_list("pk", flat=True).first()


def _emptied_row_of(
    page: Page, conversation: Conversation | None, erased: list[Erasure], event: Echo, at: datetime
) -> Message | None:
    """Return the message of an erased contact that this is the echo of, confirmed if it was unsure; None if none."""
    if conversation is None and (known := Message.objects.filter(page=page, mid=event.mid or event.key).first()):
        return known
    for receipt in erased:
        row = _row_of(page, receipt.contact_id, event, at)
        if row is not None:
            delivery_status.confirm(row.pk, mid=event.mid, sent_at=at, evidence=delivery_status.Evidence.ECHO)
            row.refresh_from_db()
            return row
    return None


def _row_of(
    page: Page, contact_id: int | None, event: Echo, at: datetime, *, is_recovered: bool = False
) -> Message | None:
    """Return the outbox row that this is the echo of, or None."""
    if contact_id is None:
        return None
    is_ours = event.app_id in (None, settings.META_APP_ID)
    # The channel may have been replaced since the message was sent: contact and Page are the same.
    ours = Message.objects.filter(
        page=page,
        direction=Direction.OUT,
        kind=Kind.MESSAGE,
        source__in=(Source.AGENT, Source.SYSTEM),
        conversation__contact=contact_id,
    )
    pk = message_id_in(event.metadata or "") if is_ours else None
    if pk is not None and (row := ours.filter(pk=pk).first()) is not None:
        return row
    if event.mid and (row := ours.filter(mid=event.mid).first()) is not None:
        return row
    if (is_recovered or event.app_id == settings.META_APP_ID) and not event.metadata:
        under_way = ours.filter(
            Q(state=State.SENDING) | Q(state=State.UNSURE), mid=None, claimed_at__lte=at + CLOCK_SKEW
        )
        for row in under_way.order_by("pk"):
            if is_alike(row.text, row.is_file, event.text or "", bool(event.attachments)):
                return row
    return None


def _store_outside(
    page: Page,
    channel: Channel,
    conversation: Conversation,
    event: Echo,
    at: datetime,
    recovered_at: datetime | None,
    *,
    is_imported: bool,
) -> Message:
    state = receipt_state(at, conversation.delivered_watermark, conversation.read_watermark)
    card, attachments = cards_and_files.content_of(event, channel)
    mid = event.mid or event.key
    if recovered_at is None:
        recovered.rename_late(conversation, mid=mid, direction=Direction.OUT, at=at, text=event.text or "")
    message, created = messages.add_message(
        conversation,
        direction=Direction.OUT,
        source=_source_of(event.app_id),
        sent_at=at,
        recovered_at=recovered_at,
        is_imported=is_imported,
        state=state,
        mid=mid,
        text=event.text or "",
        card=card,
        sent_as=cards_and_files.form_of(event),
        reply_to_mid=event.reply_to_mid or "",
        is_standby=event.standby,
        delivered_at=conversation.delivered_watermark if state == State.DELIVERED else None,
        read_at=conversation.read_watermark if state == State.READ else None,
        attachments=attachments,
    )
    if created and attachments:
        wake.wake(attachment_service.JOB)
    if not created and recovered_at is None and message.recovered_at is not None:
        _note_source(conversation, message, event)
        recovered.correct_time(conversation, message, at)
    return message


def _note_source(conversation: Conversation, message: Message, event: Echo) -> None:
    """Store who sent a message that was recovered before its echo came: the Conversations API does not tell."""
    source = _source_of(event.app_id)
    outside = (Source.PAGE_INBOX, Source.THIS_APP, Source.OTHER_APP)
    if Message.objects.filter(pk=message.pk, source__in=outside).exclude(source=source).update(source=source):
        events.messages_updated(conversation, [message.pk], "source")
        messages.announce(conversation)


def _source_of(app_id: str | None) -> str:
    if app_id is None or app_id in INBOX_APP_IDS:
        return Source.PAGE_INBOX  # before v12 of the Graph API an echo of the inbox had no app id
    return Source.THIS_APP if app_id == settings.META_APP_ID else Source.OTHER_APP


# --- Receipts ---------------------------------------------------------------------------------------------------------
def handle_read(channel: Channel, event: Read, received_at: datetime | None = None) -> None:
    """Mark every message that was sent to this customer at or before the watermark as read.

    `received_at` is when Desk received the event, the current time when it is None. A watermark of a customer without
    a conversation is stored until there is one; the same holds for a delivery.
    """
    watermark = _believed(event.watermark_ms, received_at or timezone.now())
    with transaction.atomic():
        conversation = _locked(channel, event.psid)
        if conversation is None:
            _store_watermark(channel, event.psid, MessageChange.Kind.READ, watermark)
            return
        if conversation.read_watermark is not None and watermark <= conversation.read_watermark:
            return
        conversation.read_watermark = watermark
        conversation.save(update_fields=["read_watermark"])
        changed = _sent_messages(conversation, State.SENT, State.DELIVERED).filter(sent_at__lte=watermark)
        ids = events.ids_if_subscribed(changed)
        if changed.update(state=State.READ, read_at=watermark, delivered_at=Coalesce("delivered_at", Value(watermark))):
            events.messages_updated(conversation, ids, "state")
            messages.announce(conversation)


def handle_delivery(channel: Channel, event: Delivered, received_at: datetime | None = None) -> None:
    """Mark the named messages, and every message sent to this customer up to the watermark, as delivered.

    That a message was delivered of which Desk does not know that it was sent is stored until it does.
    """
    received_at = received_at or timezone.now()
    at = from_ms(event.timestamp_ms) if event.timestamp_ms is not None else received_at
    if event.watermark_ms is not None:
        at = _believed(event.watermark_ms, received_at)
    with transaction.atomic():
        _store_early_deliveries(channel, event, at)
        conversation = _locked(channel, event.psid)
        if conversation is None:
            if event.watermark_ms is not None:
                _store_watermark(channel, event.psid, MessageChange.Kind.DELIVERY, at)
            return
        arrived = Q(mid__in=event.mids)
        if event.watermark_ms is not None:
            arrived |= Q(sent_at__lte=at)
            if conversation.delivered_watermark is None or at > conversation.delivered_watermark:
                conversation.delivered_watermark = at
                conversation.save(update_fields=["delivered_watermark"])
        changed = _sent_messages(conversation, State.SENT).filter(arrived)
        ids = events.ids_if_subscribed(changed)
        if changed.update(state=State.DELIVERED, delivered_at=at):
            events.messages_updated(conversation, ids, "state")
            messages.announce(conversation)


def _believed(watermark_ms: int, received_at: datetime) -> datetime:
    """Return the time of a watermark; one that lies further ahead than clocks differ counts as the time of receipt."""
    at = from_ms(watermark_ms)
    return at if at <= received_at + MAX_CLOCK_SKEW else received_at


def _store_watermark(channel: Channel, psid: str | None, kind: str, at: datetime) -> None:
    if psid and not erasure.receipts_for(channel.page, psid).exists():
        message_changes.receive_watermark(channel.page, psid, kind, at)


def _store_early_deliveries(channel: Channel, event: Delivered, at: datetime) -> None:
    known = Message.objects.filter(page=channel.page_id, mid__in=event.mids).values_list("mid", flat=True)
    unknown = set(event.mids).difference(known) if event.mids else set()
    if unknown and event.psid and not erasure.receipts_for(channel.page, event.psid).exists():
        message_changes.receive_deliveries(channel.page, event.psid, unknown, at)


def _locked(channel: Channel, psid: str | None) -> Conversation | None:
    conversation = contacts.find_conversation(channel, psid) if psid else None
    if conversation is not None:
        messages.lock(conversation)
    return conversation


def _sent_messages(conversation: Conversation, *states: str) -> QuerySet[Message, Message]:
    return Message.objects.filter(
        conversation=conversation, direction=Direction.OUT, kind=Kind.MESSAGE, state__in=states
    )
