"""Departments, agents, users and groups in Setup.

Nobody can give others, or themselves, rights that they lack (desk.rights).
"""

from typing import TYPE_CHECKING, Any, Protocol

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, ManyToManyField, QuerySet
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest, HttpResponse

from desk import audit_log, rights, site
from desk.accounts import reauthentication
from desk.admin.base import GuardedAdmin, SetupModelAdmin
from desk.models import Agent, Department, User

if TYPE_CHECKING:
    # Django's classes take type arguments only in the stubs.
    _UserAdmin = DjangoUserAdmin[User]
    _UserForm = UserChangeForm[User]
else:
    _UserAdmin, _UserForm = DjangoUserAdmin, UserChangeForm

MORE_RIGHTS = "This user has more rights than you. Only somebody who has at least these rights can change them."
BEYOND = "You can give only what you have yourself. Choose from the list, or ask an administrator with more rights."
ROLE_FIELDS = ("is_staff", "is_superuser")


class _CountedDepartment(Protocol):
    """A department with the annotation of DepartmentAdmin.get_queryset."""

    agent_total: int


@admin.register(Department)
class DepartmentAdmin(GuardedAdmin[Department]):
    list_display = ["name", "agent_count"]
    search_fields = ["name"]
    is_searched_by_words = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Department]:
        return super().get_queryset(request).annotate(agent_total=Count("agents"))

    @admin.display(description="Agents", ordering="agent_total")
    def agent_count(self, department: _CountedDepartment) -> int:
        return department.agent_total


@admin.register(Agent)
class AgentAdmin(GuardedAdmin[Agent]):
    list_display = ["user", "department_names", "presence"]
    list_filter = ["departments", "presence"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__first_name", "user__last_name"]
    is_searched_by_words = True
    autocomplete_fields = ["user"]
    formfield_overrides = {ManyToManyField: {"widget": CheckboxSelectMultiple}}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        return super().get_queryset(request).prefetch_related("departments")

    @admin.display(description="Departments")
    def department_names(self, agent: Agent) -> str:
        return ", ".join(department.name for department in agent.departments.all()) or "None yet"


class UserForm(_UserForm):
    """Django's form of a user, which keeps the last administrator."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        lost = [field for field in ("is_active", *ROLE_FIELDS) if field in self.fields and not cleaned.get(field)]
        if lost and self.instance.pk and (reason := rights.reason_to_keep_administrator(self.instance)):
            self.add_error(lost[0], reason)
        return cleaned


def _requester(request: HttpRequest | None) -> User:
    """Return the user who asks. Setup lets nobody else through."""
    if request is None or not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


@admin.register(get_user_model())
class UserAdmin(SetupModelAdmin[User], _UserAdmin):
    """Users. They are deactivated, not deleted, so that what they wrote and did keeps their name."""

    form = UserForm
    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff"]
    is_searched_by_words = True

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may_change = super().has_change_permission(request, obj)
        return may_change and (obj is None or not rights.has_more_than(obj, _requester(request)))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fields = ["last_login", "date_joined"]
        return fields if _requester(request).is_superuser else [*fields, *ROLE_FIELDS]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        allowed = {"groups": rights.groups_within, "user_permissions": rights.permissions_within}
        if within := allowed.get(db_field.name):
            kwargs["queryset"] = within(_requester(request))
        return _explained(super().formfield_for_manytomany(db_field, request, **kwargs))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            before, after = (address or "none" for address in (form.initial.get("email"), obj.email))
            sentence = f"E-mail address changed from {before} to {after}."
            audit_log.record(_requester(request), obj, audit_log.Action.EMAIL, sentence)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask for the password again first: a user who is added or changed may be a way in."""
        if object_id is None and reauthentication.is_due(request):
            return reauthentication.ask_first(request)
        if reauthentication.is_needed(request):
            return reauthentication.ask(request)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Record a change, with the role and the state that the user has now."""
        sentence = self.sentence_of(message, audit_log.CHANGE)
        if self._is_of_password(message):
            for note in site.password_notes(obj):
                self.message_user(request, note, messages.WARNING)
            return audit_log.record(_requester(request), obj, audit_log.Action.PASSWORD, "Password set in Setup.")
        facts = ["active" if obj.is_active else "deactivated"]
        facts += [word for field, word in zip(ROLE_FIELDS, ("staff", "superuser"), strict=True) if getattr(obj, field)]
        return audit_log.record(_requester(request), obj, audit_log.CHANGE, f"{sentence} Now: {', '.join(facts)}.")

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Set a password, in one transaction with its line in the history."""
        if reauthentication.is_due(request):
            return reauthentication.ask_first(request)  # a new password is not kept in the session
        user = self.get_object(request, unquote(id))
        if user is not None and rights.has_more_than(user, _requester(request)):
            raise PermissionDenied(MORE_RIGHTS)
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    @staticmethod
    def _is_of_password(message: Any) -> bool:
        changes = [part.get("changed", {}).get("fields", []) for part in message] if isinstance(message, list) else []
        return any("password" in field.lower() for fields in changes for field in fields)


def _explained(field: Any) -> Any:
    """Return the form field with a sentence that says why a choice is refused."""
    if field is not None:
        field.error_messages["invalid_choice"] = BEYOND
    return field


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(SetupModelAdmin[Group], DjangoGroupAdmin):
    """Groups of permissions. Who changes one must have all its permissions."""

    is_searched_by_words = True

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        may_change = super().has_change_permission(request, obj)
        return may_change and (obj is None or not rights.group_has_more_than(obj, _requester(request)))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        # Deleting takes rights from others, perhaps from those who have more: only superusers may.
        return super().has_delete_permission(request, obj) and _requester(request).is_superuser

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        if db_field.name == "permissions":
            kwargs["queryset"] = rights.permissions_within(_requester(request))
        return _explained(super().formfield_for_manytomany(db_field, request, **kwargs))
