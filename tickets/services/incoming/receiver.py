"""Turn Meta's events into contacts, conversations, tickets and messages: the receiver of the journal's drain.

Everything here runs inside the drain's transaction, one customer at a time, and is idempotent: the same event again
changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django.conf import settings

from channels_im.messenger import events
from channels_im.models import Channel, Page
from channels_im.services.facebook import message_templates
from channels_im.services.journal.store import IncomingEvent, Sender, UnusableEventError
from desk import wake
from desk.live import publish
from desk.sentences import sentence
from tickets.models import Contact, Conversation, Message, MessageChange
from tickets.services.conversation import assigning, contacts, message_changes, messages, origins, snoozing
from tickets.services.incoming import attachments as attachment_service
from tickets.services.incoming import new_messages, profiles, receipts, recovered
from tickets.services.outgoing import held_replies, scheduled_sending

Direction, Kind = Message.Direction, Message.Kind

WAKE_AT_MOST_EVERY_S = 0.3

EventT = TypeVar("EventT", bound=events.Event)


def receive(senders: Sequence[Sender], *, isolated: bool = False) -> list[Callable[[IncomingEvent], None]]:
    """Return a handler for the events of each sender (see journal.store.Receiver); lock existing conversations."""
    known = contacts.lock_conversations((sender.channel, sender.psid) for sender in senders if sender.psid)
    messages.load_current_tickets(known.values())
    return [
        partial(handle_page_event, sender.page, sender.channel)
        if sender.psid is None
        else EventHandler(sender, known.get((sender.channel.pk, sender.psid)), isolated=isolated).handle
        for sender in senders
    ]


def handle_page_event(page: Page, channel: Channel, incoming: IncomingEvent) -> None:
    """Process an event without a customer. Raises UnusableEventError for one that makes no sense without."""
    event = incoming.event
    if isinstance(event, events.PolicyEnforcement):
        store_policy(page, channel, event, incoming.at)
    elif isinstance(event, events.TemplateStatus):
        message_templates.apply_status(page, event, incoming.at)
    elif not isinstance(event, events.Unknown | events.ThreadControl | events.Feedback):
        raise UnusableEventError(
            sentence("The %(event)s names no sender, so it belongs to no conversation.", event=type(event).__name__)
        )


def store_policy(page: Page, channel: Channel, event: events.PolicyEnforcement, at: datetime) -> None:
    """Store Meta's policy action against the Page (a warning, a block) unless a later one is stored already."""
    locked = Page.objects.select_for_update().get(pk=page.pk)
    known = locked.trouble.get("policy", {})
    if known.get("at", "") > at.isoformat():
        return
    locked.trouble["policy"] = {
        "action": event.action or "",
        "reason": event.reason or "",
        "at": at.isoformat(),
    }
    locked.save(update_fields=["trouble"])
    publish.announce("channel", channel=channel.pk)


def request_fetches(contact: Contact, *, has_files: bool) -> None:
    """Request the files of a new message, and the name and picture of a customer who is new."""
    if has_files:
        wake.wake(attachment_service.JOB, at_most_every=WAKE_AT_MOST_EVERY_S)
    if contact.profile_state == Contact.ProfileState.PENDING and contact.profile_attempts == 0:
        wake.wake(profiles.JOB, at_most_every=WAKE_AT_MOST_EVERY_S)


def request_assignment(conversations: Iterable[Conversation]) -> None:
    """Let the worker assign those of these conversations that nobody has, where their department wants that."""
    if any(conversation.assignee_id is None for conversation in conversations):
        wake.wake(assigning.JOB, at_most_every=assigning.WAKE_AT_MOST_EVERY_S)


class EventHandler:
    """Processes the events of one customer. A new conversation is created when the first event needs it."""

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

    def handle(self, incoming: IncomingEvent) -> None:
        """Process one event of any kind."""
        event = incoming.event
        match event:
            case events.MessageContent(is_deleted=True, mid=str() as mid):
                self._change(incoming, mid, MessageChange.Kind.WITHDRAWAL)
            case events.MessageReceived() | events.Postback():
                self._add(incoming)
            case events.Echo():
                believed = _with_believed_time(event, incoming.at)
                receipts.handle_echo(self.page, self.channel, believed, incoming)
                self._conversation = None  # it was locked and changed through another object
            case events.Read():
                receipts.handle_read(self.channel, event, incoming.received_at)
            case events.Delivered():
                receipts.handle_delivery(self.channel, _with_believed_time(event, incoming.at), incoming.received_at)
            case events.MessageEdited():
                self._change(incoming, event.mid, MessageChange.Kind.EDIT, text=event.text or "", number=event.num_edit)
            case events.Reaction():
                emoji = "" if event.action == "unreact" else event.emoji or EMOJI.get(event.reaction or "", "❤")
                by = "page" if event.by_page else "customer"
                self._change(incoming, event.mid, MessageChange.Kind.REACTION, by=by, emoji=emoji)
            case events.ThreadControl():
                self._thread_control(incoming, event)
            case _:
                self._event(incoming)

    # --- What the customer sent ---------------------------------------------------------------------------------------
    def _event(self, incoming: IncomingEvent) -> None:
        """Add a referral, an opt-in, a policy notice or an unknown event as a card that changes no counter."""
        event = incoming.event
        if isinstance(event, events.PolicyEnforcement):
            store_policy(self.page, self.channel, event, incoming.at)
        self._add(incoming)

    def _add(self, incoming: IncomingEvent) -> tuple[Message, bool]:
        new = new_messages.of_event(incoming, self.channel)
        if self._conversation is None:
            # A stored message of an unknown contact: the contact was erased, and must not be created again.
            known = Message.objects.filter(page=self.page, mid=new.mid).first()
            if known is not None:
                return known, False
        conversation = self.conversation
        if new.is_from_customer and new.recovered_at is None:
            recovered.rename_late(
                conversation, mid=new.mid or "", direction=Direction.IN, at=new.sent_at, text=new.text
            )
        message, created = messages.add_to_locked(conversation, new, savepoint=self.isolated)
        if created:
            request_fetches(conversation.contact, has_files=bool(new.attachments))
            origins.record(conversation.contact, message)
            self._open_by_ad(incoming)
            if new.kind == Kind.MESSAGE and not incoming.is_imported:
                self._after_message(incoming, message)
        elif new.recovered_at is None and not incoming.is_imported:
            recovered.correct_time(conversation, message, new.sent_at)
        return message, created

    def _open_by_ad(self, incoming: IncomingEvent) -> None:
        """Store when a click-to-Messenger ad opened the conversation: its messaging window is longer."""
        event, conversation = incoming.event, self.conversation
        if not isinstance(event, events.MessageReceived | events.Postback | events.Referral) or event.referral is None:
            return
        known_at = conversation.opened_by_ad_at
        if event.referral.is_click_to_messenger_ad and (known_at is None or known_at < incoming.at):
            conversation.opened_by_ad_at = incoming.at
            conversation.save(update_fields=["opened_by_ad_at"])

    def _after_message(self, incoming: IncomingEvent, message: Message) -> None:
        """Note that the customer wrote: who holds the thread, what a held or scheduled reply does."""
        conversation = self.conversation
        if conversation.thread_owner_app_id and not message.is_standby:
            self._set_owner(incoming, "")  # if another app held the thread, this event would be in standby
        if conversation.is_snoozed:
            snoozing.customer_wrote(conversation)
        if conversation.holds_reply:
            held_replies.release(conversation)
        request_assignment([conversation])
        if conversation.has_scheduled:
            scheduled_sending.customer_wrote(conversation)

    # --- What happens to messages -------------------------------------------------------------------------------------
    def _change(self, incoming: IncomingEvent, mid: str, kind: str, **content: Any) -> None:
        message_changes.receive(self.page, mid, key=incoming.event.key, kind=kind, at=incoming.at, **content)
        self._conversation = None

    # --- Who holds the thread -----------------------------------------------------------------------------------------
    def _thread_control(self, incoming: IncomingEvent, event: events.ThreadControl) -> None:
        _message, created = self._add(incoming)
        if created and event.action in ("pass", "take"):
            new_owner = event.new_owner_app_id or Conversation.UNKNOWN_APP
            self._set_owner(incoming, "" if new_owner == settings.META_APP_ID else new_owner)

    def _set_owner(self, incoming: IncomingEvent, app_id: str) -> None:
        """Store which app holds the thread, unless a later event said so already."""
        conversation = self.conversation
        later = Message.objects.filter(
            conversation=conversation, kind=Kind.EVENT, card__kind="handover", sent_at__gt=incoming.at
        )
        if conversation.thread_owner_app_id != app_id and not later.exists():
            conversation.thread_owner_app_id = app_id
            conversation.save(update_fields=["thread_owner_app_id"])
            messages.announce(conversation)


# Meta sends the reaction's name besides the emoji; this is for events that have the name only.
EMOJI = {"smile": "😆", "angry": "😠", "sad": "😢", "wow": "😮", "love": "❤", "like": "👍", "dislike": "👎"}


def _with_believed_time(event: EventT, at: datetime) -> EventT:
    """Return the event with the time Desk believes (see IncomingEvent) in place of Meta's timestamp."""
    return replace(event, timestamp_ms=round(at.timestamp() * 1000))
