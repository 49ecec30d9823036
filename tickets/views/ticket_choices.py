"""The filters of the list of tickets: what there is to choose from, and a chip for each that is chosen."""

from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext

from channels_im.models import Channel
from desk.languages import quoted
from desk.models import Department, User
from tickets.models import Label, Ticket
from tickets.services.conversation import access
from tickets.services.inbox import labels
from tickets.services.inbox.field_filters import KnownFields
from tickets.services.inbox.ticket_list import ME, NOBODY, TicketQuery
from tickets.views import field_choices
from tickets.views.base import AgentRequest

MAX_PEOPLE = 200  # in the filter by assignee


def context(request: AgentRequest, query: TicketQuery) -> dict[str, Any]:
    """Return the choices of the filters, and `chips` of what is chosen: [{label, without, is_lost (of fields)}]."""
    channels = access.channels_for(request.user, request.facts).select_related("department").order_by("name", "pk")
    people = User.objects.filter(is_active=True, agent__isnull=False).order_by("first_name", "username")
    choices: dict[str, Any] = {
        "channels": list(channels),
        "departments": list(Department.objects.order_by("name").only("name")),
        "list_labels": list(labels.seen_by(request.facts)),
        "people": list(people[:MAX_PEOPLE]),
        "priorities": Ticket.Priority,
        "statuses": Ticket.Status,
        "me": ME,
        "nobody": NOBODY,
    }
    known = KnownFields.seen_by(request.facts)
    return {
        **choices,
        "field_form": field_choices.form(query.fields, known),
        "chips": [*_chips(query, choices), *_field_chips(query, known)],
    }


def _field_chips(query: TicketQuery, known: KnownFields) -> list[dict[str, Any]]:
    return [
        {
            "label": f"{title}: {words}",
            "without": urlencode(query.parameters(fields=query.fields.without(name, value))),
            "is_lost": is_lost,
        }
        for name, value, title, words, is_lost in field_choices.chips(query.fields, known)
    ]


def _chips(query: TicketQuery, choices: dict[str, Any]) -> list[dict[str, str]]:
    chips = [
        (name, label)
        for name, label in (
            ("search", quoted(query.search) if query.search else ""),
            ("status", Ticket.Status(query.status).label if query.status else ""),
            ("priority", Ticket.Priority(query.priority).label if query.priority else ""),
            ("channel", _name_of(choices["channels"], query.channel)),
            ("department", _name_of(choices["departments"], query.department)),
            ("label", _name_of(choices["list_labels"], query.label)),
            ("assignee", _assignee(query, choices["people"])),
        )
        if label
    ]
    empty: dict[str, Any] = {"channel": None, "department": None, "label": None}
    return [
        {"label": str(label), "without": urlencode(query.parameters(**{name: empty.get(name, "")}))}
        for name, label in chips
    ]


def _name_of(rows: list[Channel] | list[Department] | list[Label], pk: int | None) -> str:
    if pk is None:
        return ""
    return next((row.name for row in rows if row.pk == pk), f"#{pk}")


def _assignee(query: TicketQuery, people: list[User]) -> str:
    if query.assignee == ME:
        return gettext("Assigned to me")
    if query.assignee == NOBODY:
        return gettext("Unassigned")
    return next((str(user) for user in people if str(user.pk) == query.assignee), query.assignee and "?")
