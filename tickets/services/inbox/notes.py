"""Internal notes: write them with files and mentions, change and delete one's own. Nothing of them goes to Facebook."""

import logging
from collections.abc import Sequence
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from channels_im.messenger.files import OutgoingFile
from desk import audit_log
from desk.errors import Refused
from desk.models import User
from desk.sentences import counted, sentence
from desk.storage import undone_on_failure
from desk.text import is_blank
from tickets.models import Attachment, Contact, Conversation, Message
from tickets.rules import mentions as rules
from tickets.rules.sending import Refusal, clean_text
from tickets.services.conversation import mentions, messages
from tickets.services.conversation.mentions import NOBODY, Wanted
from tickets.services.conversation.times import now_after
from tickets.services.outgoing import outgoing_files, replies
from tickets.services.outgoing.outgoing_files import NamedFile
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

NOTE_LIMIT = 20_000  # characters
MAX_FILES = 20  # of one note
TOO_MANY_FILES = sentence("A note can have at most %(most)s files. Remove some.", most=MAX_FILES)
ERASED = sentence("The data of this customer was erased. Notes about them are not possible.")
EMPTY = sentence("The note is empty. Write something first.")
NOT_YOURS = sentence("Only who wrote a note can change or delete it.")
DELETED_ALREADY = sentence("This note was deleted already.")


def add_note(
    user: User,
    conversation: Conversation,
    text: str,
    client_key: str | None = None,
    *,
    files: Sequence[NamedFile] = (),
    wanted: Wanted = NOBODY,
) -> Message:
    """Add a note that only colleagues see. The same `client_key` again returns the same note. Raises Refused.

    `files` are seekable and named, of the types and sizes of replies.
    """
    text, key = clean_text(text), replies.stored_key(client_key)
    _check(text, has_files=bool(files))
    if len(files) > MAX_FILES:
        raise Refused(TOO_MANY_FILES, Refusal.FILE_REFUSED)
    checked, refusals = outgoing_files.check(files)
    if refusals:
        raise Refused(" ".join(refusals), Refusal.FILE_REFUSED)
    if key and (known := Message.objects.filter(conversation=conversation, client_key=key).first()):
        return known  # the same request again
    with undone_on_failure():
        attachments = _stored(files, checked)
        with transaction.atomic():
            people = mentions.lock_people(wanted)
            messages.lock(conversation)
            if Contact.objects.filter(pk=conversation.contact_id, erased_at__isnull=False).exists():
                raise Refused(ERASED, Refusal.CONTACT_ERASED)
            if key and (known := Message.objects.filter(conversation=conversation, client_key=key).first()):
                outgoing_files.delete_unused(attachments)
                return known
            made = mentions.plan(user, conversation, text, people, wanted)
            _check(made.text, has_files=bool(files))
            message, _created = messages.add_message(
                conversation,
                direction=Message.Direction.OUT,
                kind=Message.Kind.NOTE,
                source=Message.Source.AGENT,
                author=user,
                text=made.text,
                mentions=rules.to_stored(made.spans),
                sent_at=now_after(conversation.last_message_at),
                state=Message.State.SENT,
                client_key=key,
                attachments=attachments,
            )
            mentions.write(user, message, made)
    return message


def _stored(files: Sequence[NamedFile], checked: Sequence[OutgoingFile]) -> list[Attachment]:
    """Store the files, and return unsaved attachments. Before anything is locked: the storage may be on the network."""
    return [
        outgoing_files.store(Attachment(state=Attachment.State.STORED, position=position), file, result)
        for position, (file, result) in enumerate(zip(files, checked, strict=True))
    ]


def edit_note(user: User, message: Message, text: str, wanted: Wanted = NOBODY) -> Message:
    """Change the text of one's own note; its files stay. Raises Refused.

    Whom the text no longer mentions is told no more, and loses the access that this note gave.
    """
    text = clean_text(text)
    with transaction.atomic():
        written = rules.from_stored(message.mentions)
        people = mentions.lock_people(wanted, written)
        conversation, note = _lock(user, message)
        _check(text, has_files=note.attachments.exists())
        made = mentions.plan(user, conversation, text, people, wanted)
        _check(made.text, has_files=note.attachments.exists())
        stored = rules.to_stored(made.spans)
        if made.text != note.text or stored != note.mentions:
            note.text, note.mentions, note.edited_at = made.text, stored, timezone.now()
            note.save(update_fields=["text", "mentions", "edited_at"])
            mentions.write(user, note, made)
            audit_log.record(user, conversation, audit_log.CHANGE, sentence("Note %(number)s edited.", number=note.pk))
            events.messages_updated(conversation, [note.pk], "text", "mentions", "edited_at")
            messages.announce(conversation)
    return note


def delete_note(user: User, message: Message) -> None:
    """Delete one's own note: its text, files and mentions. The thread says that there was one. Raises Refused."""
    with transaction.atomic():
        conversation, note = _lock(user, message)
        files = [name for name in note.attachments.values_list("file", flat=True) if name]
        note.attachments.all().delete()
        mentions.withdraw(note)
        note.text, note.mentions, note.withdrawn_at = "", None, timezone.now()
        note.save(update_fields=["text", "mentions", "withdrawn_at"])
        transaction.on_commit(partial(_delete_files, files))
        audit_log.record(user, conversation, audit_log.CHANGE, sentence("Note %(number)s deleted.", number=note.pk))
        events.messages_updated(conversation, [note.pk], "text", "mentions", "attachments", "withdrawn_at")
        messages.announce(conversation)


def end_access(by: User, conversation: Conversation, reader: User) -> None:
    """End the access that a mention gave `reader`; without any, do nothing."""
    with transaction.atomic():
        messages.lock(conversation)
        if mentions.end_access(conversation, reader.pk):
            line = sentence("Access of %(user)s, given by a mention, ended.", user=reader)
            audit_log.record(by, conversation, audit_log.CHANGE, line)
            messages.announce(conversation)


def _delete_files(names: list[str]) -> None:
    for name in names:
        try:
            default_storage.delete(name)
        except OSError:
            logger.exception("A file of a deleted note could not be deleted")


def _lock(user: User, message: Message) -> tuple[Conversation, Message]:
    """Lock the conversation of a note and read the note again. Raises Refused unless the user may change it."""
    conversation = message.conversation
    messages.lock(conversation)
    if Contact.objects.filter(pk=conversation.contact_id, erased_at__isnull=False).exists():
        raise Refused(ERASED, Refusal.CONTACT_ERASED)
    note = Message.objects.get(pk=message.pk)
    note.conversation = conversation
    if note.kind != Message.Kind.NOTE or note.author_id != user.pk:
        raise Refused(NOT_YOURS, Refusal.NOT_POSSIBLE)
    if note.withdrawn_at is not None:
        raise Refused(DELETED_ALREADY, Refusal.NOT_POSSIBLE)
    return conversation, note


def _check(text: str, *, has_files: bool) -> None:
    if is_blank(text) and not has_files:
        raise Refused(EMPTY, Refusal.TEXT_BLANK)
    if len(text) > NOTE_LIMIT:
        too_long = counted(
            "The note has %(count)s character; at most %(most)s fit into one. Shorten it.",
            "The note has %(count)s characters; at most %(most)s fit into one. Shorten it.",
            len(text),
            count=f"{len(text):,}",
            most=f"{NOTE_LIMIT:,}",
        )
        raise Refused(too_long, Refusal.TEXT_TOO_LONG)
