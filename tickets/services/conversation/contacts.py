"""The customer of a Page, what agents note of them, and the one conversation they have with a channel."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Manager, QuerySet

from channels_im.models import Channel, Page
from desk.errors import Refused
from tickets.models import Contact, Conversation
from tickets.rules.sending import clean_text
from tickets.services.conversation import messages

EDITABLE = ("email", "phone", "about")
ABOUT_LIMIT = 5000  # characters


def conversation_for(page: Page, channel: Channel, psid: str) -> Conversation:
    """Return the conversation of `psid` with `channel`, made with its contact when new; race-safe.

    It comes with its contact and channel, and is not locked: `threads.add_message` locks it.
    """
    return find_conversation(channel, psid) or _create(page, channel, psid) or _found(channel, psid)


def locked_conversation_for(page: Page, channel: Channel, psid: str) -> Conversation:
    """Return the same, its row locked until the end of the transaction: one writer per customer at a time."""
    locked = lock_conversations([(channel, psid)]).get((channel.pk, psid))
    # Nobody else sees the row this transaction makes: it needs no lock.
    return locked or _create(page, channel, psid) or _found(channel, psid, lock=True)


def find_conversation(channel: Channel, psid: str) -> Conversation | None:
    """Return the conversation of `psid` with `channel`, or None."""
    return _by_sender(Conversation.objects, [(channel, psid)]).get((channel.pk, psid))


def lock_conversations(senders: Iterable[tuple[Channel, str]]) -> dict[tuple[int, str], Conversation]:
    """Lock the conversations of these customers that there are, and return them by channel (id) and PSID."""
    senders = list(senders)
    if not senders:
        return {}
    return _by_sender(Conversation.objects.select_for_update(of=("self",)), senders)


def _by_sender(
    conversations: QuerySet[Conversation] | Manager[Conversation], senders: list[tuple[Channel, str]]
) -> dict[tuple[int, str], Conversation]:
    channels = {channel.pk: channel for channel, _psid in senders}
    rows = conversations.filter(channel__in=channels, contact__psid__in={psid for _channel, psid in senders})
    found = {}
    # The order is that in which they are locked: the same for everybody.
    for conversation in rows.select_related("contact").order_by("pk"):
        conversation.channel = channels[conversation.channel_id]
        found[conversation.channel_id, conversation.contact.psid] = conversation
    return found


def _create(page: Page, channel: Channel, psid: str) -> Conversation | None:
    """Make the conversation, and the contact unless a channel before this one knew them; None: someone else did."""
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
    return Conversation.objects.create(contact=contact, channel=channel, department_id=channel.department_id)


def _found(channel: Channel, psid: str, *, lock: bool = False) -> Conversation:
    """Return the conversation that another process made a moment ago."""
    senders = [(channel, psid)]
    found = lock_conversations(senders) if lock else _by_sender(Conversation.objects, senders)
    return found[channel.pk, psid]


# --- What agents note -------------------------------------------------------------------------------------------------
def save_details(contact: Contact, fields: dict[str, str]) -> None:
    """Note e-mail, phone and what else is known of the contact: those of EDITABLE that are in `fields`.

    Raises Refused; then nothing was kept. Open pages of their conversations are told.
    """
    wanted = {name: clean_text(fields[name]).strip() for name in EDITABLE if name in fields}
    if not wanted:
        return
    checked = Contact(**wanted)
    try:
        checked.clean_fields(exclude={field.name for field in Contact._meta.fields} - set(wanted))
    except ValidationError as error:
        wrong = next(iter(error.error_dict))
        label = Contact._meta.get_field(wrong).verbose_name
        raise Refused(f"The {label} was not saved: {' '.join(error.message_dict[wrong])}", field=wrong) from None
    length = len(checked.about)
    if length > ABOUT_LIMIT:
        raise Refused(f"The note has {length:,} characters; at most {ABOUT_LIMIT:,} fit. Shorten it.", field="about")
    with transaction.atomic():
        if not Contact.objects.filter(pk=contact.pk, erased_at=None).update(**wanted):
            raise Refused("This customer was erased meanwhile. Nothing was saved.")
        for conversation in Conversation.objects.filter(contact=contact.pk):
            messages.announce(conversation)
