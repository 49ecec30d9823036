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
from desk.sentences import counted, sentence
from tickets.models import Contact, Conversation, EventType
from tickets.rules import customer_records
from tickets.rules.sending import clean_text
from tickets.services.conversation import message_changes, messages
from tickets.services.webhooks import events

#: The details that agents save, by the name of the field, in the words of the history.
EDITABLE = {"email": sentence("email"), "phone": sentence("phone"), "about": sentence("about")}
#: The link to a record in another system, which API clients save, in the words of the history.
EXTERNAL = {"external_id": sentence("external id"), "external_url": sentence("external address")}
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
    """Save the email, phone and notes about the contact: those of EDITABLE and EXTERNAL that are in `fields`.

    Announces the change to open pages of their conversations, and records which details `user` changed, without their
    values. Raises Refused; nothing is saved then.
    """
    changes = _checked_details(fields) | _checked_link(fields)
    if not changes:
        return
    try:
        with transaction.atomic():
            _save(user, contact, changes)
    except IntegrityError:  # external_id is unique
        taken = sentence("Another customer has this external id. Mark them as the same person instead.")
        raise Refused(taken, field="external_id") from None


def _save(user: User, contact: Contact, changes: dict[str, str | None]) -> None:
    before = Contact.objects.select_for_update().filter(pk=contact.pk, erased_at=None).first()
    if before is None:
        raise Refused(sentence("This customer was erased meanwhile. Nothing was saved."))
    if changed := [name for name, value in changes.items() if getattr(before, name) != value]:
        Contact.objects.filter(pk=contact.pk).update(**changes)
        names = ", ".join((EDITABLE | EXTERNAL)[name] for name in changed)
        audit_log.record(
            user, before, audit_log.Action.CONTACT, sentence("Changed: %(fields_text)s.", fields_text=names)
        )
    announce_contact(contact, user, changed)


def announce_contact(contact: Contact, user: User, changed: Sequence[str] = ()) -> None:
    """Announce a change to open pages of the contact's conversations, and to webhooks when fields `changed`."""
    conversations = list(Conversation.objects.filter(contact=contact.pk).order_by("-pk"))
    if changed and conversations:
        events.publish(EventType.CONTACT_UPDATED, conversations[0], by=user, changed=list(changed))
    for conversation in conversations:
        messages.announce(conversation)


def _checked_details(fields: dict[str, str]) -> dict[str, str | None]:
    changes = {name: clean_text(fields[name]).strip() for name in EDITABLE if name in fields}
    checked = Contact(**changes)
    try:
        checked.clean_fields(exclude={field.name for field in Contact._meta.fields} - set(changes))
    except ValidationError as error:
        name = next(iter(error.error_dict))
        raise Refused(_not_saved(name, " ".join(error.message_dict[name])), field=name) from None
    length = len(checked.about)
    if length > ABOUT_LIMIT:
        too_long = counted(
            "The note has %(count)s character; at most %(most)s fit. Shorten it.",
            "The note has %(count)s characters; at most %(most)s fit. Shorten it.",
            length,
            count=f"{length:,}",
            most=f"{ABOUT_LIMIT:,}",
        )
        raise Refused(too_long, field="about")
    return {**changes}


def _checked_link(fields: dict[str, str]) -> dict[str, str | None]:
    changes: dict[str, str | None] = {}
    if "external_id" in fields:
        changes["external_id"] = customer_records.clean_id(fields["external_id"]) or None
    if "external_url" in fields:
        changes["external_url"] = customer_records.clean_url(fields["external_url"]) or None
    return changes


def _not_saved(name: str, error: str) -> str:
    if name == "email":
        return sentence("The e-mail was not saved: %(error_text)s", error_text=error)
    if name == "phone":
        return sentence("The phone was not saved: %(error_text)s", error_text=error)
    return sentence("The notes were not saved: %(error_text)s", error_text=error)
