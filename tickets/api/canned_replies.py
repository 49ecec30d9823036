"""Canned replies: list, create, change and delete them, with their files, under the rights of Setup and the account."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.reverse import reverse as drf_reverse
from rest_framework.views import APIView

from channels_im.setup.access import may
from desk import permission_words
from desk.errors import Refused
from desk.models import Department, User
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ReadOnlyViewSet
from tickets.api.conditional import only_if_unchanged
from tickets.api.directory import may_list
from tickets.api.documentation import BAD_INPUT, NOT_ALLOWED, NOT_FOUND, NOT_LOGGED_IN, read_only
from tickets.api.export import AnyAccept
from tickets.api.fields import DepartmentField, NamedRowField
from tickets.api.filters import CannedReplyFilters
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.labels import refused
from tickets.api.paging import MAX_ID
from tickets.api.sending import FilesField
from tickets.api.serializers import ReadOnlySerializer
from tickets.models import CannedReply, CannedReplyFile, Scope
from tickets.services.conversation import access
from tickets.services.inbox import canned_files, canned_import, canned_replies
from tickets.views.files import serve

VIEW, ADD = "tickets.view_cannedreply", "tickets.add_cannedreply"
CHANGE, DELETE = "tickets.change_cannedreply", "tickets.delete_cannedreply"
SEE = (VIEW, ADD, CHANGE, DELETE)


class CannedReplyFileSerializer(ReadOnlySerializer[CannedReplyFile]):
    """A file that a canned reply brings into a reply."""

    size = serializers.IntegerField(help_text="Bytes.")
    url = serializers.SerializerMethodField(help_text="Where the file is, for users who see the canned reply.")

    class Meta:
        model = CannedReplyFile
        fields = ["id", "name", "content_type", "size", "url"]

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_url(self, file: CannedReplyFile) -> str:
        return drf_reverse("api:canned-reply-file", args=[file.pk], request=self.context["request"])


class CannedReplySerializer(ReadOnlySerializer[CannedReply]):
    """A text for `/shortcut`, with the placeholders `{{name}}`, `{{first_name}}`, `{{agent}}` and `{{page}}`."""

    department = DepartmentField(allow_null=True, help_text="Name of the department; null: all departments.")
    folder = serializers.CharField(help_text="The folder in which it is listed; empty: none.")
    personal = serializers.SerializerMethodField(help_text="Whether only its owner sees and uses it.")
    files = CannedReplyFileSerializer(many=True)

    class Meta:
        model = CannedReply
        fields = ["id", "shortcut", "title", "text", "folder", "department", "personal", "files"]

    @extend_schema_field(bool)
    def get_personal(self, reply: CannedReply) -> bool:
        return reply.owner_id is not None


class CannedReplyForm(serializers.Serializer[None]):
    """The fields of a canned reply; those that are not given stay as they are."""

    shortcut = serializers.SlugField(max_length=40, help_text="a to z, digits, - and _; without the slash.")
    title = serializers.CharField(max_length=100, required=False, allow_blank=True, help_text="Empty: the shortcut.")
    text = serializers.CharField(max_length=canned_import.MAX_TEXT, trim_whitespace=False)
    folder = serializers.CharField(max_length=60, required=False, allow_blank=True)
    department = NamedRowField(
        slug_field="name",
        queryset=Department.objects.all(),
        required=False,
        allow_null=True,
        help_text="Name of the department; null: all departments. Personal ones have none.",
    )

    def validate_text(self, text: str) -> str:
        if not text.strip():
            raise serializers.ValidationError("Write the text.")
        return text.replace("\r\n", "\n")


class NewCannedReplyForm(CannedReplyForm):
    """A new canned reply."""

    personal = serializers.BooleanField(
        required=False, default=False, help_text="For the user of the token only; it needs no permission."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["personal"] and attrs.get("department"):
            raise serializers.ValidationError({"department": ["A personal canned reply has no department."]})
        return attrs


class NewFilesForm(serializers.Serializer[None]):
    """Files to add."""

    files = FilesField(allow_empty=False, help_text=f"A canned reply has at most {canned_files.MAX_FILES}.")


class ChangedCannedReplyForm(CannedReplyForm):
    """The fields to change, and ids of files to remove."""

    remove_files = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        required=False,
        max_length=100,
        help_text="Ids of files to remove.",
    )


@read_only(CannedReplySerializer, "canned replies")
class CannedReplyViewSet(ReadOnlyViewSet[CannedReply]):
    """Canned replies for all departments and for the user's own, and personal ones of the user.

    Users who see all conversations, or canned replies in Setup, see those of every department.
    """

    queryset = CannedReply.objects.none()
    serializer_class = CannedReplySerializer
    filterset_class = CannedReplyFilters
    parser_classes = [LimitedJSONParser]
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[CannedReply, CannedReply]:
        return canned_replies_for(self.request.user, facts).select_related("department").prefetch_related("files")

    @extend_schema(
        summary="Create a canned reply",
        description="Shared ones for users who may add canned replies in Setup, personal ones for everybody.",
        request=NewCannedReplyForm,
        responses={201: CannedReplySerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED},
    )
    @needs(Scope.MANAGE)
    def create(self, request: ApiRequest) -> Response:
        """Create a canned reply."""
        form = NewCannedReplyForm(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        owner = request.user if values["personal"] else None
        self._check(ADD, owner)
        values["title"] = values.get("title") or values["shortcut"]
        return self._save(None, values, status.HTTP_201_CREATED, owner)

    @extend_schema(
        summary="Change a canned reply",
        description="Own ones, and shared ones for users who may change canned replies in Setup. Fields that are not "
        "given stay as they are.",
        request=ChangedCannedReplyForm(partial=True),
        responses={200: CannedReplySerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @needs(Scope.MANAGE)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change a canned reply."""
        reply = self.get_object()
        self._check(CHANGE, reply.owner)
        form = ChangedCannedReplyForm(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        values = {"shortcut": reply.shortcut, **form.validated_data}
        if not values.get("title", reply.title):
            values["title"] = values["shortcut"]
        if reply.owner and values.get("department"):
            raise serializers.ValidationError({"department": ["A personal canned reply has no department."]})
        changes = canned_files.Changes(removed=values.pop("remove_files", ()))
        return self._save(reply, values, status.HTTP_200_OK, reply.owner, changes)

    @extend_schema(
        summary="Delete a canned reply",
        description="With its files. Messages that were sent with it stay. Own ones, and shared ones for users who may "
        "delete canned replies in Setup.",
        responses={204: OpenApiResponse(description="Deleted."), 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @needs(Scope.MANAGE)
    def destroy(self, request: ApiRequest, pk: str) -> Response:
        """Delete a canned reply."""
        reply = self.get_object()
        self._check(DELETE, reply.owner)
        canned_replies.delete(request.user, reply)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Add files to a canned reply",
        description="All of them, or none. A change removes them (`remove_files`).",
        request={"multipart/form-data": NewFilesForm},
        responses={200: CannedReplySerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @action(detail=True, methods=["post"], parser_classes=[MultiPartParser])
    @needs(Scope.MANAGE)
    def files(self, request: ApiRequest, pk: str) -> Response:
        """Add files to a canned reply."""
        reply = self.get_object()
        self._check(CHANGE, reply.owner)
        form = NewFilesForm(data=request.data)
        form.is_valid(raise_exception=True)
        files = form.validated_data["files"]
        if len(files) > canned_files.MAX_FILES:
            raise serializers.ValidationError({"files": [canned_files.TOO_MANY]})
        stored, refusals = canned_files.upload(request.user, files)
        ids = [row.pk for row in stored]
        try:
            if refusals:
                raise serializers.ValidationError({"files": refusals})
            values = {"shortcut": reply.shortcut}
            return self._save(reply, values, status.HTTP_200_OK, reply.owner, canned_files.Changes(ids))
        except serializers.ValidationError:
            canned_files.unsaved_of(request.user).filter(pk__in=ids).delete()
            raise

    def _check(self, permission: str, owner: User | None) -> None:
        if owner is None and not may(self.request.user, permission):
            raise PermissionDenied(permission_words.sentence_for(permission))

    def _save(
        self,
        reply: CannedReply | None,
        values: dict[str, Any],
        code: int,
        owner: User | None,
        files: canned_files.Changes = canned_replies.NO_CHANGES,
    ) -> Response:
        try:
            saved = canned_replies.save(self.request.user, reply, values, owner=owner, files=files)
        except Refused as error:
            if error.field == "new_files":
                raise serializers.ValidationError({"files": [str(error)]}) from None
            raise refused(error) from None
        row = CannedReply.objects.select_related("department").prefetch_related("files").get(pk=saved.pk)
        return Response(CannedReplySerializer(row, context=self.get_serializer_context()).data, status=code)


def canned_replies_for(user: User, facts: access.UserFacts) -> QuerySet[CannedReply, CannedReply]:
    """Return the canned replies that the user may list."""
    in_setup = may(user, *SEE)
    if not (in_setup or may_list(user, facts, CannedReply)):
        return CannedReply.objects.none()
    rows = CannedReply.objects.filter(Q(owner=None) | Q(owner=user.pk))
    if facts.sees_all or in_setup or user.has_perm(VIEW):
        return rows
    return rows.filter(Q(department=None) | Q(department_id__in=facts.department_ids) | Q(owner=user.pk))


class CannedReplyFileView(APIView):
    """The content of a file of a canned reply."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        summary="The content of a file of a canned reply",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 401: NOT_LOGGED_IN, 404: NOT_FOUND},
    )
    @needs(Scope.READ)
    def get(self, request: ApiRequest, pk: int) -> HttpResponseBase:
        replies = canned_replies_for(request.user, access.facts_for(request.user))
        file = CannedReplyFile.objects.filter(reply__in=replies, pk=pk).first() if pk <= MAX_ID else None
        if file is None:
            raise NotFound("There is no such file, or you may not see it.")
        return serve(request._request, file.file, file.content_type, name=file.name, inline=False)
