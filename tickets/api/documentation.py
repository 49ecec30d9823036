"""Parts of the OpenAPI description that views share: error responses and examples."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers

from tickets.api.base import ReadOnlyViewSet
from tickets.api.errors import MISSING
from tickets.rules.sending import Refusal
from tickets.services.privacy import erasure

ViewSetClass = TypeVar("ViewSetClass", bound=type[ReadOnlyViewSet[Any]])


class ProblemSerializer(serializers.Serializer[None]):
    """An error in one sentence."""

    detail = serializers.CharField()


class RefusalSerializer(serializers.Serializer[None]):
    """An action that a rule forbids."""

    detail = serializers.CharField(help_text="The reason, as the pages show it.")
    code = serializers.ChoiceField(
        choices=[(code.value, code.name) for code in Refusal], help_text="The reason as a code."
    )
    message = serializers.IntegerField(
        required=False, help_text="With answered_meanwhile: id of the newest reply by somebody else."
    )


BAD_INPUT = OpenApiResponse(
    {
        "type": "object",
        "additionalProperties": {"oneOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
    },
    description="A field or parameter is invalid: a list of sentences under its name, or one sentence under `detail` "
    "for the whole request.",
    examples=[OpenApiExample("Bad parameter", {"page_size": ["page_size must be a whole number from 1 to 200."]})],
)
NOT_LOGGED_IN = OpenApiResponse(
    ProblemSerializer,
    description="The token is missing, unknown, or belongs to a deactivated user.",
    examples=[OpenApiExample("No token", {"detail": MISSING})],
)
NOT_ALLOWED = OpenApiResponse(
    ProblemSerializer,
    description="This user may see it but may not do this.",
    examples=[OpenApiExample("No permission", {"detail": erasure.NOT_ALLOWED})],
)
NOT_FOUND = OpenApiResponse(
    ProblemSerializer,
    description="There is no such row, or this user may not see it.",
    examples=[OpenApiExample("Not found", {"detail": "There is no such row, or you may not see it."})],
)
NO_LONGER_VISIBLE = OpenApiResponse(description="Done. This user may no longer see it.")
REFUSED = OpenApiResponse(
    RefusalSerializer,
    description="Not possible in the current state, with the reason. Nothing was changed.",
    examples=[
        OpenApiExample(
            "Deleted channel",
            {
                "detail": "This channel was deleted: its conversations can be read, but not assigned. Nothing was "
                "changed.",
                "code": Refusal.CHANNEL_DELETED.value,
            },
        )
    ],
)
UNFIT = OpenApiResponse(RefusalSerializer, description="The text or a file can never be sent or stored.")


def read_only(serializer: type[serializers.BaseSerializer[Any]], noun: str) -> Callable[[ViewSetClass], ViewSetClass]:
    """Describe `list` and `retrieve` of a view set; `noun` is the plural."""
    return extend_schema_view(
        list=extend_schema(
            summary=f"List {noun}", responses={200: serializer(many=True), 400: BAD_INPUT, 401: NOT_LOGGED_IN}
        ),
        retrieve=extend_schema(
            summary=f"One of the {noun}", responses={200: serializer, 401: NOT_LOGGED_IN, 404: NOT_FOUND}
        ),
    )
