"""Conversations and tickets in the responses of the API. Each serializer reads only what its view has fetched."""

from typing import Any, TypeVar

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tickets.models import Contact, Conversation, Label, Ticket
from tickets.rules.window import Window, WindowSource, WindowState
from tickets.services.outgoing import replies

from .field_values import FieldValues
from .fields import DepartmentField, MomentField, PersonField, TextOrNull

Row = TypeVar("Row", bound=models.Model)


class ReadOnlySerializer(serializers.ModelSerializer[Row]):
    """A serializer whose fields are all read-only, so that the schema lists all of them as always present."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values():
            field.read_only = True
        return fields


class WithFieldsSerializer(ReadOnlySerializer[Row]):
    """A row with its custom fields; as an attribute `fields` would hide what DRF calls so."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "fields": FieldValues()}


class ContactSerializer(ReadOnlySerializer[Contact]):
    """The customer."""

    name = TextOrNull(help_text="null until Meta has sent it.")
    blocked = serializers.BooleanField(source="is_blocked")

    class Meta:
        model = Contact
        fields = ["psid", "name", "blocked"]
        extra_kwargs = {"psid": {"help_text": "The page-scoped user id."}}


class WindowSerializer(serializers.Serializer[Window]):
    """Meta's messaging window."""

    state = serializers.ChoiceField(choices=[(state.value, state.name) for state in WindowState])
    closes_at = MomentField(
        allow_null=True, help_text="When it closes or closed; null when the customer has never written."
    )
    opened_by = serializers.ChoiceField(
        source="source",
        choices=[(source.value, source.name) for source in WindowSource],
        help_text="“ad” when a click-to-Messenger ad keeps it open longer than the customer's last message does.",
    )


_window = WindowSerializer()  # one for all rows: making its fields takes longer than showing them


class LabelOfTicketSerializer(ReadOnlySerializer[Label]):
    """A label on a ticket."""

    class Meta:
        model = Label
        fields = ["id", "name", "color"]


class CurrentTicketSerializer(ReadOnlySerializer[Ticket]):
    """The newest ticket of a conversation."""

    number = serializers.IntegerField(help_text="The number that the pages show after the #.")
    labels = LabelOfTicketSerializer(many=True)

    class Meta:
        model = Ticket
        fields = ["id", "number", "subject", "status", "priority", "labels"]


class ConversationSerializer(ReadOnlySerializer[Conversation]):
    """All messages between one contact and one channel."""

    channel = serializers.IntegerField(source="channel_id", help_text="Id of the channel.")
    page_id = serializers.CharField(source="contact.page.page_id", help_text="Meta's id of the Page.")
    contact = ContactSerializer()
    department = DepartmentField(help_text="Name of the department.")
    assignee = PersonField(help_text="User name; null when nobody is assigned.")
    status = serializers.ChoiceField(
        source="current_ticket.status",
        choices=Ticket.Status.choices,
        default=None,
        allow_null=True,
        help_text="Status of the current ticket; null without any.",
    )
    ticket = CurrentTicketSerializer(
        source="current_ticket", allow_null=True, help_text="The current ticket; null without any."
    )
    waiting_since = MomentField(
        allow_null=True, help_text="Time of the customer's first message without a reply; null when none waits."
    )
    preview = serializers.CharField(help_text="The beginning of the newest message, in one line.")
    preview_is_ours = serializers.BooleanField(help_text="Whether the newest message is the Page's.")
    unread = serializers.IntegerField(source="unread_count", help_text="Number of unread messages.")
    snoozed = serializers.BooleanField(source="is_snoozed", help_text="Whether it is snoozed.")
    snoozed_until = MomentField(
        allow_null=True, help_text="When the snooze ends; null while it is snoozed: when the customer writes."
    )
    last_message_at = MomentField(
        allow_null=True, help_text="Time of the newest message, or of the end of a snooze after it."
    )
    thread_owner = TextOrNull(
        source="thread_owner_app_id",
        help_text="Id of another app that controls the conversation at Facebook, or “unknown”; null when none does.",
    )
    window = serializers.SerializerMethodField()

    class Meta:
        model = Conversation
        fields = [
            "id",
            "channel",
            "page_id",
            "contact",
            "department",
            "assignee",
            "status",
            "ticket",
            "waiting_since",
            "preview",
            "preview_is_ours",
            "unread",
            "snoozed",
            "snoozed_until",
            "last_message_at",
            "thread_owner",
            "window",
        ]

    @extend_schema_field(WindowSerializer)
    def get_window(self, conversation: Conversation) -> dict[str, Any]:
        window: dict[str, Any] = _window.to_representation(replies.window_of(conversation))
        return window


class TicketSerializer(WithFieldsSerializer[Ticket]):
    """A part of a conversation with its own status."""

    number = serializers.IntegerField(help_text="The number that the pages show after the #.")
    conversation = serializers.IntegerField(source="conversation_id", help_text="Id of the conversation.")
    department = DepartmentField(help_text="Name of the department.")
    assignee = PersonField(help_text="User name; null when nobody is assigned.")
    labels = LabelOfTicketSerializer(many=True)
    opened_at = MomentField()
    closed_at = MomentField(allow_null=True)
    last_message_at = MomentField(help_text="Time of its newest message.")

    class Meta:
        model = Ticket
        fields = [
            "id",
            "number",
            "conversation",
            "subject",
            "status",
            "priority",
            "labels",
            "department",
            "assignee",
            "opened_at",
            "closed_at",
            "last_message_at",
        ]
