"""What the page of a contact shows: the contacts of the person that the reader may see, their timeline and files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404

from desk.errors import Refused
from desk.models import User
from desk.sentences import sentence
from tickets.models import Attachment, Contact, ContactNote, Conversation, Message, Ticket
from tickets.rules import timeline
from tickets.rules.timeline import Entry, Place
from tickets.services.conversation import access, persons

Row = TypeVar("Row", bound=Model)
TIMELINE_SIZE = 30
MAX_FILES = 24


@dataclass(frozen=True)
class Seen:
    """A contact as one user sees it: the person's contacts, this one first, and their conversations, newest first."""

    contact: Contact
    contacts: Sequence[Contact]
    conversations: Sequence[Conversation]

    @property
    def others(self) -> Sequence[Contact]:
        return self.contacts[1:]

    def conversation_of(self, contact: Contact) -> Conversation:
        """Return the newest conversation of one of the contacts."""
        return next(each for each in self.conversations if each.contact_id == contact.pk)


def get(user: User, facts: access.UserFacts, contact_id: int) -> Seen:
    """Return the contact; Http404 when there is none or `user` sees none of its conversations."""
    visible = access.conversations_for(user, facts)
    contact = Contact.objects.select_related("page").filter(pk=contact_id).first()
    if contact is None or not visible.filter(contact=contact_id).exists():
        raise Http404(sentence("There is no such customer, or you may not see them."))
    contacts = persons.visible_members(contact, user, facts)
    rows = access.with_related(visible.filter(contact__in=[each.pk for each in contacts]))
    ordered = rows.order_by(Coalesce("last_message_at", "created_at").desc(), "-pk")
    first_ticket = Ticket.objects.filter(conversation=OuterRef("pk")).order_by("opened_at").values("opened_at")[:1]
    return Seen(contact, contacts, list(ordered.annotate(first_ticket_at=Subquery(first_ticket))))


def require_work(facts: access.UserFacts, seen: Seen) -> list[Conversation]:
    """Return those of the person's conversations that the user may change. Raises Refused when the contact has none.

    Somebody who sees them because a note mentions them reads only.
    """
    own = [each for each in seen.conversations if access.may_work_in(facts, each)]
    if not any(each.contact_id == seen.contact.pk for each in own):
        raise Refused(access.READ_ONLY, access.NOT_ASSOCIATED)
    return own


def files_of(seen: Seen) -> list[Attachment]:
    """Return the newest files of these conversations, each with its message."""
    files = Attachment.objects.filter(
        message__conversation__in=[each.pk for each in seen.conversations],
        message__withdrawn_at=None,
        state=Attachment.State.STORED,
    )
    files = files.exclude(kind=Attachment.Kind.STICKER).exclude(message__kind=Message.Kind.EVENT)
    return list(files.select_related("message").order_by("-message__sent_at", "-pk")[:MAX_FILES])


def timeline_of(seen: Seen, before: str = "") -> tuple[list[Entry], str]:
    """Return a page of the timeline, newest first, and the cursor of the next one, "" at the end. Three queries.

    Entries are notes about the contact, internal notes, tickets, origins and beginnings of conversations.
    """
    place = timeline.read(before) if before else None
    ids = [each.pk for each in seen.conversations]
    sources = [
        _notes([each.pk for each in seen.contacts], place),
        _internal(ids, place),
        _tickets(ids, place),
        _origins(seen),
        _beginnings(seen),
    ]
    entries, following = timeline.newest(sources, place, TIMELINE_SIZE)
    return entries, following.write() if following else ""


def _notes(contact_ids: list[int], before: Place | None) -> list[Entry]:
    rows = ContactNote.objects.filter(contact__in=contact_ids).select_related("author", "contact__page")
    found = _before(rows, "note", "created_at", before).order_by("-created_at", "-pk")[: TIMELINE_SIZE + 1]
    return [Entry(Place.of(note.created_at, "note", note.pk), "note", note) for note in found]


def _internal(conversation_ids: list[int], before: Place | None) -> list[Entry]:
    rows = Message.objects.filter(conversation__in=conversation_ids, kind=Message.Kind.NOTE, withdrawn_at=None)
    found = _before(rows.select_related("author"), "internal", "sent_at", before).order_by("-sent_at", "-pk")[
        : TIMELINE_SIZE + 1
    ]
    return [Entry(Place.of(each.sent_at, "internal", each.pk), "internal", each) for each in found]


def _tickets(conversation_ids: list[int], before: Place | None) -> list[Entry]:
    rows = Ticket.objects.filter(conversation__in=conversation_ids).select_related("assignee", "department")
    found = _before(rows, "ticket", "opened_at", before).order_by("-opened_at", "-pk")[: TIMELINE_SIZE + 1]
    return [Entry(Place.of(each.opened_at, "ticket", each.pk), "ticket", each) for each in found]


def _origins(seen: Seen) -> list[Entry]:
    entries = []
    for contact in seen.contacts:
        for position, origin in enumerate(contact.origins or []):
            at = datetime.fromisoformat(origin["at"])
            shown = {**origin, "contact": contact, "moment": at}
            entries.append(Entry(Place.of(at, "origin", contact.pk * 100 + position), "origin", shown))
    return entries


def _beginnings(seen: Seen) -> list[Entry]:
    """Return when each conversation began: with its first ticket, which may be older than its row."""
    return [
        Entry(Place.of(min(filter(None, (each.created_at, first))), "conversation", each.pk), "conversation", each)
        for each in seen.conversations
        for first in [getattr(each, "first_ticket_at", None)]
    ]


def _before(rows: QuerySet[Row, Row], kind: str, field: str, before: Place | None) -> QuerySet[Row, Row]:
    """Return the rows of a kind after the place, in the order of the timeline."""
    if before is None:
        return rows
    older = Q(**{f"{field}__lt": before.at})
    rank = Place.of(before.at, kind, 0).rank
    if rank < before.rank:
        older |= Q(**{field: before.at})
    elif rank == before.rank:
        older |= Q(**{field: before.at, "pk__lt": before.number})
    return rows.filter(older, **{f"{field}__lte": before.at})
