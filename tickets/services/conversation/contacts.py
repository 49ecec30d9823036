"""Contacts of a Page, the details agents save about them, and their one conversation with each channel."""

from collections.abc import Iterable, Sequence

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Manager, QuerySet

from channels_im.models import Channel, Page
from channels_im.services.journal.store import Sender
from desk import audit_log
from desk.bulk_rows import insert_each
from desk.errors import Refused
from desk.models import User
from tickets.models import Contact, Conversation
from tickets.rules.sending import clean_text
from tickets.services.conversation import message_changes, messages

EDITABLE = ("email", "phone", "about")
ABOUT_LIMIT = 5000  # characters


def conversation_for(page: Page, channel: Channel, psid: str) -> Conversation:
    """Return the conversation of `psid` with `channel`; create it, and its contact, when it is new. Race-safe.

    It comes with its contact and channel and is not locked: `messages.add_message` locks it.
    """
    return find_conversation(channel, psid) or _create(page, channel, psid) or _get_existing(channel, psid)


def locked_conversation_for(page: Page, channel: Channel, psid: str) -> Conversation:
    """Do what `conversation_for` does, and lock the row until the end of the transaction."""
    locked = lock_conversations([(channel, psid)]).get((channel.pk, psid))
    # Nobody else sees a row that this transaction creates: it needs no lock.
    return locked or _create(page, channel, psid) or _get_existing(channel, psid, lock=True)


def find_conversation(channel: Channel, psid: str) -> Conversation | None:
    """Return the conversation of `psid` with `channel`, or None."""
    return _by_sender(Conversation.objects, [(channel, psid)]).get((channel.pk, psid))


def lock_conversations(senders: Iterable[tuple[Channel, str]]) -> dict[tuple[int, str], Conversation]:
    """Lock the existing conversations of these customers and return them by channel id and PSID."""
    senders = list(senders)
    if not senders:
        return {}
    return _by_sender(Conversation.objects.select_for_update(of=("self",)), senders)


def _by_sender(
    conversations: QuerySet[Conversation] | Manager[Conversation], senders: list[tuple[Channel, str]]
) -> dict[tuple[int, str], Conversation]:
    channels = {channel.pk: channel for channel, _psid in senders}
    # The index of contacts begins with the Page: without it every contact would be read.
    pages = {channel.page_id for channel in channels.values()}
    psids = {psid for _channel, psid in senders}
    rows = conversations.filter(channel__in=channels, contact__page__in=pages, contact__psid__in=psids)
    by_sender = {}
    # Every process locks the rows in this order, so that no two wait for each other.
    for conversation in rows.select_related("contact").order_by("pk"):
        conversation.channel = channels[conversation.channel_id]
        by_sender[conversation.channel_id, conversation.contact.psid] = conversation
    return by_sender


def _create(page: Page, channel: Channel, psid: str) -> Conversation | None:
    """Create the conversation, and the contact if the Page has none yet; None when another process was faster."""
    try:
        with transaction.atomic():
            contact = Contact.objects.create(page=page, psid=psid)
            return _create_of(contact, channel)
    except IntegrityError:
        pass
    try:
        with transaction.atomic():
            return _create_of(Contact.objects.get(page=page, psid=psid), channel)
    except IntegrityError:
        return None


def _create_of(contact: Contact, channel: Channel) -> Conversation:
    watermarks = message_changes.take_watermarks(contact.page_id, contact.psid)
    return Conversation.objects.create(
        contact=contact, channel=channel, department_id=channel.department_id, **watermarks
    )


def _get_existing(channel: Channel, psid: str, *, lock: bool = False) -> Conversation:
    """Return the conversation that another process created a moment ago."""
    senders = [(channel, psid)]
    existing = lock_conversations(senders) if lock else _by_sender(Conversation.objects, senders)
    return existing[channel.pk, psid]


def unsaved_conversations(senders: Sequence[Sender]) -> dict[tuple[int, str], Conversation]:
    """Return conversations and contacts of customers who are new to their Page, not stored yet, as `_by_sender` does.

    Left out are those of whom Desk knows something already: `locked_conversation_for` finds out what.
    """
    if not senders:
        return {}
    pages = {sender.page.pk for sender in senders}
    psids = [sender.psid or "" for sender in senders]
    known = set(Contact.objects.filter(page__in=pages, psid__in=psids).values_list("page_id", "psid"))
    known |= message_changes.with_watermarks(pages, psids)
    return {
        (sender.channel.pk, sender.psid or ""): Conversation(
            contact=Contact(page=sender.page, psid=sender.psid or ""),
            channel=sender.channel,
            department_id=sender.channel.department_id,
        )
        for sender in senders
        if (sender.page.pk, sender.psid) not in known
    }


def save_new(unsaved: Iterable[Conversation]) -> None:
    """Store these conversations and their contacts, without their current tickets.

    Raises IntegrityError when another process creates one of them at the same moment.
    """
    conversations = list(unsaved)
    insert_each([conversation.contact for conversation in conversations])
    for conversation in conversations:
        conversation.contact = conversation.contact  # which has its id only now
        conversation.current_ticket = None  # it needs the id of the conversation
    insert_each(conversations)


# --- Details ----------------------------------------------------------------------------------------------------------
def save_details(user: User, contact: Contact, fields: dict[str, str]) -> None:
    """Save the email, phone and notes about the contact: those of EDITABLE that are in `fields`.

    Announces the change to open pages of their conversations, and records which details `user` changed, without their
    values. Raises Refused; nothing is saved then.
    """
    changes = {name: clean_text(fields[name]).strip() for name in EDITABLE if name in fields}
    if not changes:
        return
    checked = Contact(**changes)
    try:
        checked.clean_fields(exclude={field.name for field in Contact._meta.fields} - set(changes))
    except ValidationError as error:
        name = next(iter(error.error_dict))
        label = next(field.verbose_name for field in Contact._meta.fields if field.name == name)
        raise Refused(f"The {label} was not saved: {' '.join(error.message_dict[name])}", field=name) from None
    length = len(checked.about)
    if length > ABOUT_LIMIT:
        raise Refused(f"The note has {length:,} characters; at most {ABOUT_LIMIT:,} fit. Shorten it.", field="about")
    with transaction.atomic():
        before = Contact.objects.select_for_update().filter(pk=contact.pk, erased_at=None).first()
        if before is None:
            raise Refused("This customer was erased meanwhile. Nothing was saved.")
        if changed := [name for name, value in changes.items() if getattr(before, name) != value]:
            Contact.objects.filter(pk=contact.pk).update(**changes)
            audit_log.record(user, before, audit_log.Action.CONTACT, f"Changed: {', '.join(changed)}.")
        for conversation in Conversation.objects.filter(contact=contact.pk):
            messages.announce(conversation)
