"""Channels in the responses of the API, with their Pages. Each serializer reads only what its view has fetched."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from channels_im.models import Channel, HistoryImport, Page

from .fields import ChoiceOrNull, DepartmentField, MomentField, TextOrNull, iso_milliseconds
from .serializers import ReadOnlySerializer


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
