"""Contacts: what agents note about them, who is the same person, export, and erasure with a receipt."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from desk.errors import Refused
from desk.file_response import download
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet, ReadOnlyViewSet
from tickets.api.conditional import only_if_unchanged
from tickets.api.documentation import (
    BAD_INPUT,
    NO_LONGER_VISIBLE,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_LOGGED_IN,
    REFUSED,
    read_only,
)
from tickets.api.errors import ActionError
from tickets.api.export import ZIP_ANSWERS, ExportSerializer, export_turn, wants_notes, zip_action
from tickets.api.field_values import FieldChanges
from tickets.api.fields import MomentField, PersonField, TextOrNull, iso_milliseconds
from tickets.api.filters import ErasureFilters
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.message_serializers import CARD_FIELDS, OriginSerializer
from tickets.api.paging import MAX_ID
from tickets.api.serializers import ReadOnlySerializer, WithFieldsSerializer
from tickets.models import Contact, Erasure, Scope
from tickets.rules import customer_records, same_person
from tickets.rules.sending import Refusal
from tickets.services.conversation import access, contacts, persons
from tickets.services.inbox import contact_page, field_values
from tickets.services.privacy import erasure
from tickets.services.privacy import export as export_service


# --- The contact ------------------------------------------------------------------------------------------------------
class ContactRowSerializer(WithFieldsSerializer[Contact]):
    """A customer of a Page, and what agents note about them; the notes never go to Facebook."""

    page_id = serializers.CharField(source="page.page_id", help_text="Meta's id of the Page.")
    name = TextOrNull(help_text="null until Meta has sent it.")
    blocked = serializers.BooleanField(source="is_blocked")
    first_seen_at = MomentField()
    email = TextOrNull()
    phone = TextOrNull()
    about = TextOrNull(help_text="What agents know about this contact.")
    external_id = TextOrNull(help_text="Id of the record in another system; once per installation.")
    external_url = TextOrNull(help_text="Address of this record, with https.")
    same_person = serializers.SerializerMethodField(
        help_text="Ids of the other contacts of the same person that this user may see."
    )
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
            "external_id",
            "external_url",
            "same_person",
            "origins",
            "erased_at",
        ]
        extra_kwargs = {"psid": {"help_text": "The page-scoped user id."}}

    def get_same_person(self, contact: Contact) -> list[int]:
        person = contact.person
        return sorted(each.pk for each in person.contacts.all() if each.pk != contact.pk) if person else []

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
    external_id = DetailField(
        help_text=f"Id of the record in your system; at most {customer_records.ID_LIMIT} characters, and only one "
        "contact may have it."
    )
    external_url = DetailField(help_text="Address of this record; https only.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "fields": FieldChanges()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(f"Give at least one of {', '.join(self.fields)}.")
        return {name: value or "" for name, value in attrs.items() if name != "fields"} | {
            "fields": attrs.get("fields", {})
        }


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
    contacts = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        required=False,
        allow_empty=False,
        max_length=same_person.MOST,
        help_text="Ids of all contacts of the same person, this one included, to erase all of them in one step. "
        "Without it only this contact is erased.",
    )


class MergeSerializer(serializers.Serializer[None]):
    """The other contact of the same person."""

    contact = serializers.IntegerField(min_value=1, max_value=MAX_ID, help_text="Id of the other contact.")


def _refused(error: Refused, field: str = "") -> Exception:
    """Return the API's error for a refusal: 400 under the name of the field, else 409."""
    if error.field:
        return serializers.ValidationError({field or error.field: [str(error)]})
    return ActionError(status.HTTP_409_CONFLICT, str(error), error.code or Refusal.NOT_POSSIBLE)


CHANGED = {200: ContactRowSerializer, 204: NO_LONGER_VISIBLE, 400: BAD_INPUT, 401: NOT_LOGGED_IN} | {
    404: NOT_FOUND,
    409: REFUSED,
}


class ContactActions(ApiViewSet[Contact]):
    """Change the details of a contact, merge and separate contacts, export a person, and erase a contact."""

    parser_classes = [LimitedJSONParser]

    def get_queryset(self) -> QuerySet[Contact, Contact]:
        if self.action == "erase" and erasure.may_erase(self.request.user):
            return Contact.objects.select_related("page").defer("page__page_token")  # any contact, as in Setup
        return super().get_queryset()

    def _require_work_with(self, contact: Contact) -> None:
        """Refuse, with 409, what changes a contact that the user only reads because a note mentions them."""
        if self.facts.granted and not self.rows(self.facts.own).filter(pk=contact.pk).exists():
            raise ActionError(status.HTTP_409_CONFLICT, access.READ_ONLY, access.NOT_ASSOCIATED)

    @extend_schema(
        summary="Change the e-mail, phone, notes, external record and custom fields of a contact",
        description="Fields that are not given stay as they are. An empty text or null removes a value. All of them "
        "are changed, or none.",
        request=DetailsSerializer,
        responses=CHANGED,
    )
    @needs(Scope.MANAGE)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change the details of a contact."""
        contact = self.get_object()
        self._require_work_with(contact)
        form = DetailsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            with transaction.atomic():
                details = dict(form.validated_data)
                if given := details.pop("fields"):  # first, for it locks the conversations, then the contact
                    field_values.change_contact(request.user, contact, given)
                contacts.save_details(request.user, contact, details)
        except Refused as error:
            if error.field:
                raise serializers.ValidationError({error.field: [str(error)]}) from None
            raise ActionError(status.HTTP_409_CONFLICT, str(error), Refusal.CONTACT_ERASED) from None
        return self.changed(contact.pk, ContactRowSerializer)

    @extend_schema(
        summary="Mark two contacts as the same person",
        description="Both keep their conversations. The contacts that each is merged with already come along. Whoever "
        "may change both may do this.",
        request=MergeSerializer,
        responses=CHANGED,
    )
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    @needs(Scope.MANAGE)
    def merge(self, request: ApiRequest, pk: str) -> Response:
        """Mark two contacts as the same person."""
        contact = self.get_object()
        form = MergeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        other = self.get_queryset().filter(pk=form.validated_data["contact"]).first()
        if other is None:
            raise serializers.ValidationError({"contact": ["There is no such contact, or you may not see it."]})
        for one in (contact, other):
            self._require_work_with(one)
        try:
            persons.merge(request.user, contact, other)
        except Refused as error:
            raise _refused(error, "contact") from None
        return self.changed(contact.pk, ContactRowSerializer)

    @extend_schema(
        summary="Separate a contact from the same person",
        description="Undoes a merge. The user must see another contact of the person.",
        request=None,
        responses={200: ContactRowSerializer, 204: NO_LONGER_VISIBLE, 401: NOT_LOGGED_IN, 404: NOT_FOUND, 409: REFUSED},
    )
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    @needs(Scope.MANAGE)
    def separate(self, request: ApiRequest, pk: str) -> Response:
        """Separate a contact from the others of its person."""
        contact = self.get_object()
        self._require_work_with(contact)
        try:
            if contact.person is None or len(contact.person.contacts.all()) < 2:
                raise Refused(same_person.NOT_MERGED)
            persons.separate(request.user, contact)
        except Refused as error:
            raise _refused(error) from None
        return self.changed(contact.pk, ContactRowSerializer)

    @extend_schema(
        summary="Export a person",
        description="A ZIP with a page about the person and a folder for each of their conversations in which the user "
        "works, also on other Pages when contacts are merged. The history records the export. Times are in the time "
        "zone of the installation.",
        request=ExportSerializer,
        responses={**ZIP_ANSWERS, 409: REFUSED},
    )
    @zip_action()
    @needs(Scope.READ)
    def export(self, request: ApiRequest, pk: str) -> HttpResponseBase:
        """Export a person."""
        contact = self.get_object()
        seen = contact_page.get(request.user, self.facts, contact.pk)
        try:
            own = contact_page.require_work(self.facts, seen)
        except Refused as error:
            raise _refused(error) from None
        with_notes = wants_notes(request)
        with export_turn(request.user):
            file = export_service.export_person(request.user, seen.contact, own, with_notes=with_notes)
        return download(request._request, file, export_service.file_name(own[0]), "application/zip")

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
            if "contacts" in form.validated_data and contact.erased_at is None:
                receipts = erasure.erase_person(request.user, contact, form.validated_data["contacts"])
                receipt = next(each for each in receipts if each.contact_id == contact.pk)
            else:
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
