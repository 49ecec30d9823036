"""Filters of the lists. An invalid value is answered 400 with a sentence, never ignored."""

from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import EMPTY_VALUES
from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django_filters.fields import IsoDateTimeField, MultipleChoiceField
from drf_spectacular.utils import extend_schema_field

from channels_im.models import Channel, MessageTemplate, Page
from desk.models import Agent, Department, User
from tickets.models import (
    CannedReply,
    Contact,
    ContactNote,
    Conversation,
    Erasure,
    Label,
    Macro,
    Message,
    ScheduledReply,
    Ticket,
)
from tickets.rules import filters as rules
from tickets.services.conversation import access
from tickets.services.inbox import filtering, labels, listing, macros, saved_views, search, ticket_list
from tickets.services.inbox.listing import SEARCH_LIMIT, VIEWS, ListQuery
from tickets.services.privacy import erasure

from .base import ApiRequest
from .errors import BadParameterError
from .field_values import FieldFilters
from .paging import MAX_ID

NO_VIEW = f"Choose one of {', '.join(VIEWS)}, or the id of a saved view that you see."
FLAGS = {"true": rules.YES, "false": rules.NO, "1": rules.YES, "0": rules.NO}

ConversationQuery = QuerySet[Conversation, Conversation]
TicketQuerySet = QuerySet[Ticket, Ticket]
ContactQuery = QuerySet[Contact, Contact]


class StrictBooleanField(forms.Field):
    """true or false. Django's own field reads anything else as no value."""

    widget = forms.TextInput
    values = {"true": True, "false": False, "1": True, "0": False}

    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        try:
            return self.values[str(value).lower()]
        except KeyError:
            raise ValidationError("Write true or false.") from None


class FlagFilter(django_filters.BooleanFilter):
    """A filter by true or false."""

    field_class = StrictBooleanField  # type: ignore[assignment]  # the stubs allow only the default field


class UtcField(IsoDateTimeField):
    """An ISO 8601 time that exists in UTC too: at the ends of the calendar some do not."""

    default_error_messages = {"invalid": "Write a time as ISO 8601, for example 2026-03-01T09:30:00.000Z."}

    def clean(self, value: Any) -> datetime | None:
        moment = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    """A filter by an ISO 8601 time."""

    field_class = UtcField


@extend_schema_field({"type": "integer", "minimum": 0})
class IdFilter(django_filters.NumberFilter):
    """A filter by the id of a row. An id that does not exist, or that the user may not see, matches nothing."""

    field_class = forms.IntegerField  # type: ignore[assignment]  # the stubs allow only the default field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, min_value=0, max_value=MAX_ID, **kwargs)

    def get_max_validator(self) -> None:
        """Return None: the form field has its own limit."""


@extend_schema_field({"type": "string"})
class NameFilter(django_filters.CharFilter):
    """A filter by the name of a row of another table, which is looked up first: with a join the database does not know
    how many rows are of it, and may read all. A name that nothing has matches nothing.
    """

    table: type[Model]
    name_in: str

    def filter(self, qs: QuerySet[Any, Any], value: str) -> QuerySet[Any, Any]:
        """Return the rows of this name; all of them for an empty value."""
        if value in EMPTY_VALUES:
            return qs
        found = self.table._default_manager.filter(**{self.name_in: value}).values_list("pk", flat=True).first()
        return qs.none() if found is None else qs.filter(**{str(self.field_name): found})


class UserFilter(NameFilter):
    """A filter by the name of a user."""

    table, name_in = User, "username"


class DepartmentFilter(NameFilter):
    """A filter by the name of a department."""

    table, name_in = Department, "name"


class ChoicesField(MultipleChoiceField):
    """Several choices; an empty value is no filter, as everywhere."""

    def to_python(self, value: list[str] | None) -> list[str]:
        return [choice for choice in super().to_python(value) if choice]


class AnyOfFilter(django_filters.MultipleChoiceFilter):
    """A filter by any of several values: the parameter may be given more than once."""

    field_class = ChoicesField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"distinct": False, **kwargs})


class RuleFilter(django_filters.CharFilter):
    """A filter of the inbox (tickets.rules.filters). Several values are separated by commas."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(method="filter_rule", **kwargs)


class FiltersOfUser(django_filters.FilterSet):
    """Filters that depend on what the user sees."""

    request: ApiRequest

    @property
    def facts(self) -> access.UserFacts:
        """The facts of the user, which the view read before it filters."""
        facts: access.UserFacts = self.request.parser_context["view"].facts
        return facts


class ChannelFilters(django_filters.FilterSet):
    department = django_filters.CharFilter(field_name="department__name", help_text="Name of the department.")
    page_id = django_filters.CharFilter(field_name="page__page_id", help_text="Meta's id of the Page.")
    is_active = FlagFilter()
    deleted = FlagFilter(field_name="deleted_at", lookup_expr="isnull", exclude=True)
    connection = AnyOfFilter(field_name="page__connection", choices=Page.Connection.choices)

    class Meta:
        model = Channel
        fields: list[str] = []


class ConversationFilters(FieldFilters, FiltersOfUser):
    channel = IdFilter(field_name="channel_id")
    page_id = django_filters.CharFilter(field_name="contact__page__page_id", help_text="Meta's id of the Page.")
    psid = django_filters.CharFilter(field_name="contact__psid", help_text="The contact's page-scoped user id.")
    department = DepartmentFilter(field_name="department_id", help_text="Name of the department.")
    assignee = UserFilter(field_name="assignee_id", help_text="User name of the assignee.")
    unassigned = FlagFilter(field_name="assignee", lookup_expr="isnull")
    unread = FlagFilter(method="filter_unread", help_text="With or without unread messages.")
    blocked = FlagFilter(field_name="contact__blocked_at", lookup_expr="isnull", exclude=True)
    status = AnyOfFilter(
        method="filter_status", choices=Ticket.Status.choices, help_text="Status of the current ticket."
    )
    waiting = FlagFilter(
        field_name="waiting_since", lookup_expr="isnull", exclude=True, help_text="The customer waits for a reply."
    )
    waiting_for = django_filters.CharFilter(
        method="filter_rule", help_text="The customer waits longer than this: 30m, 4h or 2d."
    )
    label = RuleFilter(help_text="Id of a label of the current ticket; any of several.")
    priority = RuleFilter(help_text="Priority of the current ticket: low, normal, high, urgent; any of several.")
    window = RuleFilter(help_text="The messaging window: open, soon (closes within two hours) or closed.")
    snoozed = RuleFilter(help_text="true or false.")
    view = django_filters.CharFilter(
        method="filter_view",
        help_text=f"A view of the inbox, as this user sees it: {', '.join(VIEWS)}, or the id of a saved view.",
    )
    search = django_filters.CharFilter(
        method="filter_search",
        max_length=SEARCH_LIMIT,
        help_text="Search as in the inbox: contacts, ticket numbers, the text of messages and names of files.",
    )
    since = MomentFilter(
        field_name="last_message_at", lookup_expr="gte", help_text="Last message at this time or later."
    )
    until = MomentFilter(field_name="last_message_at", lookup_expr="lt", help_text="Last message before this time.")
    opened_since = RuleFilter(help_text="Current ticket opened at this time or later: a day, a time, or an age (7d).")
    opened_until = RuleFilter(help_text="Current ticket opened before the end of this day, this time, or this age.")

    class Meta:
        model = Conversation
        fields: list[str] = []

    def filter_status(self, queryset: ConversationQuery, name: str, values: list[str]) -> ConversationQuery:
        if not values:
            return queryset
        wanted = Q(is_open=True) if Ticket.Status.OPEN in values else Q(pk__in=[])
        if Ticket.Status.CLOSED in values:
            wanted |= Q(is_open=False, current_ticket__isnull=False)
        return queryset.filter(wanted)

    def filter_unread(self, queryset: ConversationQuery, name: str, value: bool) -> ConversationQuery:
        return queryset.filter(filtering.IS_UNREAD) if value else queryset.filter(unread_count=0)

    def filter_rule(self, queryset: ConversationQuery, name: str, value: str) -> ConversationQuery:
        field = "waiting" if name == "waiting_for" else name
        try:
            narrowed = rules.parse({field: FLAGS.get(value.lower(), value) if field == "snoozed" else value})
        except rules.FilterError as error:
            raise BadParameterError(name, str(error)) from None
        user_id, zone = self.request.user.pk, timezone.get_current_timezone()
        return filtering.matching(queryset, narrowed, filtering.Reader(user_id, timezone.now(), zone))

    def filter_view(self, queryset: ConversationQuery, name: str, value: str) -> ConversationQuery:
        if value in VIEWS:
            return self._matching(queryset, ListQuery(view=VIEWS[value]))
        pk = int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else 0
        saved = saved_views.seen_by(self.request.user, self.facts).filter(pk=pk).first()
        if saved is None:
            raise BadParameterError(name, NO_VIEW)
        return self._matching(queryset, ListQuery.of_saved(saved))

    def filter_search(self, queryset: ConversationQuery, name: str, value: str) -> ConversationQuery:
        return self._matching(queryset, ListQuery.parse({"view": "all", "q": value}))

    def _matching(self, queryset: ConversationQuery, query: ListQuery) -> ConversationQuery:
        found = listing.matching(self.facts, self.request.user, query)
        return queryset.filter(pk__in=found.values("pk"))


class TicketFilters(FieldFilters, FiltersOfUser):
    conversation = IdFilter(field_name="conversation_id")
    channel = IdFilter(field_name="conversation__channel_id")
    status = AnyOfFilter(choices=Ticket.Status.choices)
    priority = AnyOfFilter(choices=Ticket.Priority.choices)
    label = IdFilter(field_name="labels", help_text="Id of a label.")
    department = DepartmentFilter(field_name="department_id", help_text="Name of the department.")
    assignee = UserFilter(field_name="assignee_id", help_text="User name of the assignee.")
    unassigned = FlagFilter(field_name="assignee", lookup_expr="isnull")
    since = MomentFilter(field_name="opened_at", lookup_expr="gte", help_text="Opened at this time or later.")
    until = MomentFilter(field_name="opened_at", lookup_expr="lt", help_text="Opened before this time.")
    closed_since = MomentFilter(field_name="closed_at", lookup_expr="gte", help_text="Closed at this time or later.")
    search = django_filters.CharFilter(
        method="filter_search",
        max_length=SEARCH_LIMIT,
        help_text="A number, words of the customer's name, or a part of the subject, as in the list of tickets.",
    )

    class Meta:
        model = Ticket
        fields: list[str] = []

    def filter_search(self, queryset: TicketQuerySet, name: str, value: str) -> TicketQuerySet:
        if not value.strip():
            return queryset
        return ticket_list.searched(queryset, self.request.user, self.facts, value.strip())


class MessageFilters(django_filters.FilterSet):
    conversation = IdFilter(field_name="conversation_id")
    ticket = IdFilter(field_name="ticket_id")
    channel = IdFilter(field_name="conversation__channel_id")
    page_id = django_filters.CharFilter(field_name="page__page_id", help_text="Meta's id of the Page.")
    psid = django_filters.CharFilter(
        field_name="conversation__contact__psid", help_text="The contact's page-scoped user id."
    )
    mid = django_filters.CharFilter(help_text="Meta's id of the message.")
    direction = AnyOfFilter(choices=Message.Direction.choices)
    kind = AnyOfFilter(choices=Message.Kind.choices)
    state = AnyOfFilter(choices=Message.State.choices)
    author = UserFilter(field_name="author_id", help_text="User name of who wrote it in Desk.")
    since = MomentFilter(field_name="sent_at", lookup_expr="gte", help_text="Sent at this time or later.")
    until = MomentFilter(field_name="sent_at", lookup_expr="lt", help_text="Sent before this time.")

    class Meta:
        model = Message
        fields: list[str] = []


class ContactFilters(FieldFilters, FiltersOfUser):
    page_id = django_filters.CharFilter(field_name="page__page_id", help_text="Meta's id of the Page.")
    psid = django_filters.CharFilter(help_text="The page-scoped user id.")
    name = django_filters.CharFilter(
        method="filter_name",
        max_length=SEARCH_LIMIT,
        help_text="Words of the name, compared as in the search of the inbox; each may be unfinished.",
    )
    blocked = FlagFilter(field_name="blocked_at", lookup_expr="isnull", exclude=True)
    external_id = django_filters.CharFilter(help_text="Id of the record in another system, as it was set.")

    class Meta:
        model = Contact
        fields: list[str] = []

    def filter_name(self, queryset: ContactQuery, name: str, value: str) -> ContactQuery:
        def few() -> list[int] | None:
            visible = access.conversations_for(self.request.user, self.facts)
            return None if self.facts.sees_all else access.few_ids(visible, "contact")

        return search.named(queryset, value, few, are_few=self.facts.sees_few)


class ContactNoteFilters(django_filters.FilterSet):
    contact = IdFilter(field_name="contact_id", help_text="Id of the contact.")
    author = UserFilter(field_name="author_id", help_text="User name of the author.")

    class Meta:
        model = ContactNote
        fields: list[str] = []


class ErasureFilters(django_filters.FilterSet):
    confirmation_code = django_filters.CharFilter()
    page_id = django_filters.CharFilter(field_name="page__page_id", help_text="Meta's id of the Page.")
    psid = django_filters.CharFilter(
        method="filter_psid", help_text="The page-scoped user id. Only with it can the receipt of a contact be found."
    )
    since = MomentFilter(field_name="erased_at", lookup_expr="gte", help_text="Erased at this time or later.")
    until = MomentFilter(field_name="erased_at", lookup_expr="lt", help_text="Erased before this time.")

    class Meta:
        model = Erasure
        fields: list[str] = []

    def filter_psid(self, queryset: QuerySet[Erasure, Erasure], name: str, value: str) -> QuerySet[Erasure, Erasure]:
        return queryset.filter(erasure.receipts_of(value))


class AgentFilters(django_filters.FilterSet):
    department = django_filters.CharFilter(field_name="departments__name", help_text="Name of the department.")
    channel = IdFilter(field_name="channels")
    presence = AnyOfFilter(choices=Agent.Presence.choices)

    class Meta:
        model = Agent
        fields: list[str] = []


class TemplateFilters(django_filters.FilterSet):
    page_id = django_filters.CharFilter(field_name="page__page_id", help_text="Meta's id of the Page.")
    state = django_filters.ChoiceFilter(choices=MessageTemplate.State.choices, help_text="State of the template.")

    class Meta:
        model = MessageTemplate
        fields: list[str] = []


class LabelFilters(django_filters.FilterSet):
    department = django_filters.CharFilter(field_name="department__name", help_text="Name of the department.")
    name = django_filters.CharFilter(method="filter_name", help_text="The name, without regard to case.")

    class Meta:
        model = Label
        fields: list[str] = []

    def filter_name(self, queryset: QuerySet[Label, Label], name: str, value: str) -> QuerySet[Label, Label]:
        return queryset.filter(key=labels.key_of(value))


class MacroFilters(django_filters.FilterSet):
    department = django_filters.CharFilter(field_name="department__name", help_text="Name of the department.")
    name = django_filters.CharFilter(method="filter_name", help_text="The name, without regard to case.")

    class Meta:
        model = Macro
        fields: list[str] = []

    def filter_name(self, queryset: QuerySet[Macro, Macro], name: str, value: str) -> QuerySet[Macro, Macro]:
        return queryset.filter(key=macros.key_of(value))


class ScheduledReplyFilters(django_filters.FilterSet):
    conversation = IdFilter(field_name="conversation_id")
    state = AnyOfFilter(choices=ScheduledReply.State.choices)

    class Meta:
        model = ScheduledReply
        fields: list[str] = []


class CannedReplyFilters(django_filters.FilterSet):
    department = django_filters.CharFilter(field_name="department__name", help_text="Name of the department.")
    shortcut = django_filters.CharFilter(help_text="The shortcut as typed, without the slash.")

    class Meta:
        model = CannedReply
        fields: list[str] = []
