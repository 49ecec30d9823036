"""Webhooks: list, create, change and delete the addresses that receive events, under the rights of Setup."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from channels_im.setup.access import may
from desk import permission_words
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ReadOnlyViewSet
from tickets.api.conditional import only_if_unchanged
from tickets.api.documentation import BAD_INPUT, NOT_ALLOWED, NOT_FOUND, NOT_LOGGED_IN, read_only
from tickets.api.fields import MomentField, TextOrNull
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.serializers import ReadOnlySerializer
from tickets.models import EventDelivery, EventSubscription, EventType, Scope
from tickets.services.conversation import access
from tickets.services.webhooks import subscriptions as service

ADD, CHANGE = "tickets.add_eventsubscription", "tickets.change_eventsubscription"
DELETE, VIEW = "tickets.delete_eventsubscription", "tickets.view_eventsubscription"
STATES = [("active", "active"), ("failing", "failing"), ("turned_off", "turned_off")]


class WebhookSerializer(ReadOnlySerializer[EventSubscription]):
    """An address that receives events. Its secret is shown only when it is made."""

    events = serializers.ListField(child=serializers.ChoiceField(EventType.choices), help_text="The chosen events.")
    state = serializers.SerializerMethodField(help_text="Whether it is active, its last calls failed, or it is off.")
    reason = TextOrNull(source="disabled_reason", help_text="Why Desk turned it off.")
    created_at = MomentField()
    last_success_at = MomentField(allow_null=True, help_text="When an event was last accepted.")
    failing_since = MomentField(allow_null=True)

    class Meta:
        model = EventSubscription
        fields = [
            "id",
            "name",
            "url",
            "events",
            "is_active",
            "state",
            "reason",
            "created_at",
            "last_success_at",
            "failing_since",
        ]

    @extend_schema_field(serializers.ChoiceField(STATES))
    def get_state(self, row: EventSubscription) -> str:
        if not row.is_active:
            return "turned_off"
        return "failing" if row.failing_since else "active"


class WebhookWithSecretSerializer(WebhookSerializer):
    """A webhook with its secret, which no later response has."""

    secret = serializers.CharField(help_text="Verifies what Desk sends. Store it now.")

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]


class WebhookForm(serializers.Serializer[None]):
    """The fields of a webhook; those that are not given stay as they are."""

    name = serializers.CharField(max_length=EventSubscription._meta.get_field("name").max_length)
    url = serializers.CharField(
        max_length=EventSubscription._meta.get_field("url").max_length, help_text="HTTPS, and a public address."
    )
    events = serializers.ListField(
        child=serializers.ChoiceField(EventType.choices),
        allow_empty=False,
        max_length=100,
        help_text="At least one.",
    )

    def validate_url(self, url: str) -> str:
        try:
            service.check_address(url)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from None
        return url


class ChangedWebhookForm(WebhookForm):
    """The same, and whether it is turned on."""

    is_active = serializers.BooleanField(required=False, help_text="Turn it on or off.")


class TestEventSerializer(serializers.Serializer[EventDelivery]):
    """A test event that was queued."""

    event = serializers.UUIDField(source="event_id", help_text="Its id, as in the header Desk-Event-Id.")


@read_only(WebhookSerializer, "webhooks")
class WebhookViewSet(ReadOnlyViewSet[EventSubscription]):
    """The webhooks, for administrators who may see or change them in Setup. Without that there are none."""

    queryset = EventSubscription.objects.none()
    serializer_class = WebhookSerializer
    parser_classes = [LimitedJSONParser]
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[EventSubscription, EventSubscription]:
        if not may(self.request.user, VIEW, ADD, CHANGE, DELETE):
            return EventSubscription.objects.none()
        return EventSubscription.objects.defer("secret", "previous_secret")

    @needs(Scope.WEBHOOKS)
    def list(self, request: ApiRequest, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().list(request, *args, **kwargs)

    @needs(Scope.WEBHOOKS)
    def retrieve(self, request: ApiRequest, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        summary="Create a webhook",
        description="The response has the secret, which is shown only now. For users who may add webhooks in Setup.",
        request=WebhookForm,
        responses={201: WebhookWithSecretSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED},
    )
    @needs(Scope.WEBHOOKS)
    def create(self, request: ApiRequest) -> Response:
        """Create a webhook."""
        self._check(ADD)
        form = WebhookForm(data=request.data)
        form.is_valid(raise_exception=True)
        made = service.create(request.user, **form.validated_data)
        return self._with_secret(made, made.secret, status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a webhook",
        description="Fields that are not given stay as they are. For users who may change webhooks in Setup.",
        request=ChangedWebhookForm(partial=True),
        responses={200: WebhookSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @needs(Scope.WEBHOOKS)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change a webhook."""
        row = self.get_object()
        self._check(CHANGE)
        form = ChangedWebhookForm(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        values = {name: getattr(row, name) for name in ("name", "url", "events", "is_active")}
        try:
            service.change(request.user, row, **{**values, **form.validated_data})
        except ValidationError as error:  # its stored address is no longer allowed
            raise serializers.ValidationError({"url": error.messages}) from None
        return Response(WebhookSerializer(self.get_object()).data)

    @extend_schema(
        summary="Delete a webhook",
        description="With all its sent and waiting events. For users who may delete webhooks in Setup.",
        responses={204: OpenApiResponse(description="Deleted."), 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @needs(Scope.WEBHOOKS)
    def destroy(self, request: ApiRequest, pk: str) -> Response:
        """Delete a webhook."""
        row = self.get_object()
        self._check(DELETE)
        service.delete(request.user, row)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Replace the secret of a webhook",
        description="The response has the new one, which is shown only now. The old one also signs for another day.",
        request=None,
        responses={200: WebhookWithSecretSerializer, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @action(detail=True, methods=["post"])
    @needs(Scope.WEBHOOKS)
    def rotate(self, request: ApiRequest, pk: str) -> Response:
        """Replace the secret."""
        row = self.get_object()
        self._check(CHANGE)
        return self._with_secret(row, service.rotate(request.user, row), status.HTTP_200_OK)

    @extend_schema(
        summary="Send a test event to a webhook",
        description="It is sent once, also while the webhook is turned off.",
        request=None,
        responses={202: TestEventSerializer, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @action(detail=True, methods=["post"])
    @needs(Scope.WEBHOOKS)
    def test(self, request: ApiRequest, pk: str) -> Response:
        """Send a test event."""
        row = self.get_object()
        self._check(CHANGE)
        queued = service.send_test(request.user, row)
        return Response(TestEventSerializer(queued).data, status=status.HTTP_202_ACCEPTED)

    def _check(self, permission: str) -> None:
        if not may(self.request.user, permission):
            raise PermissionDenied(permission_words.sentence_for(permission))

    def _with_secret(self, row: EventSubscription, secret: str | None, code: int) -> Response:
        body = {**WebhookSerializer(row).data, "secret": secret}
        return Response(body, status=code, headers={"Cache-Control": "no-store"})
