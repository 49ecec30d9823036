"""Notes about a contact: everybody who sees the contact reads them; only their author changes or deletes one."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from desk import audit_log
from desk.errors import Refused
from desk.models import User
from desk.sentences import counted, sentence
from tickets.models import Contact, ContactNote
from tickets.rules.sending import Refusal, clean_text
from tickets.services.conversation import contacts

LIMIT = 5000  # characters
CHANGED = ("contact_notes",)  # what contact.updated says

EMPTY = sentence("The note is empty.")
NOT_YOURS = sentence("Only the author can change this note.")
GONE = sentence("This note was deleted meanwhile.")
ERASED = sentence("This customer was erased meanwhile. Nothing was saved.")


def about(contact_ids: list[int]) -> QuerySet[ContactNote, ContactNote]:
    """Return the notes about these contacts with their authors, newest first."""
    return ContactNote.objects.filter(contact__in=contact_ids).select_related("author").order_by("-created_at", "-pk")


def add(user: User, contact: Contact, text: str) -> ContactNote:
    """Add a note about the contact. Raises Refused."""
    cleaned = _clean(text)
    with transaction.atomic():
        _lock(contact)
        note = ContactNote.objects.create(contact=contact, author=user, text=cleaned)
        _record(user, contact, sentence("Added a note about this customer."))
    return note


def change(user: User, note: ContactNote, text: str) -> None:
    """Change the text of the user's own note. Raises Refused."""
    cleaned = _clean(text)
    with transaction.atomic():
        _lock(note.contact)
        stored = _own(user, note)
        if stored.text == cleaned:
            return
        stored.text, stored.edited_at = cleaned, timezone.now()
        stored.save(update_fields=["text", "edited_at"])
        _record(user, note.contact, sentence("Changed a note about this customer."))


def delete(user: User, note: ContactNote) -> None:
    """Delete the user's own note; nothing happens when it is gone already. Raises Refused."""
    with transaction.atomic():
        _lock(note.contact)
        if not ContactNote.objects.filter(pk=note.pk).exists():
            return
        _own(user, note).delete()
        _record(user, note.contact, sentence("Deleted a note about this customer."))


def _clean(text: str) -> str:
    cleaned = clean_text(text).strip()
    if not cleaned:
        raise Refused(EMPTY, field="text")
    if len(cleaned) > LIMIT:
        too_long = counted(
            "The note has %(count)s character; at most %(most)s fit. Shorten it.",
            "The note has %(count)s characters; at most %(most)s fit. Shorten it.",
            len(cleaned),
            count=f"{len(cleaned):,}",
            most=f"{LIMIT:,}",
        )
        raise Refused(too_long, field="text")
    return cleaned


def _lock(contact: Contact) -> None:
    if Contact.objects.select_for_update().filter(pk=contact.pk, erased_at=None).first() is None:
        raise Refused(ERASED, Refusal.CONTACT_ERASED)


def _own(user: User, note: ContactNote) -> ContactNote:
    stored = ContactNote.objects.filter(pk=note.pk).first()
    if stored is None:
        raise Refused(GONE, Refusal.NOT_POSSIBLE)
    if stored.author_id != user.pk:
        raise Refused(NOT_YOURS, Refusal.NOT_POSSIBLE)
    return stored


def _record(user: User, contact: Contact, entry: str) -> None:
    audit_log.record(user, contact, audit_log.Action.CONTACT, entry)
    contacts.announce_contact(contact, user, CHANGED)
