"""The rows in the responses of the API. Each serializer reads only what its view has fetched."""

from typing import Any, TypeVar

from django.conf import settings
from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from channels_im.models import Channel, HistoryImport, Page
from tickets.models import Attachment, Contact, Conversation, Message, Ticket
from tickets.rules.cards import TAPS, cards_in, choices_in
from tickets.rules.sent_as import TemplateUse, sticker_in, template_in
from tickets.rules.window import Window, WindowSource, WindowState
from tickets.services.outgoing import replies

from .fields import ChoiceOrNull, DepartmentField, MomentField, PersonField, TextOrNull, iso_milliseconds

CARD_FIELDS = ("kind", "title", "text", "url")
Row = TypeVar("Row", bound=models.Model)


class ReadOnlySerializer(serializers.ModelSerializer[Row]):
    """A serializer whose fields are all read-only, so that the schema lists all of them as always present."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values():
            field.read_only = True
        return fields


class ReactedBy(models.TextChoices):
    """Who reacted to a message."""

    CUSTOMER = "customer", "Customer"
    PAGE = "page", "Page"


# --- channel ----------------------------------------------------------------------------------------------------------
class PageSerializer(ReadOnlySerializer[Page]):
    """The Facebook Page behind a channel."""

    class Meta:
        model = Page
        fields = ["page_id", "name"]
        extra_kwargs = {"page_id": {"help_text": "Meta's id of the Page."}}


class ConnectionSerializer(ReadOnlySerializer[Page]):
    """The connection of the Page to Meta."""

    state = serializers.ChoiceField(source="connection", choices=Page.Connection.choices)
    reason = ChoiceOrNull(
        source="reauth_reason",
        choices=Page.Reason.choices,
        help_text="Why the Page must be re-authenticated; null while it is connected.",
    )
    since = MomentField(
        source="reauth_since",
        allow_null=True,
        help_text="Since when the Page must be re-authenticated; null while it is connected.",
    )
    expires_at = serializers.SerializerMethodField(
        help_text="When the access to Facebook ends, as Meta reports it: the user's token or the Page's, whichever "
        "ends first. null: never, or unknown."
    )

    class Meta:
        model = Page
        fields = ["state", "reason", "since", "expires_at"]

    @extend_schema_field(MomentField(allow_null=True))
    def get_expires_at(self, page: Page) -> str | None:
        account = page.facebook_account
        ends = [page.token_expires_at, account.expires_at if account else None]
        known_ends = [end for end in ends if end is not None]
        return iso_milliseconds(min(known_ends)) if known_ends else None


class HistoryImportSerializer(ReadOnlySerializer[HistoryImport]):
    """The import of what was written to the Page before the channel was created."""

    conversations = serializers.IntegerField(source="conversation_count", help_text="Conversations that were read.")
    total = serializers.SerializerMethodField(help_text="About how many there are; null until they are counted.")
    inserted = serializers.IntegerField(source="inserted_count", help_text="Messages that were imported.")
    beyond_reach = serializers.IntegerField(
        source="beyond_reach_count", help_text="Messages of which Facebook gives no details."
    )
    oldest_at = MomentField(allow_null=True, help_text="Time of the oldest imported message.")
    error = TextOrNull(help_text="Why it waits or has failed.")
    finished_at = MomentField(allow_null=True)

    class Meta:
        model = HistoryImport
        fields = [
            "state",
            "days",
            "conversations",
            "total",
            "inserted",
            "beyond_reach",
            "oldest_at",
            "error",
            "finished_at",
        ]

    def get_total(self, row: HistoryImport) -> int | None:
        return max(row.total_count, row.conversation_count) if row.is_counted else None


class ChannelSerializer(ReadOnlySerializer[Channel]):
    """A Page whose messages go to a department."""

    page = PageSerializer()
    department = DepartmentField(help_text="Name of the department that receives the tickets.")
    deleted_at = MomentField(allow_null=True)
    connection = ConnectionSerializer(source="page")
    history_import = serializers.SerializerMethodField(help_text="The last one; null without any.")

    class Meta:
        model = Channel
        fields = ["id", "name", "page", "department", "is_active", "deleted_at", "connection", "history_import"]

    @extend_schema_field(HistoryImportSerializer(allow_null=True))
    def get_history_import(self, channel: Channel) -> dict[str, Any] | None:
        newest = next(iter(channel.history_imports.all()), None)  # prefetched, the newest first
        return dict(HistoryImportSerializer(newest).data) if newest else None


# --- conversation and ticket ------------------------------------------------------------------------------------------
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


class ConversationSerializer(ReadOnlySerializer[Conversation]):
    """All messages between one contact and one channel."""

    channel = serializers.IntegerField(source="channel_id", help_text="Id of the channel.")
    page_id = serializers.CharField(source="contact.page.page_id", help_text="Meta's id of the Page.")
    contact = ContactSerializer()
    department = DepartmentField(help_text="Name of the department.")
    assignee = PersonField(help_text="User name; null when nobody is assigned.")
    unread = serializers.IntegerField(source="unread_count", help_text="Number of unread messages.")
    last_message_at = MomentField(allow_null=True)
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
            "unread",
            "last_message_at",
            "thread_owner",
            "window",
        ]

    @extend_schema_field(WindowSerializer)
    def get_window(self, conversation: Conversation) -> dict[str, Any]:
        return WindowSerializer(replies.window_of(conversation)).data


class TicketSerializer(ReadOnlySerializer[Ticket]):
    """A part of a conversation with its own status."""

    number = serializers.IntegerField(help_text="The number that the pages show after the #.")
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
class ReactionSerializer(serializers.Serializer[dict[str, Any]]):
    """A reaction to a message."""

    by = serializers.ChoiceField(choices=ReactedBy.choices)
    emoji = serializers.CharField()


class CardSerializer(serializers.Serializer[dict[str, Any]]):
    """Content other than text and files: a postback, a referral, a share, or a kind that Desk does not know."""

    kind = serializers.CharField()
    title = serializers.CharField()
    text = serializers.CharField(allow_null=True)
    url = serializers.CharField(
        allow_null=True, help_text="As Meta sent it. It comes from the customer: show it, but do not fetch it."
    )


class ChoiceSerializer(serializers.Serializer[dict[str, Any]]):
    """A button or quick reply that a message offers."""

    title = serializers.CharField()
    url = serializers.CharField(allow_null=True, help_text="What it opens.")
    payload = serializers.CharField(allow_null=True, help_text="What a tap on it sends back.")


class WholeCardSerializer(CardSerializer):
    """A card with its buttons or quick replies and its picture."""

    choices = ChoiceSerializer(many=True)
    payload = serializers.CharField(allow_null=True, help_text="On a tap: what the tapped button or quick reply sent.")
    picture = serializers.IntegerField(allow_null=True, help_text="Id of the attachment that is its picture.")


class OriginSerializer(CardSerializer):
    """An ad, a link or a product by which the contact came to the Page."""

    at = MomentField()
    message = serializers.IntegerField(help_text="Id of the message that said so.")


class AttachmentSerializer(ReadOnlySerializer[Attachment]):
    """A file of a message: stored, or with the reason why it is not."""

    name = TextOrNull()
    content_type = TextOrNull(help_text="The type found in the bytes.")
    size = serializers.IntegerField(allow_null=True, help_text="Size in bytes.")
    reason = TextOrNull(help_text="Why it was refused or could not be fetched.")
    url = serializers.SerializerMethodField(
        help_text="Where to download the file with the same token; null unless it is stored."
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
        return address if request else f"{settings.PUBLIC_URL}{address}"  # a webhook event is built without a request


class TemplateUseSerializer(serializers.Serializer[TemplateUse]):
    """The template of the Page from which a message was made."""

    name = serializers.CharField()
    language = serializers.CharField()
    values = serializers.ListField(
        child=serializers.CharField(), default=list, max_length=50, help_text="Of the placeholders, in their order."
    )


class MessageSerializer(ReadOnlySerializer[Message]):
    """A text, a file, an internal note or an event of a conversation."""

    conversation = serializers.IntegerField(source="conversation_id", help_text="Id of the conversation.")
    ticket = serializers.IntegerField(source="ticket_id", allow_null=True, help_text="Id of the ticket.")
    page_id = serializers.CharField(source="page.page_id", help_text="Meta's id of the Page.")
    psid = serializers.CharField(source="conversation.contact.psid", help_text="The contact's page-scoped user id.")
    mid = TextOrNull(help_text="Meta's id of the message; null until Meta has accepted it.")
    author = PersonField(help_text="User name of who wrote it in Desk; null for the customer and other senders.")
    sent_at = MomentField(help_text="Meta's time; the time of writing for a reply that is not sent yet.")
    reason = TextOrNull(help_text="Why it failed, is held or is unsure.")
    reply_to = TextOrNull(source="reply_to_mid", help_text="mid of the message that it replies to.")
    reactions = ReactionSerializer(many=True)
    edited_at = MomentField(allow_null=True)
    withdrawn_at = MomentField(allow_null=True, help_text="When the sender unsent the message.")
    recovered = serializers.SerializerMethodField(
        help_text="Whether no webhook of Facebook delivered it and Desk read it afterwards: it is older than it is new."
    )
    imported = serializers.SerializerMethodField(
        help_text="Whether it is from before the channel was created and came with a history import."
    )
    card = serializers.SerializerMethodField(help_text="The first of `cards`.")
    cards = serializers.SerializerMethodField()
    attachments = AttachmentSerializer(many=True)
    sticker_id = serializers.SerializerMethodField(help_text="Meta's id when the message is a sticker.")
    template = serializers.SerializerMethodField(help_text="The template from which the message was made.")

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
            "recovered",
            "imported",
            "card",
            "cards",
            "attachments",
            "sticker_id",
            "template",
        ]

    @extend_schema_field({"type": "string", "nullable": True})
    def get_sticker_id(self, message: Message) -> str | None:
        return sticker_in(message.sent_as) or None

    @extend_schema_field(TemplateUseSerializer(allow_null=True))
    def get_template(self, message: Message) -> dict[str, Any] | None:
        use = template_in(message.sent_as)
        return TemplateUseSerializer(use).data if use else None

    def get_recovered(self, message: Message) -> bool:
        return message.recovered_at is not None and not message.is_imported

    def get_imported(self, message: Message) -> bool:
        return bool(message.is_imported)

    @extend_schema_field(CardSerializer(allow_null=True))
    def get_card(self, message: Message) -> dict[str, Any] | None:
        if not message.card:
            return None
        return {name: message.card.get(name) for name in CARD_FIELDS}

    @extend_schema_field(WholeCardSerializer(many=True))
    def get_cards(self, message: Message) -> list[dict[str, Any]]:
        rows = cards_in(message.card)
        has_picture = any(row.get("picture") is not None for row in rows)
        ids = {file.position: file.pk for file in message.attachments.all()} if has_picture else {}
        names = ("title", "url", "payload")
        return [
            {name: row.get(name) for name in CARD_FIELDS}
            | {
                "choices": [{name: choice.get(name) for name in names} for choice in choices_in(row)],
                "payload": row.get("payload") if row["kind"] in TAPS else None,
                "picture": ids.get(row.get("picture", -1)),
            }
            for row in rows
        ]
