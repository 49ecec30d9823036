"""Macros: list, create, change and delete them; preview one on a conversation, and run it."""

from typing import Any, cast

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from channels_im.setup.access import may
from desk import permission_words
from desk.errors import Refused
from desk.models import Department, User
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet, ReadOnlyViewSet
from tickets.api.conditional import only_if_unchanged
from tickets.api.documentation import BAD_INPUT, NOT_ALLOWED, NOT_FOUND, NOT_LOGGED_IN, REFUSED, read_only
from tickets.api.errors import ActionError
from tickets.api.fields import DepartmentField, NamedRowField
from tickets.api.filters import MacroFilters
from tickets.api.idempotency import KEY_PARAMETER, ClientKeyField, LimitedJSONParser, client_key
from tickets.api.paging import MAX_ID
from tickets.api.serializers import ReadOnlySerializer
from tickets.models import ApiToken, Conversation, Macro, MacroRun, Scope
from tickets.rules import macros as rules
from tickets.rules.macros import Action, Do, To
from tickets.rules.sending import Refusal
from tickets.services.conversation import access
from tickets.services.inbox import macro_runs, macros
from tickets.services.inbox.macro_runs import MacroRefusedError, Step

ADD, CHANGE, DELETE = "tickets.add_macro", "tickets.change_macro", "tickets.delete_macro"
DO_CHOICES = [(do.value, do.value) for do in Do]
TO_CHOICES = [(to.value, to.value) for to in To]


# --- The fields -------------------------------------------------------------------------------------------------------
class MacroActionForm(serializers.Serializer[None]):
    """One action. Which of the other fields it needs depends on `do`."""

    do = serializers.ChoiceField(choices=DO_CHOICES)
    text = serializers.CharField(
        required=False,
        trim_whitespace=False,
        help_text="Of reply, note and subject; with the placeholders of canned replies.",
    )
    value = serializers.CharField(
        required=False,
        help_text="Of priority: low, normal, high or urgent. Of snooze: later (3 hours), tomorrow, monday, "
        "before_closing or reply (until the customer writes).",
    )
    to = serializers.ChoiceField(
        choices=TO_CHOICES, required=False, help_text="Of assign: me is whoever runs the macro."
    )
    agent = NamedRowField(
        slug_field="username",
        queryset=User.objects.filter(is_active=True),
        required=False,
        help_text="User name, for to=agent.",
    )
    department = NamedRowField(
        slug_field="name",
        queryset=Department.objects.all(),
        required=False,
        help_text="Name of the department, for to=department.",
    )
    labels = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        required=False,
        max_length=rules.MOST_LABELS,
        help_text="Ids, of add_labels and remove_labels.",
    )


class MacroForm(serializers.Serializer[None]):
    """The fields of a macro; those that are not given stay as they are."""

    name = serializers.CharField(max_length=macros.NAME_LIMIT, help_text="Unique without regard to case.")
    department = NamedRowField(
        slug_field="name",
        queryset=Department.objects.all(),
        required=False,
        allow_null=True,
        help_text="Name of the department; null: all departments. Personal macros have none.",
    )
    actions = MacroActionForm(many=True, help_text="All of them, in their order.")


class MacroSerializer(ReadOnlySerializer[Macro]):
    """A set of actions that is run on a conversation."""

    department = DepartmentField(allow_null=True, help_text="Name of the department; null: all departments.")
    personal = serializers.SerializerMethodField(help_text="Whether only its owner sees and runs it.")
    actions = serializers.SerializerMethodField(help_text="In their order, as they are sent.")
    problems = serializers.SerializerMethodField(help_text="Why it cannot run until it is corrected; else empty.")

    class Meta:
        model = Macro
        fields = ["id", "name", "department", "personal", "actions", "problems", "use_count", "last_used_at"]

    @extend_schema_field(bool)
    def get_personal(self, macro: Macro) -> bool:
        return macro.owner_id is not None

    @extend_schema_field(MacroActionForm(many=True))
    def get_actions(self, macro: Macro) -> list[dict[str, Any]]:
        names = self._names()
        return [_shown(action, *names) for action in rules.parse(macro.actions)]

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_problems(self, macro: Macro) -> list[str]:
        return [problem.sentence for problem in macros.problems_of(macro, self._names()[0])]

    def _names(self) -> tuple[macros.Known, dict[int, str]]:
        """Return the names of all that the macros of this response name, and the user names of agents."""
        context = cast("dict[str, Any]", self.context)
        if "names" not in context:
            found = getattr(self.parent, "instance", None)
            rows = [self.instance] if found is None else list(found)
            parsed = [rules.parse(row.actions) for row in rows if isinstance(row, Macro)]
            wanted = rules.references(action for actions in parsed for action in actions)
            users = User.objects.filter(pk__in=wanted.agents).values_list("pk", "username") if wanted.agents else ()
            context["names"] = macros.known(parsed), dict(users)
        names: tuple[macros.Known, dict[int, str]] = context["names"]
        return names


def _shown(action: Action, names: macros.Known, usernames: dict[int, str]) -> dict[str, Any]:
    row = action.stored()
    if "id" in row:
        target = row.pop("id") or 0
        if action.to is To.AGENT:
            row["agent"] = usernames.get(target)
        else:
            row["department"] = names.departments.get(target)
    return row


def _actions(rows: list[dict[str, Any]]) -> list[Action]:
    """Return the actions of a request; missing fields are found by the rules."""
    stored = []
    for row in rows:
        target = {To.AGENT: row.get("agent"), To.DEPARTMENT: row.get("department")}.get(row.get("to", ""))
        stored.append({**row, "id": target.pk if target else None})
    return rules.parse(stored)


# --- Macros -----------------------------------------------------------------------------------------------------------
@read_only(MacroSerializer, "macros")
class MacroViewSet(ReadOnlyViewSet[Macro]):
    """Shared macros of every department and of the user's own, and the personal ones of the user."""

    queryset = Macro.objects.none()
    serializer_class = MacroSerializer
    filterset_class = MacroFilters
    parser_classes = [LimitedJSONParser]
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Macro, Macro]:
        return macros.listed_for(self.request.user, facts).select_related("department")

    @extend_schema(
        summary="Create a shared macro",
        description="For users who may add macros in Setup. Personal macros are written in one's account.",
        request=MacroForm,
        responses={201: MacroSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED},
    )
    @needs(Scope.MANAGE)
    def create(self, request: ApiRequest) -> Response:
        """Create a shared macro."""
        self._check(ADD, None)
        return self._save(None, MacroForm(data=request.data), status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a macro",
        description="Own ones, and shared ones for users who may change macros in Setup. Fields that are not given "
        "stay as they are.",
        request=MacroForm(partial=True),
        responses={200: MacroSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @needs(Scope.MANAGE)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change a macro."""
        macro = self.get_object()
        self._check(CHANGE, macro)
        return self._save(macro, MacroForm(data=request.data, partial=True), status.HTTP_200_OK)

    @extend_schema(
        summary="Delete a macro",
        description="Own ones, and shared ones for users who may delete macros in Setup. What was done with it stays.",
        responses={
            204: OpenApiResponse(description="Deleted."),
            401: NOT_LOGGED_IN,
            403: NOT_ALLOWED,
            404: NOT_FOUND,
        },
    )
    @needs(Scope.MANAGE)
    def destroy(self, request: ApiRequest, pk: str) -> Response:
        """Delete a macro."""
        macro = self.get_object()
        self._check(DELETE, macro)
        macros.delete(request.user, macro)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _check(self, permission: str, macro: Macro | None) -> None:
        is_own = macro is not None and macro.owner_id == self.request.user.pk
        if not is_own and not may(self.request.user, permission):
            raise PermissionDenied(permission_words.sentence_for(permission))

    def _save(self, macro: Macro | None, form: MacroForm, code: int) -> Response:
        form.is_valid(raise_exception=True)
        values = dict(form.validated_data)
        if "actions" in values:
            values["actions"] = _actions(values["actions"])
        try:
            saved = macros.save(self.request.user, macro, values)
        except macros.MacroError as error:
            found = [
                problem.sentence if problem.index is None else f"Action {problem.index + 1}: {problem.sentence}"
                for problem in error.problems
            ]
            raise serializers.ValidationError({"actions": found}) from None
        except Refused as error:
            raise serializers.ValidationError({error.field or "name": [str(error)]}) from None
        row = Macro.objects.select_related("department").get(pk=saved.pk)
        return Response(MacroSerializer(row).data, status=code)


# --- On a conversation ------------------------------------------------------------------------------------------------
class PreviewMacroForm(serializers.Serializer[None]):
    """A macro, and the text of its reply when it shall be another one."""

    macro = serializers.IntegerField(min_value=1, max_value=MAX_ID, help_text="Id of the macro.")
    text = serializers.CharField(
        required=False,
        trim_whitespace=False,
        allow_null=True,
        default=None,
        help_text="The text of its reply in place of its own; placeholders are not replaced in it.",
    )


class RunMacroForm(PreviewMacroForm):
    """The same, with a key that makes a repeated request harmless."""

    client_key = ClientKeyField()


class MacroStepSerializer(serializers.Serializer[Step]):
    """An action of a macro on this conversation."""

    do = serializers.CharField(source="action.do")
    will = serializers.CharField(help_text="In words.")
    text = serializers.CharField(help_text="Of a reply, note or subject, for this customer.")
    refusal = serializers.CharField(help_text="Why it is not possible now; empty when it is.")


class MacroPreviewSerializer(serializers.Serializer[Any]):
    """What a run would do: everything, or nothing when one action is refused."""

    possible = serializers.BooleanField()
    steps = MacroStepSerializer(many=True)


class MacroRunSerializer(ReadOnlySerializer[MacroRun]):
    """A run of a macro. Its replies are messages in the outbox."""

    macro = serializers.IntegerField(source="macro_id", allow_null=True)
    conversation = serializers.IntegerField(source="conversation_id")
    done = serializers.ListField(child=serializers.CharField(), help_text="In words.")
    messages = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of the replies.")

    class Meta:
        model = MacroRun
        fields = ["id", "macro", "name", "conversation", "done", "messages", "created_at"]


class ConversationMacros(ApiViewSet[Conversation]):
    """Preview and run a macro on a conversation."""

    parser_classes = [LimitedJSONParser]

    @extend_schema(
        summary="Preview a macro on a conversation",
        description="Says what a run would do and what would be refused. Nothing is changed.",
        request=PreviewMacroForm,
        responses={200: MacroPreviewSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 404: NOT_FOUND, 409: REFUSED},
    )
    @needs(Scope.MANAGE)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def preview_macro(self, request: ApiRequest, pk: str) -> Response:
        conversation, form = self.get_object(), PreviewMacroForm(data=request.data)
        form.is_valid(raise_exception=True)
        macro = self._macro(form, conversation)
        try:
            steps = macro_runs.preview(
                request.user,
                conversation,
                macro,
                timezone.get_current_timezone(),
                reply_text=form.validated_data["text"],
            )
        except Refused as error:
            raise _refused(error) from None
        found = {"possible": not any(step.refusal for step in steps), "steps": steps}
        return Response(MacroPreviewSerializer(found).data)

    @extend_schema(
        summary="Run a macro on a conversation",
        description="All of its actions, or none: 409 names those that are refused. Sending twice with the same key "
        "within a day runs it once. A macro with a reply or a note needs the scope “reply” too.",
        parameters=[KEY_PARAMETER],
        request=RunMacroForm,
        responses={
            200: MacroRunSerializer,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            403: NOT_ALLOWED,
            404: NOT_FOUND,
            409: REFUSED,
        },
    )
    @needs(Scope.MANAGE)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def run_macro(self, request: ApiRequest, pk: str) -> Response:
        conversation, form = self.get_object(), RunMacroForm(data=request.data)
        form.is_valid(raise_exception=True)
        key = client_key(request, form.validated_data["client_key"])
        macro = self._macro(form, conversation)
        if any(one.do in (Do.REPLY, Do.NOTE) for one in rules.parse(macro.actions)):
            self._check_scope()
        try:
            made = macro_runs.run(
                request.user,
                conversation,
                macro,
                timezone.get_current_timezone(),
                reply_text=form.validated_data["text"],
                client_key=key,
            )
        except Refused as error:
            raise _refused(error) from None
        return Response(MacroRunSerializer(made).data)

    def _check_scope(self) -> None:
        """Refuse a token that may not write a macro with a reply or a note."""
        token = self.request.auth
        if not isinstance(token, ApiToken) or Scope.REPLY not in token.scopes:
            raise PermissionDenied(f"This macro writes. This API token lacks the scope “{Scope.REPLY}”.")

    def _macro(self, form: serializers.Serializer[None], conversation: Conversation) -> Macro:
        usable = macros.usable(self.request.user, conversation)
        macro = usable.filter(pk=form.validated_data["macro"]).first()
        if macro is None:
            raise serializers.ValidationError({"macro": ["There is no such macro for this conversation."]})
        return macro


def _refused(error: Refused) -> ActionError:
    """Return the API's error: 409 with the sentence; of a macro of which something is refused with every reason."""
    words = str(error)
    if isinstance(error, MacroRefusedError):
        words = f"{words} Nothing was done."
    return ActionError(status.HTTP_409_CONFLICT, words, error.code or Refusal.NOT_POSSIBLE)
