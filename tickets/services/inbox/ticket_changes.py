"""Split a ticket at a message, merge it with the one before, and undo either (tickets.rules.ticket_changes).

The lock of the conversation, which every new message takes too, puts all of it one after the other. What follows from
messages (times, subjects, the current ticket, who waits) is computed again from them, as everywhere.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from desk import audit_log
from desk.errors import Refused
from desk.models import Department, User
from desk.sentences import sentence
from tickets.models import (
    AccessGrant,
    Contact,
    Conversation,
    CustomField,
    EventType,
    FieldValue,
    Label,
    Message,
    Ticket,
    TicketChange,
)
from tickets.rules import ticket_changes as rules
from tickets.rules.sending import Refusal
from tickets.rules.ticket_changes import Facts, Obstacle, Place
from tickets.services.conversation import access, derived, messages, ticketing
from tickets.services.inbox import actions, ticket_links
from tickets.services.inbox.ticket_facts import ERASED, MERGED
from tickets.services.webhooks import events

Kind = TicketChange.Kind
SENTENCES = {
    Obstacle.NO_MESSAGE: sentence("A ticket can only begin with a message. Choose one."),
    Obstacle.UNSENT: sentence("This reply was not sent. Choose a message that was."),
    Obstacle.FIRST: sentence("The ticket begins with this message already."),
    Obstacle.NO_EARLIER: sentence("There is no ticket before this one in the conversation."),
    Obstacle.UNDONE: sentence("This was undone already."),
    Obstacle.GONE: sentence("This cannot be undone: one of the tickets has no messages any more."),
    Obstacle.CHANGED_AGAIN: sentence(
        "This cannot be undone: one of the tickets was split or merged since. Undo that first."
    ),
    Obstacle.FACTS_CHANGED: sentence(
        "This cannot be undone: the labels, the priority, the subject or fields were changed since."
    ),
    Obstacle.BETWEEN: sentence("This cannot be undone: another ticket was opened between the two."),
    Obstacle.NOTHING_LEFT: sentence("This cannot be undone: one of the tickets would have no message."),
}
NO_MESSAGE = sentence("This message is not in the ticket any more. Nothing was changed.")


# --- Split ------------------------------------------------------------------------------------------------------------
def split(user: User, conversation: Conversation, message_id: int) -> TicketChange:
    """Make a new ticket of this message and the later ones of its ticket. Raises Refused."""
    with transaction.atomic():
        _lock(user, conversation)
        message = Message.objects.filter(pk=message_id, conversation=conversation).select_related("ticket").first()
        if message is None or message.ticket is None:
            raise Refused(NO_MESSAGE)
        whole, place = message.ticket, (message.sent_at, message.pk)
        before = whole.messages.filter(kind=Message.Kind.MESSAGE).exclude(_from(place))
        _refuse(
            rules.why_not_split(
                before.exists(),
                is_message=message.kind == Message.Kind.MESSAGE,
                was_sent=message.direction == Message.Direction.IN or message.state in ticketing.SENT_OR_SENDING,
            )
        )
        facts = _facts(whole)
        _earlier, later_facts = rules.split(facts)
        later = _create(conversation, later_facts, message.sent_at)
        _move(conversation, whole.messages.filter(_from(place)), later.pk)
        # Access lasts as long as the ticket that has the present state.
        AccessGrant.objects.filter(ticket=whole).update(ticket=later)
        change = _record(conversation, user, Kind.SPLIT, whole.pk, later.pk, {"earlier": _written(facts)})
        line = sentence("%(user)s split ticket #%(number)s from #%(other)s", user=user, number=later.pk, other=whole.pk)
        entry = sentence("Split ticket #%(number)s from #%(other)s.", number=later.pk, other=whole.pk)
        _tell(conversation, user, change, "ticket_split", line, entry)
        events.publish(EventType.TICKET_SPLIT, conversation, ticket=later.pk, by=user, from_ticket=whole.pk, undo=False)
        return change


# --- Merge ------------------------------------------------------------------------------------------------------------
def earlier_ticket(ticket: Ticket) -> int | None:
    """Return the number of the ticket before this one in its conversation."""
    before = Ticket.objects.filter(conversation=ticket.conversation_id)
    before = before.filter(Q(opened_at__lt=ticket.opened_at) | Q(opened_at=ticket.opened_at, pk__lt=ticket.pk))
    return before.order_by("-opened_at", "-pk").values_list("pk", flat=True).first()


def merge(user: User, conversation: Conversation, ticket_id: int) -> TicketChange:
    """Move all messages of this ticket into the one before it, whose number stays. Raises Refused."""
    with transaction.atomic():
        ticket_links.lock_related(conversation)
        _lock(user, conversation)
        later = Ticket.objects.filter(pk=ticket_id, conversation=conversation).first()
        if later is None:
            raise Refused(MERGED)
        earlier = Ticket.objects.filter(pk=earlier_ticket(later) or 0).first()
        if earlier is None:
            raise Refused(SENTENCES[Obstacle.NO_EARLIER])
        facts, later_facts = _facts(earlier), _facts(later)
        first = later.messages.filter(kind=Message.Kind.MESSAGE).order_by("sent_at", "pk").first()
        place = (first.sent_at, first.pk) if first else (later.opened_at, 0)
        before = {
            "earlier": _written(facts),
            "later": _written(later_facts),
            "place": [place[0].isoformat(), place[1]],
            # Lines of the earlier ticket that stand behind the beginning of the later one: they were there before.
            "stays": list(earlier.messages.filter(_from(place)).values_list("pk", flat=True)),
            # And lines of the later one before it: what agents did stays with its ticket.
            "goes": list(later.messages.exclude(_from(place)).values_list("pk", flat=True)),
            "links": ticket_links.take_over(later.pk, earlier.pk),
        }
        _move(conversation, later.messages.all(), earlier.pk)
        _delete(conversation, later.pk, earlier.pk)
        _write_facts(earlier, rules.merge(facts, later_facts))
        change = _record(conversation, user, Kind.MERGE, earlier.pk, ticket_id, before)
        line = sentence(
            "%(user)s merged ticket #%(number)s into #%(other)s", user=user, number=ticket_id, other=earlier.pk
        )
        entry = sentence("Merged ticket #%(number)s into #%(other)s.", number=ticket_id, other=earlier.pk)
        _tell(conversation, user, change, "ticket_merged", line, entry)
        events.publish(
            EventType.TICKET_MERGED, conversation, ticket=earlier.pk, by=user, merged_ticket=ticket_id, undo=False
        )
        return change


# --- Undo -------------------------------------------------------------------------------------------------------------
def undo(user: User, conversation: Conversation, change_id: int) -> TicketChange:
    """Undo a split or a merge of this conversation. Raises Refused, with what has happened since that forbids it."""
    with transaction.atomic():
        ticket_links.lock_related(conversation)
        _lock(user, conversation)
        change = TicketChange.objects.filter(pk=change_id, conversation=conversation).first()
        if change is None:
            raise Refused(sentence("There is nothing to undo."))
        if change.undone_at is not None:
            raise Refused(SENTENCES[Obstacle.UNDONE])
        touched = Q(earlier__in=(change.earlier, change.later)) | Q(later__in=(change.earlier, change.later))
        if conversation.ticket_changes.filter(touched, pk__gt=change.pk, undone_at=None).exists():
            raise Refused(SENTENCES[Obstacle.CHANGED_AGAIN])
        change.undone_at, change.undone_by = timezone.now(), user
        change.save(update_fields=["undone_at", "undone_by"])
        _take_back(user, conversation, change)
        return change


def _take_back(user: User, conversation: Conversation, change: TicketChange) -> None:
    facts = {"number": change.later, "other": change.earlier}
    if change.kind == Kind.SPLIT:
        _unsplit(conversation, change)
        line = sentence("%(user)s undid the split of ticket #%(number)s from #%(other)s", user=user, **facts)
        entry = sentence("Undid the split of ticket #%(number)s from #%(other)s.", **facts)
        event, number, other = EventType.TICKET_MERGED, change.earlier, {"merged_ticket": change.later}
    else:
        _unmerge(conversation, change)
        line = sentence("%(user)s undid the merging of ticket #%(number)s into #%(other)s", user=user, **facts)
        entry = sentence("Undid the merging of ticket #%(number)s into #%(other)s.", **facts)
        event, number, other = EventType.TICKET_SPLIT, change.later, {"from_ticket": change.earlier}
    _tell(conversation, user, change, "ticket_undone", line, entry)
    events.publish(event, conversation, ticket=number, by=user, undo=True, **other)


def _unsplit(conversation: Conversation, change: TicketChange) -> None:
    found = Ticket.objects.filter(conversation=conversation).in_bulk([change.earlier, change.later])
    if len(found) < 2:
        raise Refused(SENTENCES[Obstacle.GONE])
    earlier, later = found[change.earlier], found[change.later]
    order = list(conversation.tickets.order_by("opened_at", "pk").values_list("pk", flat=True))
    if not rules.stand_together(order, earlier.pk, later.pk):
        raise Refused(SENTENCES[Obstacle.BETWEEN])
    whole = _read_facts(change.before["earlier"])
    _whole, part = rules.split(whole)
    facts, later_facts = _facts(earlier), _facts(later)
    _check_words([(whole, facts), (part, later_facts)])
    ticket_links.take_over(later.pk, earlier.pk)
    _move(conversation, later.messages.all(), earlier.pk)
    _delete(conversation, later.pk, earlier.pk)
    _write_facts(earlier, rules.unsplit(facts, later_facts))


def _unmerge(conversation: Conversation, change: TicketChange) -> None:
    merged = Ticket.objects.filter(pk=change.earlier, conversation=conversation).first()
    if merged is None:
        raise Refused(SENTENCES[Obstacle.GONE])
    earlier, later = _read_facts(change.before["earlier"]), _read_facts(change.before["later"])
    now = _facts(merged)
    _check_words([(rules.merge(earlier, later), now)])
    at, pk = change.before["place"]
    place = (datetime.fromisoformat(at), int(pk))
    first = merged.messages.filter(pk=pk).first()
    if first is not None:
        place = min(place, (first.sent_at, first.pk))  # Meta's time of a reply may have come since
    goes = (_from(place) & ~Q(pk__in=change.before["stays"])) | Q(pk__in=change.before["goes"])
    rows, own = merged.messages.filter(goes), Q(kind=Message.Kind.MESSAGE)
    if not rows.filter(own).exists() or not merged.messages.exclude(goes).filter(own).exists():
        raise Refused(SENTENCES[Obstacle.NOTHING_LEFT])
    earlier, later = rules.unmerge(earlier, later, now)
    _create(conversation, later, place[0], number=change.later)
    _move(conversation, rows, change.later)
    _write_facts(merged, earlier)
    if later.status == Ticket.Status.OPEN:  # access lasts as long as the ticket that has the present state
        AccessGrant.objects.filter(ticket=merged).update(ticket=change.later)
    ticket_links.give_back(change.later, change.earlier, change.before["links"])


def _check_words(pairs: Iterable[tuple[Facts, Facts]]) -> None:
    """Raise Refused when agents have changed what they say of a ticket. The pairs are expected and present facts."""
    for expected, now in pairs:
        existing = Label.objects.filter(pk__in=expected.labels).values_list("pk", flat=True)
        wanted = {field for field, _text, _lookup in expected.fields}
        fields = CustomField.objects.filter(pk__in=wanted).values_list("pk", flat=True)
        if not rules.same_words(expected, now, list(existing), list(fields)):
            raise Refused(SENTENCES[Obstacle.FACTS_CHANGED])


# --- Steps ------------------------------------------------------------------------------------------------------------
def _lock(user: User, conversation: Conversation) -> None:
    messages.lock(conversation)
    access.require_work_of(user, conversation)
    if Contact.objects.filter(pk=conversation.contact_id, erased_at__isnull=False).exists():
        raise Refused(ERASED, Refusal.CONTACT_ERASED)


def _refuse(obstacle: Obstacle | None) -> None:
    if obstacle is not None:
        raise Refused(SENTENCES[obstacle])


def _from(place: Place) -> Q:
    """Return the condition of the lines at this place of a thread and behind it."""
    at, pk = place
    return Q(sent_at__gt=at) | Q(sent_at=at, pk__gte=pk)


def _move(conversation: Conversation, rows: QuerySet[Message, Message], ticket: int) -> None:
    """Move these lines into another ticket, and tell the webhooks of those that are no events of Desk."""
    changed = events.ids_if_subscribed(rows.exclude(ticketing.ACTION))
    rows.update(ticket=ticket)
    events.messages_updated(conversation, changed, "ticket")


def _create(conversation: Conversation, facts: Facts, at: datetime, number: int | None = None) -> Ticket:
    """Create a ticket; its times and subject follow from the messages that are moved into it. `number`: had before."""
    ticket = Ticket(pk=number, conversation=conversation, opened_at=at, last_message_at=at)
    _set(ticket, facts)
    ticket.save(force_insert=True)
    ticket.labels.set(_existing_labels(facts))
    _set_fields(ticket, facts)
    return ticket


def _delete(conversation: Conversation, number: int, successor: int) -> None:
    """Delete a ticket whose lines have been moved to `successor`."""
    if conversation.current_ticket_id == number:
        conversation.current_ticket_id = successor
        conversation.save(update_fields=["current_ticket"])
    AccessGrant.objects.filter(ticket=number).update(ticket=successor)
    Ticket.objects.get(pk=number).delete()


def _tell(conversation: Conversation, user: User, change: TicketChange, kind: str, line: str, entry: str) -> None:
    """Bring everything that follows from messages up to date, then add the event, the entry of the history."""
    ticketing.refresh_tickets(conversation, (change.earlier, change.later))
    ticketing.refresh_current_ticket(conversation)
    event = actions.add_event(conversation, user, kind, line)
    derived.refresh_waiting(conversation)
    if change.undone_at is None:
        change.event = event
        change.save(update_fields=["event"])
    audit_log.record(user, conversation, audit_log.CHANGE, entry)
    messages.announce(conversation)


def _record(
    conversation: Conversation, user: User, kind: str, earlier: int, later: int, before: dict[str, Any]
) -> TicketChange:
    change = TicketChange(conversation=conversation, kind=kind, earlier=earlier, later=later, before=before, by=user)
    change.save(force_insert=True)
    return change


# --- Facts ------------------------------------------------------------------------------------------------------------
def _facts(ticket: Ticket) -> Facts:
    return Facts(
        subject=ticket.subject,
        subject_is_own=ticket.subject_is_own,
        priority=ticket.priority,
        labels=frozenset(ticket.labels.values_list("pk", flat=True)),
        status=ticket.status,
        closed_at=ticket.closed_at,
        department=ticket.department_id,
        assignee=ticket.assignee_id,
        fields=frozenset(ticket.field_values.values_list("field_id", "text", "lookup")),
    )


def _written(facts: Facts) -> dict[str, Any]:
    """Return the facts as JSON."""
    closed_at = facts.closed_at.isoformat() if facts.closed_at else None
    return {**vars(facts), "labels": sorted(facts.labels), "closed_at": closed_at, "fields": sorted(facts.fields)}


def _read_facts(written: dict[str, Any]) -> Facts:
    closed_at = datetime.fromisoformat(written["closed_at"]) if written["closed_at"] else None
    fields = frozenset((field, text, lookup) for field, text, lookup in written.get("fields", ()))
    return Facts(**{**written, "labels": frozenset(written["labels"]), "closed_at": closed_at, "fields": fields})


def _set(ticket: Ticket, facts: Facts) -> None:
    ticket.subject, ticket.subject_is_own = facts.subject, facts.subject_is_own
    ticket.priority, ticket.status, ticket.closed_at = facts.priority, facts.status, facts.closed_at
    # Meanwhile deleted: the department of the conversation, and nobody.
    ticket.department_id = facts.department
    if not Department.objects.filter(pk=facts.department).exists():
        ticket.department_id = ticket.conversation.department_id
    ticket.assignee_id = facts.assignee
    if facts.assignee is not None and not User.objects.filter(pk=facts.assignee).exists():
        ticket.assignee_id = None


def _write_facts(ticket: Ticket, facts: Facts) -> None:
    _set(ticket, facts)
    ticket.save(
        update_fields=["subject", "subject_is_own", "priority", "status", "closed_at", "department", "assignee"]
    )
    ticket.labels.set(_existing_labels(facts))
    _set_fields(ticket, facts)


def _set_fields(ticket: Ticket, facts: Facts) -> None:
    ticket.field_values.all().delete()
    wanted = {field for field, _text, _lookup in facts.fields}
    locked = CustomField.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")  # as everywhere
    existing = set(locked.values_list("pk", flat=True))
    FieldValue.objects.bulk_create(
        FieldValue(ticket=ticket, field_id=field, text=text, lookup=lookup)
        for field, text, lookup in sorted(facts.fields)
        if field in existing
    )


def _existing_labels(facts: Facts) -> list[Label]:
    """Return the labels that still exist, locked, so that none is deleted until they are on the ticket."""
    rows = Label.objects.select_for_update(no_key=True).filter(pk__in=facts.labels).order_by("pk")
    return list(rows) if facts.labels else []


# --- Numbers ----------------------------------------------------------------------------------------------------------
def successor_of(number: int) -> int | None:
    """Return the number of the ticket that has the messages of one that was merged away; None: there is none."""
    seen = {number}
    while True:
        gone = Q(kind=Kind.MERGE, undone_at=None) | Q(kind=Kind.SPLIT, undone_at__isnull=False)
        following = TicketChange.objects.filter(gone, later=number).order_by("-pk").values_list("earlier", flat=True)
        number = following.first() or 0
        if not number or number in seen:
            return None
        if Ticket.objects.filter(pk=number).exists():
            return number
        seen.add(number)


def last_change(ticket: Ticket) -> TicketChange | None:
    """Return the last split or merge of this ticket that was not undone."""
    rows = TicketChange.objects.filter(conversation=ticket.conversation_id, undone_at=None)
    return rows.filter(Q(earlier=ticket.pk) | Q(later=ticket.pk)).order_by("-pk").first()
