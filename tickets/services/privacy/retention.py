"""The kinds of data of tickets that are deleted by age: closed conversations and webhook events."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from desk import retention
from desk.sentences import sentence
from tickets.models import (
    Contact,
    ContactNote,
    Conversation,
    Draft,
    EventDelivery,
    Message,
    Moderation,
    PageReaction,
    ScheduledReply,
    Ticket,
)
from tickets.services.privacy import erasure

State = Message.State
#: Replies that were not sent: an agent, the customer's next message or the worker may still send them.
WAITING = (State.QUEUED, State.SENDING, State.HELD, State.FAILED, State.UNSURE)
Event = EventDelivery.State


# --- Closed conversations ---------------------------------------------------------------------------------------------
def quiet_contacts(before: datetime) -> QuerySet[Contact, Contact]:
    """Return the contacts who are finished with: all tickets closed, nothing said since `before`, nothing waits.

    A contact is erased as a whole, so all their conversations count.
    """
    conversations = Conversation.objects.filter(contact=OuterRef("pk"))
    messages = Message.objects.filter(conversation__contact=OuterRef("pk"))
    scheduled = ScheduledReply.objects.filter(conversation__contact=OuterRef("pk"))
    newer = Q(last_message_at__gte=before) | Q(last_message_at=None, created_at__gte=before)
    return Contact.objects.filter(
        Exists(conversations),
        ~Exists(conversations.filter(newer)),
        ~Exists(Ticket.objects.filter(conversation__contact=OuterRef("pk"), status=Ticket.Status.OPEN)),
        ~Exists(messages.filter(sent_at__gte=before).exclude(kind=Message.Kind.EVENT)),
        ~Exists(messages.filter(state__in=WAITING)),
        ~Exists(scheduled.exclude(state=ScheduledReply.State.SENT)),
        ~Exists(Draft.objects.filter(conversation__contact=OuterRef("pk"), updated_at__gte=before).exclude(text="")),
        ~Exists(ContactNote.objects.filter(contact=OuterRef("pk"), created_at__gte=before)),
        ~Exists(ContactNote.objects.filter(contact=OuterRef("pk"), edited_at__gte=before)),
        ~Exists(Moderation.objects.filter(contact=OuterRef("pk"), state=Moderation.State.WAITING)),
        ~Exists(
            PageReaction.objects.filter(message__conversation__contact=OuterRef("pk"), state=PageReaction.State.WAITING)
        ),
        erased_at=None,
        first_seen_at__lt=before,
    )


def erase_quiet(before: datetime, limit: int) -> int:
    """Erase at most `limit` quiet contacts, each in a transaction; return how many.

    One about whom something arrives at this moment, or whose deliveries wait, is left for the next run, and those
    behind it are looked at.
    """
    days = (timezone.now() - before).days
    erased = last = 0
    while not erased:
        contacts = list(quiet_contacts(before).filter(pk__gt=last).select_related("page").order_by("pk")[:limit])
        if not contacts:
            break
        last = contacts[-1].pk
        erased = sum(erasure.erase_by_rule(each, days, quiet_contacts(before)) is not None for each in contacts)
    return erased


# --- Webhook events ---------------------------------------------------------------------------------------------------
def delivered_events(before: datetime) -> QuerySet[EventDelivery, EventDelivery]:
    """Return the webhook events that were accepted before this time."""
    return EventDelivery.objects.filter(state=Event.DELIVERED, settled_at__lt=before)


def other_events(before: datetime) -> QuerySet[EventDelivery, EventDelivery]:
    """Return the webhook events that were given up before this time."""
    return EventDelivery.objects.filter(state__in=(Event.FAILED, Event.DROPPED), settled_at__lt=before)


def register() -> None:
    """Register all of them. Called from `AppConfig.ready()`."""
    retention.register(
        retention.Kind(
            name="conversations",
            label=sentence("Closed conversations"),
            text=sentence(
                "When all tickets of a customer are closed and nobody wrote a message or a note for this time, the "
                "customer is erased like a person who asks for it, with all messages and files. A receipt is kept. A "
                "conversation with a reply that was not sent is kept. It cannot be undone."
            ),
            default_days=None,
            minimum_days=30,
            minimum_reason=sentence(
                "Facebook lets a Page answer for up to seven days, and its links and repetitions outlive "
                "the conversation by weeks."
            ),
            count=lambda before: quiet_contacts(before).count(),
            delete=erase_quiet,
            batch_size=200,  # each in a transaction of its own; searching for them is the slow part
            order=1,
        )
    )
    retention.register(
        retention.Kind.of_rows(
            delivered_events,
            "settled_at",
            name="webhook_events",
            label=sentence("Delivered webhook events"),
            text=sentence("Events that your systems accepted."),
            default_days=7,
            order=20,
        )
    )
    retention.register(
        retention.Kind.of_rows(
            other_events,
            "settled_at",
            name="failed_webhook_events",
            label=sentence("Other webhook events"),
            text=sentence("Events that Desk gave up or dropped. Events that wait to be sent are kept."),
            default_days=30,
            minimum_days=4,
            minimum_reason=sentence(
                "A webhook is turned off after three days of failures; its events can be sent again then."
            ),
            order=21,
        )
    )
