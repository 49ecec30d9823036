"""Change the labels, the priority and the subject of a ticket: what agents say about it.

Two agents may do so at once: the lock of the conversation puts one after the other, the last one wins, and both are
told by the live update.
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction

from desk.errors import Refused
from desk.models import User
from desk.sentences import counted, sentence
from tickets.models import Contact, Conversation, EventType, Label, Ticket
from tickets.rules.sending import Refusal, clean_text
from tickets.services.conversation import messages
from tickets.services.conversation.thread_events import add_event
from tickets.services.inbox import labels
from tickets.services.webhooks import events

SUBJECT_LIMIT = 80  # characters
MOST_LABELS = 20  # on one ticket
NO_TICKET = sentence("This conversation has no ticket yet.")
MERGED = sentence("This ticket was merged into another one meanwhile. Nothing was changed.")
ERASED = sentence("The data of this customer was erased. Nothing was changed.")
NO_PRIORITY = sentence("Choose a priority: low, normal, high or urgent.")
NOT_OFFERED = sentence("This label was deleted, or is not for this department. Choose another one.")


@dataclass(frozen=True)
class Changes:
    """What to change; None leaves it as it is. Labels are ids: `labels` are all of them, `add` and `remove` some."""

    priority: str | None = None
    subject: str | None = None
    labels: Collection[int] | None = None
    add: Collection[int] = ()
    remove: Collection[int] = ()


def change(user: User, conversation: Conversation, changes: Changes, ticket_id: int | None = None) -> None:
    """Change these facts of a ticket of the conversation, by default the current one. All or none. Raises Refused."""
    subject = None if changes.subject is None else clean_subject(changes.subject)
    if changes.priority is not None and changes.priority not in Ticket.Priority.values:
        raise Refused(NO_PRIORITY, field="priority")
    with transaction.atomic():
        messages.lock(conversation)
        if Contact.objects.filter(pk=conversation.contact_id, erased_at__isnull=False).exists():
            raise Refused(ERASED, Refusal.CONTACT_ERASED)
        wanted = ticket_id or conversation.current_ticket_id or 0
        ticket = Ticket.objects.filter(pk=wanted, conversation=conversation).first()
        if ticket is None:
            raise Refused(MERGED if ticket_id else NO_TICKET)
        changed = []
        if changes.priority is not None and _set_priority(
            user, conversation, ticket, Ticket.Priority(changes.priority)
        ):
            changed.append("priority")
        if subject is not None and _set_subject(user, conversation, ticket, subject):
            changed.append("subject")
        if _set_labels(user, conversation, ticket, changes):
            changed.append("labels")
        if not changed:
            return
        events.publish(EventType.TICKET_UPDATED, conversation, ticket=ticket.pk, by=user, changed=changed)
        messages.announce(conversation)


def clean_subject(text: str) -> str:
    """Return the subject in one line. Raises Refused when it is blank or too long."""
    subject = " ".join(clean_text(text).split())
    if not subject:
        raise Refused(
            sentence("The subject is empty. Write 1 to %(most)s characters.", most=SUBJECT_LIMIT), field="subject"
        )
    if len(subject) > SUBJECT_LIMIT:
        too_long = counted(
            "The subject has %(count)s character; at most %(most)s fit. Shorten it.",
            "The subject has %(count)s characters; at most %(most)s fit. Shorten it.",
            len(subject),
            count=f"{len(subject):,}",
            most=SUBJECT_LIMIT,
        )
        raise Refused(too_long, field="subject")
    return subject


def _set_priority(user: User, conversation: Conversation, ticket: Ticket, priority: Ticket.Priority) -> bool:
    if ticket.priority == priority:
        return False
    ticket.priority = priority
    ticket.save(update_fields=["priority"])
    lines = {
        Ticket.Priority.LOW: sentence(
            "%(user)s set the priority of ticket #%(number)s to low", user=user, number=ticket.pk
        ),
        Ticket.Priority.NORMAL: sentence(
            "%(user)s set the priority of ticket #%(number)s to normal", user=user, number=ticket.pk
        ),
        Ticket.Priority.HIGH: sentence(
            "%(user)s set the priority of ticket #%(number)s to high", user=user, number=ticket.pk
        ),
        Ticket.Priority.URGENT: sentence(
            "%(user)s set the priority of ticket #%(number)s to urgent", user=user, number=ticket.pk
        ),
    }
    add_event(conversation, user, "priority", lines[priority])
    return True


def _set_subject(user: User, conversation: Conversation, ticket: Ticket, subject: str) -> bool:
    if ticket.subject == subject:
        return False
    ticket.subject, ticket.subject_is_own = subject, True
    ticket.save(update_fields=["subject", "subject_is_own"])
    line = sentence(
        "%(user)s changed the subject of ticket #%(number)s to “%(subject)s”",
        user=user,
        number=ticket.pk,
        subject=subject,
    )
    add_event(conversation, user, "subject", line)
    return True


def _set_labels(user: User, conversation: Conversation, ticket: Ticket, changes: Changes) -> bool:
    if changes.labels is None and not changes.add and not changes.remove:
        return False
    present = {label.pk: label for label in ticket.labels.all()}
    wanted = set(present if changes.labels is None else changes.labels) | set(changes.add)
    wanted -= set(changes.remove)
    new = wanted - present.keys()
    # The lock keeps a label from being deleted or merged until it is on the ticket.
    locked = labels.offered(conversation).select_for_update(no_key=True, of=("self",)).filter(pk__in=new)
    added = list(locked.order_by("pk"))
    if len(added) < len(new):
        raise Refused(NOT_OFFERED, field="labels")
    removed = [label for pk, label in present.items() if pk not in wanted]
    if len(present) - len(removed) + len(added) > MOST_LABELS:
        raise Refused(sentence("At most %(most)s labels fit on a ticket.", most=MOST_LABELS), field="labels")
    ticket.labels.remove(*removed)
    ticket.labels.add(*added)
    if added:
        line = sentence(
            "%(user)s labeled ticket #%(number)s: %(labels)s", user=user, number=ticket.pk, labels=_names(added)
        )
        add_event(conversation, user, "labels", line)
    if removed:
        line = sentence(
            "%(user)s removed labels of ticket #%(number)s: %(labels)s",
            user=user,
            number=ticket.pk,
            labels=_names(removed),
        )
        add_event(conversation, user, "labels", line)
    return bool(added or removed)


def _names(listed: Collection[Label]) -> str:
    return ", ".join(f"“{label.name}”" for label in listed)
