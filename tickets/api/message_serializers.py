"""Messages in the responses of the API, with their files. Each serializer reads only what its view has fetched."""

from typing import Any

from django.conf import settings
from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from tickets.models import Attachment, Message
from tickets.rules.cards import TAPS, cards_in, choices_in
from tickets.rules.mentions import AGENT, DEPARTMENT, from_stored
from tickets.rules.sent_as import TemplateUse, sticker_in, template_in

from .fields import MomentField, PersonField, TextOrNull
from .serializers import ReadOnlySerializer

MENTION_KINDS = [(kind, kind) for kind in (AGENT, DEPARTMENT)]
CARD_FIELDS = ("kind", "title", "text", "url")


class ReactedBy(models.TextChoices):
    """Who reacted to a message."""

    CUSTOMER = "customer", "Customer"
    PAGE = "page", "Page"


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


class MentionInTextSerializer(serializers.Serializer[dict[str, Any]]):
    """A part of a note's text that mentions an agent or a department."""

    kind = serializers.ChoiceField(choices=MENTION_KINDS)
    id = serializers.IntegerField(allow_null=True, help_text="Id of the agent or of the department.")
    name = serializers.CharField(help_text="As it was when the note was written.")
    start = serializers.IntegerField(help_text="Where the @ stands in `text`, in Unicode code points.")
    length = serializers.IntegerField(help_text="How long it is with the @.")
    notified = serializers.BooleanField(help_text="Whether anybody was notified.")


class MacroOfLineSerializer(serializers.Serializer[dict[str, Any]]):
    """The macro whose run, or whose undoing, made a change."""

    id = serializers.IntegerField(allow_null=True, help_text="Null when it was deleted before the undoing.")
    name = serializers.CharField(help_text="As it was then.")
    undo = serializers.BooleanField(help_text="Whether its run was undone.")


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
    mentions = serializers.SerializerMethodField(help_text="Of a note: whom its text mentions.")
    macro = serializers.SerializerMethodField(help_text="Of an event of Desk: the macro that made the change.")

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
            "mentions",
            "macro",
        ]

    @extend_schema_field(MentionInTextSerializer(many=True))
    def get_mentions(self, message: Message) -> list[dict[str, Any]]:
        return [
            {
                "kind": span.target.kind,
                "id": span.agent_id if span.target.kind == AGENT else span.target.pk,
                "name": span.name,
                "start": span.start,
                "length": span.length,
                "notified": span.is_told,
            }
            for span in from_stored(message.mentions)
        ]

    @extend_schema_field(MacroOfLineSerializer(allow_null=True))
    def get_macro(self, message: Message) -> dict[str, Any] | None:
        is_line = message.kind == Message.Kind.EVENT and message.direction == Message.Direction.OUT
        return message.card.get("macro") if is_line and message.card else None

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
