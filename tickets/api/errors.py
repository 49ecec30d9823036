"""What the API answers when it refuses: always JSON, always a sentence."""

from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler


class ActionError(exceptions.APIException):
    """A reply that a rule forbids: `{"detail": sentence, "code": reason code}`, and `facts` for some codes."""

    def __init__(self, status_code: int, sentence: str, code: str, **facts: Any) -> None:
        super().__init__(detail={"detail": sentence, "code": code})
        self.detail |= facts  # as they are: APIException would make texts of them
        self.status_code = status_code


class BodyTooBigError(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_big"


class BadParameterError(exceptions.ValidationError):
    """A query parameter that makes no sense: `{"<parameter>": [sentence]}`."""

    def __init__(self, parameter: str, sentence: str) -> None:
        super().__init__({parameter: [sentence]})


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's answers, and JSON where Django would answer a request it finds suspicious with a page."""
    if isinstance(exc, RequestDataTooBig):
        exc = BodyTooBigError(
            "The request is too big. Send files as multipart/form-data, and texts of a sensible length."
        )
    elif isinstance(exc, SuspiciousOperation):
        exc = exceptions.ParseError("The request could not be read: it has too many fields or files.")
    return exception_handler(exc, context)
