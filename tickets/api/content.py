"""The bytes of an attachment, for who may see its conversation."""

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from tickets.models import Attachment
from tickets.services import access
from tickets.views.files import serve

from .documentation import NOT_FOUND, NOT_LOGGED_IN
from .paging import BIGGEST_ID


class AnyAccept(BaseContentNegotiation):
    """The file is what it is, whatever the client says it accepts; refusals are JSON."""

    def select_parser(self, request: Request, parsers: list[Any]) -> None:
        return None

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
