"""The shapes of the answers (design, API v1). Each reads only what its view has fetched."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from channels_im.models import Channel, Page
from tickets.models import Attachment, Contact, Conversation, Message, Ticket
from tickets.rules.window import WindowState, window

from .fields import ChoiceOrNull, DepartmentField, MomentField, PersonField, TextOrNull


class Shape(serializers.ModelSerializer):
    """Everything is given out and nothing taken in, so that the schema names every field as always there."""

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            field.read_only = True
        return fields


class ReactedBy(models.TextChoices):
    CUSTOMER = "customer", "Customer"
    PAGE = "page", "Page"


# --- channel ----------------------------------------------------------------------------------------------------------
class PageSerializer(Shape):
    """The Facebook Page behind a channel."""

    class Meta:
        model = Page
        fields = ["page_id", "name"]
        extra_kwargs = {"page_id": {"help_text": "Meta's id of the Page."}}


class ConnectionSerializer(Shape):
    """How the Page stands with Meta."""

    state = serializers.ChoiceField(source="connection", choices=Page.Connection.choices)
    reason = ChoiceOrNull(
        source="reauth_reason",
        choices=Page.Reason.choices,
        help_text="Why the Page must be re-authenticated; null while it is connected.",
    )
    since = MomentField(
        source="reauth_since", allow_null=True, help_text="Since when it must be; null while it is connected."
    )
    expires_at = serializers.SerializerMethodField(
        help_text="When Facebook's permission runs out by Meta's word, the user's token or the Page's, whichever is "
        "first; null: never, or not known."
    )

    class Meta:
        model = Page
        fields = ["state", "reason", "since", "expires_at"]

    @extend_schema_field(MomentField(allow_null=True))
    def get_expires_at(self, page: Page) -> str | None:
        ends = [page.token_expires_at, page.facebook_account and page.facebook_account.expires_at]
        return MomentField().to_representation(min(filter(None, ends), default=None))


class ChannelSerializer(Shape):
    """A Page brought to a department."""

    page = PageSerializer()
    department = DepartmentField(help_text="Name of the department that gets the tickets.")
    deleted_at = MomentField(allow_null=True)
    connection = ConnectionSerializer(source="page")

    class Meta:
        model = Channel
        fields = ["id", "name", "page", "department", "is_active", "deleted_at", "connection"]


# --- conversation and ticket ------------------------------------------------------------------------------------------
class ContactSerializer(Shape):
    """The customer."""

    name = TextOrNull(help_text="null while Meta has not told it.")
    blocked = serializers.BooleanField(source="is_blocked")

    class Meta:
        model = Contact
        fields = ["psid", "name", "blocked"]
        extra_kwargs = {"psid": {"help_text": "The page-scoped user id."}}


class WindowSerializer(serializers.Serializer):
    """Meta's messaging window."""

    state = serializers.ChoiceField(choices=[(state.value, state.name) for state in WindowState])
    closes_at = MomentField(
        allow_null=True, help_text="When it closes or closed; null when the customer has never written."
    )


class ConversationSerializer(Shape):
    """All that was said between one contact and one channel."""

    channel = serializers.IntegerField(source="channel_id", help_text="Id of the channel.")
    page_id = serializers.CharField(source="contact.page.page_id", help_text="Meta's id of the Page.")
    contact = ContactSerializer()
    department = DepartmentField(help_text="Name of the department.")
    assignee = PersonField(help_text="User name; null when nobody is assigned.")
    unread = serializers.IntegerField(source="unread_count", help_text="Number of unread messages.")
    last_message_at = MomentField(allow_null=True)
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
            "unread",
            "last_message_at",
            "window",
        ]

    @extend_schema_field(WindowSerializer)
    def get_window(self, conversation: Conversation) -> dict[str, Any]:
        return WindowSerializer(
            window(conversation.last_customer_message_at, timezone.now(), settings.META_HUMAN_AGENT)
        ).data


class TicketSerializer(Shape):
    """A stretch of a conversation."""

    number = serializers.IntegerField(help_text="As the pages show it after the #.")
    conversation = serializers.IntegerField(source="conversation_id", help_text="Id of the conversation.")
    department = DepartmentField(help_text="Name of the department.")
    assignee = PersonField(help_text="User name; null when nobody is assigned.")
    opened_at = MomentField()
    closed_at = MomentField(allow_null=True)

    class Meta:
        model = Ticket
        fields = [
            "id",
            "number",
            "conversation",
            "subject",
            "status",
            "department",
            "assignee",
            "opened_at",
            "closed_at",
        ]


# --- message ----------------------------------------------------------------------------------------------------------
class ReactionSerializer(serializers.Serializer):
    by = serializers.ChoiceField(choices=ReactedBy.choices)
    emoji = serializers.CharField()


class CardSerializer(serializers.Serializer):
    """What is no text and no file: a postback, a referral, a share, a kind that Desk does not know."""

    kind = serializers.CharField()
    title = serializers.CharField()
    text = serializers.CharField(allow_null=True)
    url = serializers.CharField(
        allow_null=True, help_text="As Meta gave it. It comes from a stranger: show it, do not fetch it."
    )


class AttachmentSerializer(Shape):
    """A file of a message: stored, or the reason why it is not here."""

    name = TextOrNull()
    content_type = TextOrNull(help_text="As found in the bytes.")
    size = serializers.IntegerField(allow_null=True, help_text="bytes")
    reason = TextOrNull(help_text="Why it was refused or could not be fetched.")
    url = serializers.SerializerMethodField(
        help_text="Where to download it with the same token; null unless it is stored."
    )

    class Meta:
        model = Attachment
        fields = ["id", "kind", "name", "content_type", "size", "state", "reason", "url"]

    @extend_schema_field({"type": "string", "format": "uri", "nullable": True})
    def get_url(self, attachment: Attachment) -> str | None:
        if attachment.state != Attachment.State.STORED:
            return None
        request = self.context.get("request")
        address = reverse("api:attachment-content", args=[attachment.pk], request=request)
        return address if request else f"{settings.PUBLIC_URL}{address}"  # an event is told without a request


class MessageSerializer(Shape):
    """One part as Messenger knows it: a text, a file, an internal note, or an event between them."""

    conversation = serializers.IntegerField(source="conversation_id", help_text="Id of the conversation.")
    ticket = serializers.IntegerField(source="ticket_id", allow_null=True, help_text="Id of the ticket.")
    page_id = serializers.CharField(source="page.page_id", help_text="Meta's id of the Page.")
    psid = serializers.CharField(source="conversation.contact.psid", help_text="The contact's page-scoped user id.")
    mid = TextOrNull(help_text="Meta's id of the message; null until Meta took it.")
    author = PersonField(help_text="User name of who wrote it in Desk; null for the customer and other senders.")
    sent_at = MomentField(help_text="Meta's time; for a reply not sent yet the time it was written.")
    reason = TextOrNull(help_text="Why it failed, is held or is unsure.")
    reply_to = TextOrNull(source="reply_to_mid", help_text="mid of the message that is answered.")
    reactions = ReactionSerializer(many=True)
    edited_at = MomentField(allow_null=True)
    withdrawn_at = MomentField(allow_null=True, help_text="When the sender took the message back.")
    card = serializers.SerializerMethodField()
    attachments = AttachmentSerializer(many=True)

    class Meta:
        model = Message
        fields = [
            "id",
            "conversation",
            "ticket",
            "page_id",
            "psid",
            "mid",
            "direction",
            "kind",
            "author",
            "text",
            "sent_at",
            "state",
            "reason",
            "reply_to",
            "reactions",
            "edited_at",
            "withdrawn_at",
            "card",
            "attachments",
        ]

    @extend_schema_field(CardSerializer(allow_null=True))
    def get_card(self, message: Message) -> dict[str, Any] | None:
        if not message.card:
            return None
        return {name: message.card.get(name) for name in ("kind", "title", "text", "url")}
