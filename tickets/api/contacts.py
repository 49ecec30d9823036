"""Contacts: what agents note about them, and erasure with a receipt."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from desk.errors import Refused
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet, ReadOnlyViewSet
from tickets.api.documentation import BAD_INPUT, NOT_ALLOWED, NOT_FOUND, NOT_LOGGED_IN, REFUSED, read_only
from tickets.api.errors import ActionError
from tickets.api.fields import MomentField, PersonField, TextOrNull, iso_milliseconds
from tickets.api.filters import ErasureFilters
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.serializers import CARD_FIELDS, OriginSerializer, ReadOnlySerializer
from tickets.models import Contact, Erasure, Scope
from tickets.rules.sending import Refusal
from tickets.services.conversation import access, contacts
from tickets.services.privacy import erasure


# --- The contact ------------------------------------------------------------------------------------------------------
class ContactRowSerializer(ReadOnlySerializer[Contact]):
    """A customer of a Page, and what agents note about them; the notes never go to Facebook."""

    page_id = serializers.CharField(source="page.page_id", help_text="Meta's id of the Page.")
    name = TextOrNull(help_text="null until Meta has sent it.")
    blocked = serializers.BooleanField(source="is_blocked")
    first_seen_at = MomentField()
    email = TextOrNull()
    phone = TextOrNull()
    about = TextOrNull(help_text="What agents know about this contact.")
    origins = serializers.SerializerMethodField(help_text="Where they came from, oldest first; at most ten.")
    erased_at = MomentField(allow_null=True, help_text="When their data was erased. The row is empty since then.")

    class Meta:
        model = Contact
        fields = [
            "id",
            "page_id",
            "psid",
            "name",
            "blocked",
            "first_seen_at",
            "email",
            "phone",
            "about",
            "origins",
            "erased_at",
        ]
        extra_kwargs = {"psid": {"help_text": "The page-scoped user id."}}

    @extend_schema_field(OriginSerializer(many=True))
    def get_origins(self, contact: Contact) -> list[dict[str, Any]]:
        return [
            {name: origin.get(name) for name in (*CARD_FIELDS, "message")}
            | {"at": iso_milliseconds(datetime.fromisoformat(origin["at"]))}
            for origin in contact.origins or []
        ]


class DetailField(serializers.CharField):
    """A detail that agents may note; null or an empty text removes it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_blank": True, "allow_null": True, **kwargs})


class DetailsSerializer(serializers.Serializer[None]):
    """The details to change; the others stay as they are."""

    email = DetailField()
    phone = DetailField(help_text="At most 40 characters.")
    about = DetailField(help_text=f"At most {contacts.ABOUT_LIMIT:,} characters.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(f"Give at least one of {', '.join(contacts.EDITABLE)}.")
        return {name: value or "" for name, value in attrs.items()}


class CountsSerializer(serializers.Serializer[dict[str, int]]):
    """How much was erased."""

    conversations = serializers.IntegerField()
    tickets = serializers.IntegerField()
    messages = serializers.IntegerField()
    notes = serializers.IntegerField()
    files = serializers.IntegerField(help_text="Including the picture.")
    bytes = serializers.IntegerField(help_text="Size of the files in bytes.")
    drafts = serializers.IntegerField()
    deliveries = serializers.IntegerField(help_text="Webhook deliveries in the journal.")
    events = serializers.IntegerField(help_text="Events in these deliveries.")


class ErasureSerializer(ReadOnlySerializer[Erasure]):
    """The receipt of an erased contact."""

    page_id = serializers.CharField(source="page.page_id", help_text="Meta's id of the Page.")
    contact = serializers.IntegerField(source="contact_id", allow_null=True, help_text="Id of the empty row.")
    fingerprint = serializers.CharField(
        source="person",
        help_text="HMAC-SHA-256 of the Page and the page-scoped id with the key of this installation.",
    )
    erased_by = PersonField(help_text="User name.")
    erased_at = MomentField()
    completed_at = MomentField(
        allow_null=True, help_text="When the last file was deleted; null while files are still being deleted."
    )
    blocked_at_facebook = serializers.BooleanField(
        source="meta_blocks",
        allow_null=True,
        help_text="Whether the contact is blocked at Facebook; such a block stays. null: Facebook has not answered.",
    )
    counts = CountsSerializer()

    class Meta:
        model = Erasure
        fields = [
            "id",
            "confirmation_code",
            "page_id",
            "contact",
            "fingerprint",
            "erased_by",
            "erased_at",
            "completed_at",
            "blocked_at_facebook",
            "counts",
        ]


class EraseSerializer(serializers.Serializer[None]):
    """The confirmation of an erasure."""

    psid = serializers.CharField(
        max_length=Contact._meta.get_field("psid").max_length,
        help_text="The page-scoped id of the contact, to confirm that the right one is erased.",
    )


class ContactActions(ApiViewSet[Contact]):
    """Change the details of a contact, and erase a contact."""

    parser_classes = [LimitedJSONParser]

    def get_queryset(self) -> QuerySet[Contact, Contact]:
        if self.action == "erase" and erasure.may_erase(self.request.user):
            return Contact.objects.select_related("page").defer("page__page_token")  # any contact, as in Setup
        return super().get_queryset()

    @extend_schema(
        summary="Change the e-mail, phone and notes of a contact",
        description="Fields that are not given stay as they are. An empty text or null removes a value.",
        request=DetailsSerializer,
        responses={200: ContactRowSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 404: NOT_FOUND, 409: REFUSED},
    )
    @needs(Scope.MANAGE)
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change the details of a contact."""
        contact = self.get_object()
        form = DetailsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            contacts.save_details(request.user, contact, form.validated_data)
        except Refused as error:
            if error.field:
                raise serializers.ValidationError({error.field: [str(error)]}) from None
            raise ActionError(status.HTTP_409_CONFLICT, str(error), Refusal.CONTACT_ERASED) from None
        return Response(ContactRowSerializer(self.get_queryset().get(pk=contact.pk)).data)

    @extend_schema(
        summary="Erase a contact",
        description="Permanently deletes what they wrote and sent, their identity, and what was written about them. "
        "Returns a receipt, which stays; erasing a contact again returns the same one. For administrators with the "
        "permission “Can erase a person”.",
        request=EraseSerializer,
        responses={
            200: ErasureSerializer,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            403: NOT_ALLOWED,
            404: NOT_FOUND,
            409: OpenApiResponse(
                REFUSED.response,
                description="Something for this contact is still being sent or processed. Nothing was erased.",
                examples=[
                    OpenApiExample("Sending", {"detail": erasure.SENDING, "code": Refusal.NOT_POSSIBLE.value}),
                ],
            ),
        },
    )
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    @needs(Scope.ERASE)
    def erase(self, request: ApiRequest, pk: str) -> Response:
        """Erase a contact and return the receipt."""
        contact = self.get_object()
        if not erasure.may_erase(request.user):
            raise PermissionDenied(erasure.NOT_ALLOWED)
        form = EraseSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        if not erasure.has_psid(contact, form.validated_data["psid"]):
            sentence = "This is not the page-scoped id of this contact. Nothing was erased."
            raise serializers.ValidationError({"psid": [sentence]})
        try:
            receipt = erasure.erase(request.user, contact)
        except Refused as error:
            raise ActionError(status.HTTP_409_CONFLICT, str(error), Refusal.NOT_POSSIBLE) from None
        return Response(ErasureSerializer(receipt).data)


# --- The receipts -----------------------------------------------------------------------------------------------------
@read_only(ErasureSerializer, "receipts of erased contacts")
class ErasureViewSet(ReadOnlyViewSet[Erasure]):
    """The receipts, for administrators who may erase or view them."""

    queryset = Erasure.objects.none()
    serializer_class = ErasureSerializer
    filterset_class = ErasureFilters
    orderings = ("-id", "id", "-erased_at", "erased_at")

    def rows(self, facts: access.UserFacts) -> QuerySet[Erasure, Erasure]:
        if not erasure.may_see_receipts(self.request.user):
            return Erasure.objects.none()
        return Erasure.objects.select_related("page", "erased_by").defer("page__page_token")
