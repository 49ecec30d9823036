"""Notes about contacts, which only their authors change."""

from django.db.models import Exists, OuterRef, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from desk.errors import Refused
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ReadOnlyViewSet
from tickets.api.documentation import BAD_INPUT, NO_LONGER_VISIBLE, NOT_FOUND, NOT_LOGGED_IN, REFUSED, read_only
from tickets.api.fields import MomentField, PersonField
from tickets.api.filters import ContactNoteFilters
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.labels import refused
from tickets.api.paging import MAX_ID
from tickets.api.serializers import ReadOnlySerializer
from tickets.models import Contact, ContactNote, Scope
from tickets.services.conversation import access, contact_notes


class ContactNoteSerializer(ReadOnlySerializer[ContactNote]):
    """A note about a contact; it never goes to Facebook."""

    contact = serializers.IntegerField(source="contact_id", help_text="Id of the contact.")
    author = PersonField(help_text="User name; null when the user was deleted.")
    created_at = MomentField()
    edited_at = MomentField(allow_null=True)

    class Meta:
        model = ContactNote
        fields = ["id", "contact", "author", "text", "created_at", "edited_at"]


class ContactNoteTextForm(serializers.Serializer[None]):
    """The text of a note."""

    text = serializers.CharField(help_text=f"At most {contact_notes.LIMIT:,} characters.")


class ContactNoteForm(ContactNoteTextForm):
    """A new note."""

    contact = serializers.IntegerField(min_value=1, max_value=MAX_ID, help_text="Id of the contact.")


@read_only(ContactNoteSerializer, "notes about contacts")
class ContactNoteViewSet(ReadOnlyViewSet[ContactNote]):
    """Notes about the contacts of the conversations that the user may see."""

    queryset = ContactNote.objects.none()
    serializer_class = ContactNoteSerializer
    filterset_class = ContactNoteFilters
    parser_classes = [LimitedJSONParser]
    orderings = ("-id", "id")

    def rows(self, facts: access.UserFacts) -> QuerySet[ContactNote, ContactNote]:
        visible = access.conversations_for(self.request.user, facts)
        notes = ContactNote.objects.select_related("author", "contact")
        return notes.filter(Exists(visible.filter(contact_id=OuterRef("contact_id"))))

    @extend_schema(
        summary="Add a note about a contact",
        request=ContactNoteForm,
        responses={201: ContactNoteSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 409: REFUSED},
    )
    @needs(Scope.MANAGE)
    def create(self, request: ApiRequest) -> Response:
        """Add a note."""
        form = ContactNoteForm(data=request.data)
        form.is_valid(raise_exception=True)
        visible = access.conversations_for(request.user).filter(contact_id=form.validated_data["contact"])
        contact = Contact.objects.filter(Exists(visible), pk=form.validated_data["contact"]).first()
        if contact is None:
            raise serializers.ValidationError({"contact": ["There is no such contact, or you may not see it."]})
        try:
            note = contact_notes.add(request.user, contact, form.validated_data["text"])
        except Refused as error:
            raise refused(error) from None
        return Response(ContactNoteSerializer(note).data, status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change your own note about a contact",
        request=ContactNoteTextForm,
        responses={
            200: ContactNoteSerializer,
            204: NO_LONGER_VISIBLE,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
        },
    )
    @needs(Scope.MANAGE)
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change a note."""
        note = self.get_object()
        form = ContactNoteTextForm(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            contact_notes.change(request.user, note, form.validated_data["text"])
        except Refused as error:
            raise refused(error) from None
        return self.changed(note.pk, ContactNoteSerializer)

    @extend_schema(
        summary="Delete your own note about a contact",
        responses={
            204: OpenApiResponse(description="Deleted."),
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
        },
    )
    @needs(Scope.MANAGE)
    def destroy(self, request: ApiRequest, pk: str) -> Response:
        """Delete a note."""
        try:
            contact_notes.delete(request.user, self.get_object())
        except Refused as error:
            raise refused(error) from None
        return Response(status=status.HTTP_204_NO_CONTENT)
