"""Download an attachment or a whole conversation, as a user who may see the conversation."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, Throttled
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from desk import exports
from desk.file_response import download
from desk.models import User
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet
from tickets.api.documentation import BAD_INPUT, NOT_FOUND, NOT_LOGGED_IN, REFUSED
from tickets.api.paging import MAX_ID
from tickets.models import Attachment, Conversation, Scope
from tickets.services.conversation import access
from tickets.services.privacy import export as export_service
from tickets.views.files import serve


class AnyAccept(DefaultContentNegotiation):
    """Ignore the Accept header: a file has only one type, and errors are JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type


@contextmanager
def export_turn(user: User) -> Iterator[None]:
    """Make an export inside; answer 429 when too many are being made."""
    try:
        with exports.turn(user.pk):
            yield
    except exports.BusyError as busy:
        raise Throttled(exports.RETRY_AFTER_S, str(busy)) from None


class AttachmentContentView(APIView):
    """The content of an attachment."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        summary="The content of an attachment",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 401: NOT_LOGGED_IN, 404: NOT_FOUND},
    )
    @needs(Scope.READ)
    def get(self, request: ApiRequest, pk: int) -> HttpResponseBase:
        attachment = self._attachment(request, pk)
        # As a download, never inline: a customer's file is not shown as a page of Desk.
        return serve(
            request._request,
            attachment.file,
            attachment.content_type,
            name=attachment.name or f"attachment-{attachment.pk}",
            inline=False,
        )

    def _attachment(self, request: ApiRequest, pk: int) -> Attachment:
        stored = Attachment.objects.filter(state=Attachment.State.STORED)
        visible = access.conversations_for(request.user)
        attachment = stored.filter(message__conversation__in=visible, pk=pk).first() if pk <= MAX_ID else None
        if attachment is None:
            raise NotFound("There is no such file, or you may not see it.")
        return attachment


class ExportSerializer(serializers.Serializer[None]):
    """The options of an export."""

    notes = serializers.BooleanField(required=False, default=False, help_text="Include the internal notes.")


ZIP_ANSWERS = {(200, "application/zip"): OpenApiTypes.BINARY, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 404: NOT_FOUND}


def zip_action() -> Callable[[Callable[..., HttpResponseBase]], Any]:
    """Return the decorator of an action that answers with a ZIP."""
    return action(
        detail=True,
        methods=["post"],
        filterset_class=None,
        pagination_class=None,
        content_negotiation_class=AnyAccept,
    )


def wants_notes(request: ApiRequest) -> bool:
    """Return whether the export is to include the internal notes."""
    form = ExportSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    return bool(form.validated_data["notes"])


class ConversationExport(ApiViewSet[Conversation]):
    """The export of a conversation: a POST, because the audit log records who exported what."""

    @extend_schema(
        summary="Export a conversation",
        description="A ZIP with one page that shows the whole conversation, and its files. Times on the page are in "
        "the time zone of the installation.",
        request=ExportSerializer,
        responses=ZIP_ANSWERS | {409: REFUSED},
    )
    @zip_action()
    @needs(Scope.READ)
    def export(self, request: ApiRequest, pk: str) -> HttpResponseBase:
        conversation = self.get_object()
        self.require_work(conversation)
        with_notes = wants_notes(request)
        with export_turn(request.user):
            file = export_service.export(request.user, conversation, with_notes=with_notes)
        return download(request._request, file, export_service.file_name(conversation), "application/zip")
