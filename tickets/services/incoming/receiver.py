"""Events of Meta into contacts, conversations, tickets and messages: the receiver of the journal's drain.

Everything here runs inside the drain's transaction, one customer at a time, and is idempotent: the same event again
changes nothing (design section 6).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings

from channels_im.messenger import events
from channels_im.models import Channel, Page
from channels_im.services.journal.store import IncomingEvent, Sender, UnusableEventError
from desk.live import publish
from desk.queue import enqueue
from tickets.models import Contact, Conversation, Message, MessageChange
from tickets.services.conversation import contacts, message_changes, messages
from tickets.services.conversation.messages import NewMessage
from tickets.services.incoming import attachments as attachment_service
from tickets.services.incoming import profiles, receipts
from tickets.services.incoming.cards_and_files import attachments_of, card_of
from tickets.services.outgoing import held_replies

Direction, Kind, Source, State = Message.Direction, Message.Kind, Message.Source, Message.State

ENQUEUE_AT_MOST_EVERY_S = 0.3


def receive(senders: Sequence[Sender], *, isolated: bool = False) -> list[Callable[[IncomingEvent], None]]:
    """Return what takes in the events of each sender (see journal.Receiver); locks the conversations there are."""
    known = contacts.lock_conversations((sender.channel, sender.psid) for sender in senders if sender.psid)
    messages.read_current_tickets(known.values())
    return [
        partial(take_page_event, sender.page, sender.channel)
        if sender.psid is None
        else EventHandler(sender, known.get((sender.channel.pk, sender.psid)), isolated=isolated).take
        for sender in senders
    ]


def take_page_event(page: Page, channel: Channel, incoming: IncomingEvent) -> None:
    """Take in an event that names no customer. Raises Refused for what makes no sense without one."""
    event = incoming.event
    if isinstance(event, events.PolicyEnforcement):
        note_policy(page, channel, incoming)
    elif not isinstance(event, events.Unknown | events.ThreadControl | events.Feedback):
        raise UnusableEventError(f"The {type(event).__name__} names no sender, so it belongs to no conversation.")


def note_policy(page: Page, channel: Channel, incoming: IncomingEvent) -> None:
    """Keep what Meta said of the Page (a warning, a block) with the Page; an older word does not undo a newer one."""
    event = incoming.event
    locked = Page.objects.select_for_update().get(pk=page.pk)
    known = locked.trouble.get("policy", {})
    if known.get("at", "") > incoming.at.isoformat():
        return
    locked.trouble["policy"] = {
        "action": event.action or "",
        "reason": event.reason or "",
        "at": incoming.at.isoformat(),
    }
    locked.save(update_fields=["trouble"])
    publish.announce("channel", channel=channel.pk)


class EventHandler:
    """Takes in the events of one customer. A new conversation is made when the first event needs it."""

    def __init__(self, sender: Sender, conversation: Conversation | None, *, isolated: bool) -> None:
        self.isolated = isolated
        self.page, self.channel, self.psid = sender.page, sender.channel, sender.psid or ""
        self._conversation = conversation  # locked until the end of the transaction

    @property
    def conversation(self) -> Conversation:
        """The customer's conversation, locked until the end of the transaction."""
        if self._conversation is None:
            self._conversation = contacts.locked_conversation_for(self.page, self.channel, self.psid)
        return self._conversation

    def take(self, incoming: IncomingEvent) -> None:
        """Take in one event, whatever kind it is."""
        event = incoming.event
        match event:
            case events.MessageContent(is_deleted=True, mid=str()):
                self._change(incoming, event.mid, MessageChange.Kind.WITHDRAWAL)
            case events.MessageReceived():
                self._message(incoming)
            case events.Postback():
                self._postback(incoming)
            case events.Echo():
                receipts.take_echo(self.page, self.channel, _timed(incoming))
                self._conversation = None  # it was locked and changed through another object
            case events.Read():
                receipts.take_read(self.page, self.channel, _timed(incoming))
            case events.Delivered():
                receipts.take_delivery(self.page, self.channel, _timed(incoming))
            case events.MessageEdited():
                self._change(incoming, event.mid, MessageChange.Kind.EDIT, text=event.text or "", number=event.num_edit)
            case events.Reaction():
                emoji = "" if event.action == "unreact" else event.emoji or EMOJI.get(event.reaction or "", "❤")
                by = "page" if event.by_page else "customer"
                self._change(incoming, event.mid, MessageChange.Kind.REACTION, by=by, emoji=emoji)
            case events.ThreadControl():
                self._thread_control(incoming)
            case _:
                self._event(incoming)

    # --- What the customer said ---------------------------------------------------------------------------------------
    def _message(self, incoming: IncomingEvent) -> None:
        event = incoming.event
        attachments = attachments_of(event, self.channel)
        self._add(
            incoming,
            kind=Kind.MESSAGE,
            source=Source.CUSTOMER,
            mid=event.mid or event.key,
            text=event.text or "",
            card=card_of(event),
            reply_to_mid=event.reply_to_mid or "",
            attachments=tuple(attachments),
        )
        if attachments:
            enqueue(attachment_service.TASK, at_most_every=ENQUEUE_AT_MOST_EVERY_S)

    def _postback(self, incoming: IncomingEvent) -> None:
        """A tap on a button counts as a message (design section 10); in standby it has no payload."""
        event = incoming.event
        self._add(
            incoming,
            kind=Kind.MESSAGE,
            source=Source.CUSTOMER,
            mid=event.mid or event.key,
            text=event.title or "",
            card=card_of(event) or {"kind": "postback", "title": "Tapped a button", "text": "", "url": None},
        )

    def _event(self, incoming: IncomingEvent) -> None:
        """A referral, an opt-in, a policy notice, or something unknown: shown as a card, counted as nothing."""
        event = incoming.event
        if isinstance(event, events.PolicyEnforcement):
            note_policy(self.page, self.channel, incoming)
        self._add(incoming, kind=Kind.EVENT, source=Source.SYSTEM, mid=event.key, card=card_of(event))

    def _add(self, incoming: IncomingEvent, **fields: Any) -> tuple[Message, bool]:
        if self._conversation is None:
            # Known although the customer is not: they were erased since, and this shall not make them known again.
            known = Message.objects.filter(page=self.page, mid=fields["mid"]).first()
            if known is not None:
                return known, False
        conversation = self.conversation
        new = NewMessage(
            direction=Direction.IN,
            state=State.RECEIVED,
            sent_at=incoming.at,
            received_at=incoming.received_at,
            original_timestamp=incoming.original_timestamp,
            is_standby=incoming.event.standby,
            **fields,
        )
        message, created = messages.add_to_locked(conversation, new, savepoint=self.isolated)
        if created:
            contact = conversation.contact
            if contact.profile_state == Contact.ProfileState.PENDING and contact.profile_attempts == 0:
                enqueue(profiles.TASK, at_most_every=ENQUEUE_AT_MOST_EVERY_S)
            if fields["kind"] == Kind.MESSAGE and conversation.thread_owner_app_id and not message.is_standby:
                self._set_owner(incoming, "")  # had another app the thread, this would have come in standby
            if fields["kind"] == Kind.MESSAGE and conversation.holds_reply:
                held_replies.release(conversation)
        return message, created

    # --- What happens to messages -------------------------------------------------------------------------------------
    def _change(self, incoming: IncomingEvent, mid: str, kind: str, **content: Any) -> None:
        message_changes.receive(self.page, mid, key=incoming.event.key, kind=kind, at=incoming.at, **content)
        self._conversation = None

    # --- Who holds the thread -----------------------------------------------------------------------------------------
    def _thread_control(self, incoming: IncomingEvent) -> None:
        event = incoming.event
        _message, created = self._add(
            incoming, kind=Kind.EVENT, source=Source.SYSTEM, mid=event.key, card=card_of(event)
        )
        if created and event.action in ("pass", "take"):
            new_owner = event.new_owner_app_id or ""
            self._set_owner(incoming, "" if new_owner == settings.META_APP_ID else new_owner)

    def _set_owner(self, incoming: IncomingEvent, app_id: str) -> None:
        """Keep who holds the thread, unless something later than this said so already."""
        conversation = self.conversation
        later = Message.objects.filter(
            conversation=conversation, kind=Kind.EVENT, card__kind="handover", sent_at__gt=incoming.at
        )
        if conversation.thread_owner_app_id != app_id and not later.exists():
            conversation.thread_owner_app_id = app_id
            conversation.save(update_fields=["thread_owner_app_id"])
            messages.announce(conversation)


# Meta names the reaction besides the emoji; this is for when only the name came.
EMOJI = {"smile": "😆", "angry": "😠", "sad": "😢", "wow": "😮", "love": "❤", "like": "👍", "dislike": "👎"}


def _timed(incoming: IncomingEvent) -> events.Event:
    """Return the event with the time that is believed of it."""
    return replace(incoming.event, timestamp_ms=round(incoming.at.timestamp() * 1000))
