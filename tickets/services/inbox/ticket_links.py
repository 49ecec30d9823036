"""Tickets that agents have linked as related, both ways."""

from collections.abc import Iterable
from itertools import chain

from django.db import transaction
from django.db.models import Q, QuerySet

from desk.errors import Refused
from desk.models import User
from desk.sentences import sentence
from tickets.models import Conversation, Ticket, TicketLink
from tickets.rules.searching import ticket_number
from tickets.services.conversation import access, messages

MOST = 50  # links of one ticket
NO_SUCH_TICKET = sentence("There is no ticket with this number, or you may not see it.")


def parse_number(text: str) -> int:
    """Return the ticket number in `text`, such as 12 or #12. Raises Refused."""
    number = ticket_number(text)
    if number is None:
        raise Refused(sentence("Write the number of a ticket, such as #12."), field="ticket")
    return number


def linked_to(number: int) -> QuerySet[Ticket, Ticket]:
    """Return the tickets that are linked to this one."""
    pairs = TicketLink.objects.filter(Q(first=number) | Q(second=number)).values_list("first", "second")
    # By their numbers: the alternative of two queries makes the database read all tickets.
    return Ticket.objects.filter(pk__in={pk for pair in pairs for pk in pair} - {number}).order_by("pk")


def link(user: User, ticket: Ticket, number: int) -> None:
    """Link two tickets that the user may see. A second time changes nothing. Raises Refused."""
    if number == ticket.pk:
        raise Refused(sentence("A ticket cannot be related to itself."), field="ticket")
    access.require_work_of(user, ticket.conversation)
    with transaction.atomic():
        other = Ticket.objects.filter(pk=number, conversation__in=access.conversations_for(user)).first()
        if other is None:
            raise Refused(NO_SUCH_TICKET, field="ticket")
        access.require_work_of(user, other.conversation)
        _lock({ticket.conversation_id, other.conversation_id})
        if Ticket.objects.filter(pk__in=(ticket.pk, number)).count() < 2:
            raise Refused(NO_SUCH_TICKET, field="ticket")  # merged at this moment
        if linked_to(ticket.pk).count() >= MOST or linked_to(number).count() >= MOST:
            raise Refused(sentence("At most %(most)s tickets can be related to one.", most=MOST), field="ticket")
        first, second = sorted((ticket.pk, number))
        TicketLink.objects.get_or_create(first_id=first, second_id=second, defaults={"by": user})


def unlink(user: User, ticket: Ticket, number: int) -> None:
    """Remove the link between two tickets; without one, do nothing. Raises Refused."""
    access.require_work_of(user, ticket.conversation)
    first, second = sorted((ticket.pk, number))
    TicketLink.objects.filter(first=first, second=second).delete()


def lock_related(conversation: Conversation) -> None:
    """Lock the conversation, and those of tickets that are related to its own, before these are merged.

    Two who merge related tickets of two conversations would each wait for the other's.
    """
    own = Ticket.objects.filter(conversation=conversation).values("pk")
    links = TicketLink.objects.filter(Q(first__in=own) | Q(second__in=own))
    pairs = links.values_list("first__conversation", "second__conversation")
    _lock({conversation.pk, *chain.from_iterable(pairs)})


def _lock(conversations: Iterable[int]) -> None:
    """Lock the conversations with these ids, in one order for everybody: no ticket is merged away meanwhile."""
    for conversation in Conversation.objects.filter(pk__in=conversations).order_by("pk"):
        messages.lock(conversation)


def take_over(gone: int, successor: int) -> dict[str, list[int]]:
    """Give the links of a ticket that is merged away to `successor`.

    Return the tickets it was linked to (`had`), and those that `successor` was not (`new`), for `give_back`.
    """
    had = set(linked_to(gone).values_list("pk", flat=True))
    present = set(linked_to(successor).values_list("pk", flat=True))
    new = had - present - {successor}
    _add(successor, new)
    return {"had": sorted(had), "new": sorted(new)}


def give_back(number: int, successor: int, links: dict[str, list[int]]) -> None:
    """Give a ticket the links again that `take_over` gave to `successor`."""
    existing = Ticket.objects.filter(pk__in=links["had"]).values_list("pk", flat=True)
    _add(number, set(existing))
    TicketLink.objects.filter(
        Q(first=successor, second__in=links["new"]) | Q(second=successor, first__in=links["new"])
    ).delete()


def _add(number: int, others: set[int]) -> None:
    pairs = [sorted((number, other)) for other in sorted(others)]
    rows = [TicketLink(first_id=first, second_id=second) for first, second in pairs]
    TicketLink.objects.bulk_create(rows, ignore_conflicts=True)
