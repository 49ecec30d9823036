"""The bytes of an attachment, and a whole conversation as a file, for who may see the conversation."""

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import TokenAuthentication
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from tickets.api.documentation import BAD_INPUT, NOT_FOUND, NOT_LOGGED_IN
from tickets.api.paging import BIGGEST_ID
from tickets.models import Attachment
from tickets.services.conversation import access
from tickets.services.privacy import export as export_service
from tickets.views.file_response import download
from tickets.views.files import serve


class AnyAccept(DefaultContentNegotiation):
    """The file is what it is, whatever the client says it accepts; refusals are JSON."""

    def select_renderer(self, request: Request, renderers: list[Any], format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class AttachmentContentView(APIView):
    authentication_classes = [TokenAuthentication]
    content_negotiation_class = AnyAccept

    @extend_schema(
        summary="The bytes of an attachment",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 401: NOT_LOGGED_IN, 404: NOT_FOUND},
    )
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        attachment = self._attachment(request, pk)
        # Never shown as a page of ours: a stranger's file is only ever saved.
        return serve(
            request._request,
            attachment.file,
            attachment.content_type,
            name=attachment.name or f"attachment-{attachment.pk}",
            inline=False,
        )

    def _attachment(self, request: Request, pk: int) -> Attachment:
        stored = Attachment.objects.filter(state=Attachment.State.STORED)
        visible = access.conversations_for(request.user)
        attachment = stored.filter(message__conversation__in=visible, pk=pk).first() if pk <= BIGGEST_ID else None
        if attachment is None:
            raise NotFound("There is no such file, or you may not see it.")
        return attachment


class ExportSerializer(serializers.Serializer):
    notes = serializers.BooleanField(required=False, default=False, help_text="With the internal notes.")


class ConversationExport:
    """A POST, since it goes into the history who exported what."""

    @extend_schema(
        summary="Export a conversation",
        description="A ZIP with one page that shows everything, and the files that were exchanged. Times on the page "
        "are in the time zone of the installation.",
        request=ExportSerializer,
        responses={
            (200, "application/zip"): OpenApiTypes.BINARY,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
        },
    )
    @action(
        detail=True,
        methods=["post"],
        filterset_class=None,
        pagination_class=None,
        content_negotiation_class=AnyAccept,
    )
    def export(self, request: Request, pk: str) -> HttpResponseBase:
        conversation = self.get_object()
        form = ExportSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        file = export_service.export(request.user, conversation, with_notes=form.validated_data["notes"])
        return download(request._request, file, export_service.file_name(conversation), "application/zip")
