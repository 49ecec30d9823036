"""Filters of the lists. An invalid value is answered 400 with a sentence, never ignored."""

from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django_filters.fields import IsoDateTimeField, MultipleChoiceField
from drf_spectacular.utils import extend_schema_field

from channels_im.models import Channel, MessageTemplate, Page
from desk.models import Agent
from tickets.models import CannedReply, Contact, Conversation, Erasure, Message, Ticket
from tickets.services.conversation import access
from tickets.services.inbox import listing, search
from tickets.services.inbox.listing import SEARCH_LIMIT, VIEWS, ListQuery
from tickets.services.privacy import erasure

from .base import ApiRequest
from .paging import MAX_ID

ConversationQuery = QuerySet[Conversation, Conversation]
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


class ChoicesField(MultipleChoiceField):
    """Several choices; an empty value is no filter, as everywhere."""

    def to_python(self, value: list[str] | None) -> list[str]:
        return [choice for choice in super().to_python(value) if choice]


class AnyOfFilter(django_filters.MultipleChoiceFilter):
    """A filter by any of several values: the parameter may be given more than once."""

    field_class = ChoicesField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"distinct": False, **kwargs})


class ChannelFilters(django_filters.FilterSet):
    department = django_filters.CharFilter(field_name="department__name", help_text="Name of the department.")
    page_id = django_filters.CharFilter(field_name="page__page_id", help_text="Meta's id of the Page.")
    is_active = FlagFilter()
    deleted = FlagFilter(field_name="deleted_at", lookup_expr="isnull", exclude=True)
    connection = AnyOfFilter(field_name="page__connection", choices=Page.Connection.choices)

    class Meta:
        model = Channel
        fields: list[str] = []


class ConversationFilters(django_filters.FilterSet):
    request: ApiRequest

    channel = IdFilter(field_name="channel_id")
    page_id = django_filters.CharFilter(field_name="contact__page__page_id", help_text="Meta's id of the Page.")
    psid = django_filters.CharFilter(field_name="contact__psid", help_text="The contact's page-scoped user id.")
    department = django_filters.CharFilter(field_name="department__name", help_text="Name of the department.")
    assignee = django_filters.CharFilter(field_name="assignee__username", help_text="User name of the assignee.")
    unassigned = FlagFilter(field_name="assignee", lookup_expr="isnull")
    unread = FlagFilter(method="filter_unread", help_text="With or without unread messages.")
    blocked = FlagFilter(field_name="contact__blocked_at", lookup_expr="isnull", exclude=True)
    status = AnyOfFilter(
        method="filter_status", choices=Ticket.Status.choices, help_text="Status of the current ticket."
    )
    waiting = FlagFilter(
        field_name="waiting_since", lookup_expr="isnull", exclude=True, help_text="The customer waits for a reply."
    )
    view = django_filters.ChoiceFilter(
        choices=[(view.name, view.label) for view in VIEWS.values()],
        method="filter_view",
        help_text="A view of the inbox, as this user sees it.",
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
        return queryset.filter(listing.IS_UNREAD) if value else queryset.filter(unread_count=0)

    def filter_view(self, queryset: ConversationQuery, name: str, value: str) -> ConversationQuery:
        return self._matching(queryset, ListQuery(view=VIEWS[value]))

    def filter_search(self, queryset: ConversationQuery, name: str, value: str) -> ConversationQuery:
        return self._matching(queryset, ListQuery.parse({"view": "all", "q": value}))

    def _matching(self, queryset: ConversationQuery, query: ListQuery) -> ConversationQuery:
        user = self.request.user
        return queryset.filter(pk__in=listing.matching(access.facts_for(user), user, query).values("pk"))


class TicketFilters(django_filters.FilterSet):
    conversation = IdFilter(field_name="conversation_id")
    channel = IdFilter(field_name="conversation__channel_id")
    status = AnyOfFilter(choices=Ticket.Status.choices)
    department = django_filters.CharFilter(field_name="department__name", help_text="Name of the department.")
    assignee = django_filters.CharFilter(field_name="assignee__username", help_text="User name of the assignee.")
    unassigned = FlagFilter(field_name="assignee", lookup_expr="isnull")
    since = MomentFilter(field_name="opened_at", lookup_expr="gte", help_text="Opened at this time or later.")
    until = MomentFilter(field_name="opened_at", lookup_expr="lt", help_text="Opened before this time.")
    closed_since = MomentFilter(field_name="closed_at", lookup_expr="gte", help_text="Closed at this time or later.")

    class Meta:
        model = Ticket
        fields: list[str] = []


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
    author = django_filters.CharFilter(field_name="author__username", help_text="User name of who wrote it in Desk.")
    since = MomentFilter(field_name="sent_at", lookup_expr="gte", help_text="Sent at this time or later.")
    until = MomentFilter(field_name="sent_at", lookup_expr="lt", help_text="Sent before this time.")

    class Meta:
        model = Message
        fields: list[str] = []


class ContactFilters(django_filters.FilterSet):
    page_id = django_filters.CharFilter(field_name="page__page_id", help_text="Meta's id of the Page.")
    psid = django_filters.CharFilter(help_text="The page-scoped user id.")
    name = django_filters.CharFilter(
        method="filter_name",
        max_length=SEARCH_LIMIT,
        help_text="Words of the name, compared as in the search of the inbox; each may be unfinished.",
    )
    blocked = FlagFilter(field_name="blocked_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Contact
        fields: list[str] = []

    def filter_name(self, queryset: ContactQuery, name: str, value: str) -> ContactQuery:
        return search.named(queryset, value)


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


class CannedReplyFilters(django_filters.FilterSet):
    department = django_filters.CharFilter(field_name="department__name", help_text="Name of the department.")
    shortcut = django_filters.CharFilter(help_text="The shortcut as typed, without the slash.")

    class Meta:
        model = CannedReply
        fields: list[str] = []
