"""What the OpenAPI description says beside the shapes: refusals and examples."""

from collections.abc import Callable

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers

from tickets.rules.sending import Refusal
from tickets.services.privacy import erasure


class ProblemSerializer(serializers.Serializer):
    """A refusal in one sentence."""

    detail = serializers.CharField()


class RefusalSerializer(serializers.Serializer):
    """What a rule forbids."""

    detail = serializers.CharField(help_text="The reason, as the pages show it.")
    code = serializers.ChoiceField(
        choices=[(code.value, code.name) for code in Refusal], help_text="The reason for programs."
    )
    message = serializers.IntegerField(
        required=False, help_text="With answered_meanwhile: id of the newest answer of somebody else."
    )


BAD_INPUT = OpenApiResponse(
    {
        "type": "object",
        "additionalProperties": {"oneOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
    },
    description="A field or parameter makes no sense: sentences by its name, or one as `detail` for the whole request.",
    examples=[OpenApiExample("Bad parameter", {"page_size": ["page_size must be a whole number from 1 to 200."]})],
)
NOT_LOGGED_IN = OpenApiResponse(
    ProblemSerializer,
    description="No token, an unknown one, or one of a user who was deactivated.",
    examples=[OpenApiExample("No token", {"detail": "Authentication credentials were not provided."})],
)
NOT_ALLOWED = OpenApiResponse(
    ProblemSerializer,
    description="This user may see it and may not do this.",
    examples=[OpenApiExample("No permission", {"detail": erasure.NOT_ALLOWED})],
)
NOT_FOUND = OpenApiResponse(
    ProblemSerializer,
    description="There is no such row, or this user may not see it.",
    examples=[OpenApiExample("Not found", {"detail": "There is no such row, or you may not see it."})],
)
REFUSED = OpenApiResponse(
    RefusalSerializer,
    description="Not possible in the present state, with the reason. Nothing was changed.",
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
UNFIT = OpenApiResponse(RefusalSerializer, description="The text or a file cannot be taken at all.")


def read_only(serializer: type[serializers.Serializer], noun: str) -> Callable[[type], type]:
    """Describes `list` and `retrieve` of a view set; `noun` is the plural."""
    return extend_schema_view(
        list=extend_schema(
            summary=f"List {noun}", responses={200: serializer(many=True), 400: BAD_INPUT, 401: NOT_LOGGED_IN}
        ),
        retrieve=extend_schema(
            summary=f"One of the {noun}", responses={200: serializer, 401: NOT_LOGGED_IN, 404: NOT_FOUND}
        ),
    )
