"""Shared by every POST with a body: a limited JSON parser, and keys that make a repeated request harmless."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from tickets.api.errors import BodyTooBigError

MAX_KEY_LENGTH = 255  # characters; longer than any UUID or hash
KEY_PARAMETER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description=f"At most {MAX_KEY_LENGTH} characters. Sending twice with the same key creates only one.",
)


class LimitedJSONParser(JSONParser):
    """Refuse a JSON body over DATA_UPLOAD_MAX_MEMORY_SIZE bytes, and text that is not Unicode.

    Django itself limits only forms.
    """

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)  # Content-Length may be absent, or not true
        if len(body) > limit:
            raise BodyTooBigError(f"A JSON body may have at most {limit} bytes. Send files as multipart/form-data.")
        try:
            body.decode()
        except UnicodeDecodeError:
            raise ParseError("The JSON is not text in UTF-8.") from None
        try:
            parsed = super().parse(BytesIO(body), media_type, parser_context)
            if b"\\ud" in body or b"\\uD" in body:  # what could be half a character, which no answer can repeat
                json.dumps(parsed, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except UnicodeEncodeError:
            raise ParseError("The JSON has half a character, such as \\ud83d without what follows it.") from None
        return parsed


class ClientKeyField(serializers.CharField):
    """The idempotency key in the body of a request."""

    def __init__(self, **kwargs: Any) -> None:
        defaults = {"required": False, "allow_null": True, "default": None, "max_length": MAX_KEY_LENGTH}
        help_text = "The same as the Idempotency-Key header. Sending twice with the same key creates only one."
        super().__init__(**{**defaults, "help_text": help_text, **kwargs})


def client_key(request: Request, field: str | None) -> str | None:
    """Return the idempotency key of a request: its header, or `field` of its body. Raises ValidationError."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return field
    if not 1 <= len(header) <= MAX_KEY_LENGTH:
        raise serializers.ValidationError({"Idempotency-Key": [f"A key has 1 to {MAX_KEY_LENGTH} characters."]})
    if field is not None and field != header:
        raise serializers.ValidationError(
            {"client_key": ["It differs from the Idempotency-Key header. Send one of them, or the same in both."]}
        )
    return header
