"""The filter of the list in words: the choices of each field, and a chip for each value that was chosen."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, ngettext, npgettext, pgettext, pgettext_lazy

from desk.languages import joined
from desk.models import User
from tickets.models import Ticket
from tickets.rules.filters import CLOSED, FIELDS, ME, NO, NOBODY, OPEN, SOON, YES, age
from tickets.services.conversation import access
from tickets.services.inbox import filter_names
from tickets.services.inbox.field_filters import KnownFields
from tickets.services.inbox.listing import ListQuery
from tickets.views import field_choices
from tickets.views.base import AgentRequest

MAX_COLLEAGUES = 200

Choices = list[tuple[str, str]]

TITLES: dict[str, Promise] = {
    "assignee": pgettext_lazy("filter", "Assigned to"),
    "department": gettext_lazy("Department"),
    "channel": gettext_lazy("Channel"),
    "status": pgettext_lazy("filter", "Status"),
    "label": gettext_lazy("Label"),
    "priority": gettext_lazy("Priority"),
    "unread": pgettext_lazy("filter", "Unread messages"),
    "waiting": pgettext_lazy("filter", "Waiting for reply"),
    "window": gettext_lazy("Messaging window"),
    "snoozed": pgettext_lazy("filter", "Snoozed"),
    "since": gettext_lazy("Last message on or after"),
    "until": gettext_lazy("Last message on or before"),
    "opened_since": gettext_lazy("Ticket opened on or after"),
    "opened_until": gettext_lazy("Ticket opened on or before"),
}
OF_TIMES = ("since", "until", "opened_since", "opened_until")
WAITS = ("30m", "1h", "4h", "1d", "3d")
AGES = ("1d", "7d", "30d", "90d")


@dataclass(frozen=True)
class Field:
    """A field as the form shows it: the choices, the chosen value, and for times the chosen day."""

    name: str
    title: str
    every: str
    choices: Choices
    value: str
    is_time: bool = False
    day: str = ""


@dataclass(frozen=True)
class Chip:
    """A value that was chosen, in words, and the query string of the list without it."""

    title: str
    text: str
    query: str
    is_lost: bool = False  # it was deleted, or this reader may not see its name


class ListFilters:
    """What one page says about the filter of its list. Names are only those that the reader may see."""

    def __init__(self, request: AgentRequest, query: ListQuery, *, is_short: bool = False) -> None:
        """Read the names. `is_short`: without colleagues and custom fields, unless a chip names one: fewer queries."""
        with_colleagues = not is_short or bool(query.filter.ids("assignee"))
        facts = request.facts
        self.channels = filter_names.channels(facts)
        self._query = query
        self._known, self._is_short = KnownFields.seen_by(facts), is_short
        self._names: dict[str, Choices] = {
            "channel": [(str(pk), _channel_words(*words)) for pk, *words in self.channels],
            "department": [(str(pk), name) for pk, name in filter_names.departments(facts)],
            "label": [(str(pk), name) for pk, name in filter_names.labels(facts)],
            "assignee": [
                (ME, pgettext("assignee", "Me")),
                (NOBODY, pgettext("assignee", "Nobody")),
                *((str(one.pk), str(one)) for one in (colleagues(request) if with_colleagues else ())),
            ],
        }

    def fields(self) -> list[Field]:
        """Return the fields of the form. One that could only have one choice is left out, unless it is chosen."""
        return [
            self._field(name)
            for name in FIELDS
            if name in TITLES
            and (self._query.filter.get(name) or len(self._names.get(name, ())) >= FEWEST.get(name, 0))
        ]

    def custom(self) -> field_choices.FieldForm:
        """Return the part of the form about custom fields."""
        return field_choices.form(self._query.filter, self._known, only_chosen=self._is_short)

    def chips(self) -> list[Chip]:
        """Return a chip for each value of the filter."""
        values = self._query.filter.values
        own = [self._chip(name, value) for name, chosen in values if name in FIELDS for value in chosen]
        return own + [
            Chip(title, text, self._without(name, value), is_lost)
            for name, value, title, text, is_lost in field_choices.chips(self._query.filter, self._known)
        ]

    def _field(self, name: str) -> Field:
        value = ",".join(self._query.filter.get(name))
        choices = self._choices(name)
        is_day = name in OF_TIMES and value != "" and age(value) is None
        if value and not is_day and value not in dict(choices):
            words = joined(self._words(name, one)[0] for one in value.split(","))
            choices = [*choices, (value, words)]
        every = gettext("Everybody") if name == "assignee" else pgettext("filter", "Any")
        day = _day_of(value) if is_day else ""
        return Field(name, str(TITLES[name]), every, choices, "" if is_day else value, name in OF_TIMES, day)

    def _choices(self, name: str) -> Choices:
        if name in self._names:
            return self._names[name]
        if name == "waiting":
            return [(value, self._words(name, value)[0]) for value in (YES, *WAITS, NO)]
        if name in OF_TIMES:
            return [(value, self._words(name, value)[0]) for value in AGES]
        return [(value, str(words)) for value, words in FIXED[name].items()]

    def _chip(self, name: str, value: str) -> Chip:
        text, is_lost = self._words(name, value)
        return Chip(str(TITLES.get(name, name)), text, self._without(name, value), is_lost)

    def _without(self, name: str, value: str) -> str:
        return urlencode(self._query.parameters(filter=self._query.filter.without(name, value)))

    def _words(self, name: str, value: str) -> tuple[str, bool]:
        """Return a value in words, and whether it names something that the reader cannot see or that is gone."""
        if name in self._names:
            found = dict(self._names[name]).get(value)
            return (gettext("no longer available"), True) if found is None else (found, False)
        if name == "waiting" and (length := age(value)):
            return gettext("Longer than %(duration)s") % {"duration": _length(length)}, False
        if name in OF_TIMES:
            return _time_words(value), False
        fixed = FIXED.get(name) or {YES: gettext("Yes"), NO: gettext("No")}
        return str(fixed.get(value, value)), False


#: With fewer rows than this to choose from, a field of the form is left out.
FEWEST = {"channel": 2, "department": 2, "label": 1}
FIXED: dict[str, dict[str, Promise | str]] = {
    "status": {OPEN: pgettext_lazy("a ticket is", "Open"), CLOSED: pgettext_lazy("a ticket is", "Closed")},
    "priority": {str(value): words for value, words in Ticket.Priority.choices},
    "unread": {YES: gettext_lazy("With unread messages"), NO: gettext_lazy("Everything read")},
    "waiting": {YES: gettext_lazy("The customer waits"), NO: gettext_lazy("Nobody waits")},
    "window": {
        OPEN: pgettext_lazy("a messaging window is", "Open"),
        SOON: gettext_lazy("Closing soon"),
        CLOSED: pgettext_lazy("a messaging window is", "Closed"),
    },
    "snoozed": {YES: gettext_lazy("Only snoozed"), NO: gettext_lazy("Not snoozed")},
}


def colleagues(request: AgentRequest, *, without_me: bool = True) -> Iterable[User]:
    """Return the agents of the channels this user sees and of their departments."""
    channels = access.channels_for(request.user, request.facts)
    agents = User.objects.filter(is_active=True, agent__isnull=False)
    if without_me:
        agents = agents.exclude(pk=request.user.pk)
    here = agents.filter(agent__channels__in=channels) | agents.filter(agent__departments__channels__in=channels)
    return here.distinct().select_related("agent").order_by("first_name", "username")[:MAX_COLLEAGUES]


def _channel_words(name: str, department: str, deleted: object) -> str:
    if deleted:
        return gettext("%(name)s · %(department)s (deleted)") % {"name": name, "department": department}
    return f"{name} · {department}"


def _length(length: timedelta) -> str:
    minutes = int(length.total_seconds()) // 60
    if minutes % 1440 == 0:
        days = minutes // 1440
        return npgettext("a length of time", "%(count)s day", "%(count)s days", days) % {"count": days}
    if minutes % 60 == 0:
        return ngettext("%(count)s hour", "%(count)s hours", minutes // 60) % {"count": minutes // 60}
    return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}


def _time_words(value: str) -> str:
    if length := age(value):
        return gettext("%(duration)s ago") % {"duration": _length(length)}
    if "T" in value:
        return date_format(timezone.localtime(datetime.fromisoformat(value)), "SHORT_DATETIME_FORMAT")
    return date_format(date.fromisoformat(value), "DATE_FORMAT")


def _day_of(value: str) -> str:
    """Return the day for <input type="date">."""
    if "T" in value:
        return timezone.localtime(datetime.fromisoformat(value)).date().isoformat()
    return value
