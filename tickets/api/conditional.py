"""Conditional requests: ETag and If-None-Match on what is read, If-Match on what is changed."""

import functools
import hashlib
import re
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import transaction
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import exceptions, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

Handler = TypeVar("Handler", bound=Callable[..., Response])

CHANGED = (
    "Somebody has changed this since you read it. Nothing was saved: read it again, and send your change with the new "
    "ETag."
)
NOT_AN_ETAG = "If-Match must be the ETag of a response of GET, in quotation marks, or *."
_WEAK = re.compile(r"^W/")


class ChangedMeanwhileError(exceptions.APIException):
    """A change with the ETag of an older state of the row."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = CHANGED
    default_code = "changed"


def etag_of(body: bytes) -> str:
    """Return the ETag of a JSON body without indentation, with its quotation marks."""
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def answer(request: Request, response: Response) -> Response:
    """Give a response of GET an ETag when it is rendered, and let it become a 304 when the client has it.

    It saves the transfer, not the queries: every part of a row, also a relative time or a name, may have changed.
    """
    if request.method in {"GET", "HEAD"} and response.status_code == status.HTTP_200_OK:
        response.add_post_render_callback(functools.partial(_finish, request))
    return response


def _finish(request: Request, response: Any) -> None:
    is_plain = response.accepted_media_type == JSONRenderer.media_type  # not `application/json; indent=4`
    etag = etag_of(response.content if is_plain else JSONRenderer().render(response.data))
    response.headers["ETag"] = etag
    response.headers.setdefault("Cache-Control", "private, no-cache")
    patch_vary_headers(response, ["Authorization"])
    if _matches(request.headers.get("If-None-Match", ""), etag):
        response.status_code = status.HTTP_304_NOT_MODIFIED
        response.content = b""
        del response.headers["Content-Type"]


def _matches(header: str, etag: str) -> bool:
    """Return whether a header names the ETag; a proxy that compresses makes it weak."""
    return etag in {_WEAK.sub("", one) for one in parse_etags(header)} or header.strip() == "*"


def only_if_unchanged(handler: Handler) -> Handler:
    """Let a PATCH of one row answer 412 when If-Match has another ETag than GET would give now.

    With the header the row is locked from the comparison until the change is saved, so that of two that come at the
    same time one is refused. Rows of a conversation are locked by their conversation, as the services do.
    """

    @functools.wraps(handler)
    def conditional(view: Any, request: Request, pk: str) -> Response:
        header = request.headers.get("If-Match")
        if header is None:
            return handler(view, request, pk)
        if not parse_etags(header):
            raise exceptions.ParseError(NOT_AN_ETAG)
        row = view.get_object()
        locked = getattr(row, "conversation", row)
        with transaction.atomic():
            type(locked)._default_manager.select_for_update(no_key=True).filter(pk=locked.pk).first()
            current = view.get_serializer(view.get_object()).data
            if not _matches(header, etag_of(JSONRenderer().render(current))):
                raise ChangedMeanwhileError
            return handler(view, request, pk)

    conditional.takes_if_match = True  # type: ignore[attr-defined]
    return conditional  # type: ignore[return-value]


# --- The OpenAPI description ------------------------------------------------------------------------------------------
def _handler(view: Any, method: str) -> Any:
    return getattr(view, getattr(view, "action", None) or method.lower(), None)


def _is_tagged(view: Any, method: str) -> bool:
    return method == "GET" and hasattr(view, "rows")


def parameters(view: Any, method: str) -> list[OpenApiParameter]:
    """Return the headers of conditional requests that an operation takes."""
    if getattr(_handler(view, method), "takes_if_match", False):
        text = "The ETag of the state that was read: 412, and nothing is saved, when somebody has changed it since."
        return [OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description=text)]
    if _is_tagged(view, method):
        text = "The ETag of an earlier response: 304, without a body, when it would be the same."
        return [OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description=text)]
    return []


def responses(view: Any, method: str) -> dict[str, OpenApiResponse]:
    """Return the responses that only conditional requests get, by status."""
    if getattr(_handler(view, method), "takes_if_match", False):
        problem = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
        return {"412": OpenApiResponse(problem, description="Somebody has changed it since. Nothing was saved.")}
    if _is_tagged(view, method):
        return {"304": OpenApiResponse(description="It is the same as the client has.")}
    return {}
