"""The list of tickets: filters, search, orders, keyset paging and the export. Nothing counts all rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.utils.translation import gettext

from desk import audit_log, csv_table, row_by_row
from desk.languages import in_english
from desk.models import User
from desk.one_of import OneOf
from desk.sentences import sentence
from desk.text import head
from tickets.models import Conversation, Message, Ticket
from tickets.rules.filters import NO_FILTER, Filter
from tickets.rules.searching import ticket_number
from tickets.services.conversation import access
from tickets.services.conversation.access import UserFacts
from tickets.services.inbox import field_filters, search
from tickets.services.inbox.cursors import after_cursor, read_cursor, write_cursor
from tickets.services.inbox.field_filters import KnownFields
from tickets.services.inbox.listing import SEARCH_LIMIT

ROWS_PER_PAGE = 50
EXPORT_BATCH = 500
MOST_EXPORTED = 20_000  # tickets in one file
#: Subjects are read one after the other, so only those of the newest tickets; numbers and names have an index.
NEWEST_SUBJECTS = 50_000
RELATED = ("conversation__contact", "conversation__channel__page", "department", "assignee")
COLUMNS = (
    *("number", "subject", "customer", "page", "channel", "department", "assignee", "status", "priority"),
    *("labels", "opened_at", "closed_at", "last_message_at", "messages"),
)

Tickets = QuerySet[Ticket, Ticket]


@dataclass(frozen=True)
class Order:
    """An order of the list: by a time that has an index, then by number."""

    label: str
    field: str
    descending: bool = True


ORDERS = {
    "last": Order(sentence("Last message first"), "last_message_at"),
    "newest": Order(sentence("Newest first"), "opened_at"),
    "oldest": Order(sentence("Oldest first"), "opened_at", descending=False),
    "closed": Order(sentence("Last closed first"), "closed_at"),
}
DEFAULT_ORDER = "last"
ME, NOBODY = "me", "none"  # values of the filter by assignee besides ids


@dataclass(frozen=True)
class TicketQuery:
    """What the list shows: filters (ids; None for all), search and order. `assignee` is an id, ME, NOBODY or "".

    `fields` are custom fields, as in a filter of the inbox.
    """

    order: str = DEFAULT_ORDER
    search: str = ""
    status: str = ""
    priority: str = ""
    channel: int | None = None
    department: int | None = None
    label: int | None = None
    assignee: str = ""
    fields: Filter = NO_FILTER

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "TicketQuery":
        """Parse a mapping such as request.GET. Unknown values fall back to the default; never raises."""
        assignee = raw.get("assignee", "")
        number = _number(assignee)
        return cls(
            order=_one_of(raw.get("sort", ""), ORDERS) or DEFAULT_ORDER,
            search=head(raw.get("q", "").replace("\0", "").strip(), SEARCH_LIMIT),
            status=_one_of(raw.get("status", ""), Ticket.Status.values),
            priority=_one_of(raw.get("priority", ""), Ticket.Priority.values),
            channel=_number(raw.get("channel", "")),
            department=_number(raw.get("department", "")),
            label=_number(raw.get("label", "")),
            assignee=assignee if assignee in (ME, NOBODY) else str(number or ""),
            fields=field_filters.read(raw),
        )

    def parameters(self, **changes: Any) -> dict[str, str]:
        """Return the query string parameters of this list with `changes`; defaults are left out."""
        changed = replace(self, **changes)
        values = {
            "sort": "" if changed.order == DEFAULT_ORDER else changed.order,
            "q": changed.search,
            "status": changed.status,
            "priority": changed.priority,
            "channel": str(changed.channel or ""),
            "department": str(changed.department or ""),
            "label": str(changed.label or ""),
            "assignee": changed.assignee,
            **changed.fields.to_query(),
        }
        return {name: value for name, value in values.items() if value}

    @property
    def is_narrowed(self) -> bool:
        return bool(self.parameters(order=DEFAULT_ORDER))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _one_of(text: str, choices: Any) -> str:
    return text if text in choices else ""


def visible(user: User, facts: UserFacts) -> Tickets:
    """Return the tickets of the conversations that the user may see."""
    if facts.sees_all:
        return Ticket.objects.all()
    # EXISTS and not IN: the database walks along the index of the order, and asks for each ticket.
    return Ticket.objects.filter(Exists(access.conversations_for(user, facts).filter(pk=OuterRef("conversation"))))


def matching(user: User, facts: UserFacts, query: TicketQuery) -> Tickets:
    """Return the tickets of this list, unordered."""
    rows = visible(user, facts)
    if ORDERS[query.order].field == "closed_at":
        rows = rows.filter(closed_at__isnull=False)
    if query.status:
        rows = rows.filter(status=query.status)
    if query.priority:
        rows = rows.filter(priority=query.priority)
    if query.channel:
        in_channel = Conversation.objects.filter(pk=OuterRef("conversation"), channel=query.channel)
        rows = rows.filter(Exists(in_channel))
    if query.department:
        rows = rows.filter(department=query.department)
    if query.label:
        labeled = Ticket.labels.through.objects.filter(ticket=OuterRef("pk"), label=query.label)
        rows = rows.filter(Exists(labeled))
    if query.assignee == NOBODY:
        rows = rows.filter(assignee=None)
    elif query.assignee:
        rows = rows.filter(assignee=user.pk if query.assignee == ME else int(query.assignee))
    rows = field_filters.narrowed(rows, query.fields, KnownFields.seen_by(facts))
    return searched(rows, user, facts, query.search) if query.search else rows


def searched(rows: Tickets, user: User, facts: UserFacts, words: str) -> Tickets:
    """Return the tickets with this number, of a customer with this name, or with these words in their subject.

    Of each kind the newest, so that the database neither reads nor sorts more, whatever the size of the table.
    """
    people = search.newest_named(access.conversations_for(user, facts), words)
    conversations = list(Conversation.objects.filter(OneOf("contact", people)).values_list("pk", flat=True))
    found = set(_newest(rows.filter(OneOf("conversation", conversations))))
    newest = Ticket.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    found.update(_newest(rows.filter(pk__gt=newest - NEWEST_SUBJECTS, subject__icontains=words)))
    if (number := ticket_number(words)) is not None:
        found.add(number)
    return rows.filter(OneOf("pk", sorted(found)))


def _newest(rows: Tickets) -> list[int]:
    return list(rows.order_by("-pk").values_list("pk", flat=True)[: search.MAX_HITS])


def page_of(
    rows: Tickets, order: str, cursor: str = "", size: int = 0, *, are_few: bool = False
) -> tuple[list[Ticket], str]:
    """Return one page after `cursor` with `message_count`, and the cursor of the next page, "" at the end.

    The first page comes without a cursor, and for anything that is not one. `size` 0: as the list has it. `are_few`:
    the rows were found by their ids, as those of a search, and are sorted.
    """
    size = size or ROWS_PER_PAGE
    ordering, after = ORDERS[order], read_cursor(cursor)
    if after:
        rows = rows.filter(after_cursor(ordering.field, after, descending=ordering.descending))
    column = row_by_row.in_no_order(ordering.field) if are_few else F(ordering.field)
    rows = rows.order_by(*((column.desc(), "-pk") if ordering.descending else (column.asc(), "pk")))
    # The ids first: with joins the database begins at another table and sorts everything.
    ids = list(rows.values_list("pk", flat=True)[: size + 1])
    by_id = Ticket.objects.select_related(*RELATED).defer("conversation__channel__page__page_token")
    found = by_id.prefetch_related("labels").in_bulk(ids[:size])
    page = [found[pk] for pk in ids[:size] if pk in found]
    add_counts(page)
    if not page or len(ids) <= size:
        return page, ""
    return page, write_cursor(getattr(page[-1], ordering.field) or page[-1].opened_at, page[-1].pk)


def add_counts(tickets: list[Ticket]) -> None:
    """Set `message_count` of these tickets: messages of both sides, without notes and events. One query."""
    own = Message.objects.filter(ticket__in=[ticket.pk for ticket in tickets], kind=Message.Kind.MESSAGE)
    counts = dict(own.order_by().values_list("ticket").annotate(Count("pk")))
    for ticket in tickets:
        ticket.message_count = counts.get(ticket.pk, 0)  # type: ignore[attr-defined]  # read by templates


# --- Export -----------------------------------------------------------------------------------------------------------
def record_export(user: User, query: TicketQuery) -> None:
    """Record in the history that the user exports this list. The search may name a customer, and is not recorded."""
    names = ", ".join(name for name in query.parameters(order=DEFAULT_ORDER, search="")) or "-"
    entry = sentence("Exported tickets as CSV, filtered by: %(filters_text)s.", filters_text=names)
    audit_log.record(user, None, audit_log.Action.EXPORTED, entry)


def csv_lines(user: User, facts: UserFacts, query: TicketQuery) -> Iterator[bytes]:
    """Yield a CSV file: the columns, then a line for each ticket of the list, at most MOST_EXPORTED; times in UTC."""
    yield "\ufeff".encode()  # a spreadsheet then reads UTF-8
    yield csv_table.line_of(COLUMNS)
    rows, cursor, left = matching(user, facts, query), "", MOST_EXPORTED
    while left > 0:
        page, cursor = page_of(rows, query.order, cursor, min(EXPORT_BATCH, left), are_few=bool(query.search))
        for ticket in page:
            yield csv_table.line_of(_cells(ticket))
        left -= len(page)
        if not cursor:
            return
    yield csv_table.line_of((gettext("Only the first %(most)s tickets are in this file.") % {"most": MOST_EXPORTED},))


def _cells(ticket: Ticket) -> tuple[Any, ...]:
    conversation = ticket.conversation
    return (
        ticket.pk,
        ticket.subject,
        in_english(conversation.contact.display_name),
        conversation.channel.page.name,
        conversation.channel.name,
        ticket.department.name,
        ticket.assignee.username if ticket.assignee else "",
        ticket.status,
        ticket.priority,
        ", ".join(label.name for label in ticket.labels.all()),
        _time(ticket.opened_at),
        _time(ticket.closed_at),
        _time(ticket.last_message_at),
        ticket.message_count,  # type: ignore[attr-defined]
    )


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""
