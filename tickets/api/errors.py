"""The API's error responses: always JSON, always with a sentence."""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from desk.middleware import is_about_a_value
from tickets.api.authentication import CHALLENGE

logger = logging.getLogger(__name__)

MISSING = "Send an API token with the request, in the header “Authorization: Token …”."

UNUSABLE = (
    "The request contains a value that cannot be stored, such as the character NUL, or a number that is too large."
)

WAIT = (status.HTTP_429_TOO_MANY_REQUESTS, status.HTTP_503_SERVICE_UNAVAILABLE)


class ActionError(exceptions.APIException):
    """An action that a rule forbids: `{"detail": sentence, "code": reason code}`, and `facts` for some codes."""

    def __init__(self, status_code: int, sentence: str, code: str, **facts: int) -> None:
        super().__init__(detail={"detail": sentence, "code": code})
        self.facts = facts
        self.status_code = status_code


class BodyTooBigError(exceptions.APIException):
    """A request with more bytes than the API accepts."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_big"


class BadParameterError(exceptions.ValidationError):
    """An invalid query parameter: `{"<parameter>": [sentence]}`."""

    def __init__(self, parameter: str, sentence: str) -> None:
        super().__init__({parameter: [sentence]})


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Return DRF's response to `exc`, also for requests that Django itself would answer with an HTML page."""
    if isinstance(exc, RequestDataTooBig):
        exc = BodyTooBigError("The request is too big. Send files as multipart/form-data, and shorten long texts.")
    elif isinstance(exc, SuspiciousOperation):
        exc = exceptions.ParseError("The request could not be read: it has too many fields or files.")
    elif is_about_a_value(exc):
        logger.error("A value was refused that no check had refused before", exc_info=exc)
        exc = exceptions.ParseError(UNUSABLE)
    elif isinstance(exc, exceptions.NotAuthenticated):
        exc = exceptions.NotAuthenticated(MISSING)
        exc.auth_header = CHALLENGE  # type: ignore[attr-defined]  # DRF sets and reads it
    response = exception_handler(exc, context)
    if response is not None and response.status_code in WAIT and "Retry-After" not in response.headers:
        response.headers["Retry-After"] = "1"  # DRF does not know how long when a whole window is used up
    if response is not None and isinstance(exc, ActionError):
        response.data |= exc.facts  # added here, because APIException turns every value into text
    return response
