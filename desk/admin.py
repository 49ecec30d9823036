"""Departments, agents, users and History in Setup."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import Count, ManyToManyField, Model, QuerySet
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst

from desk import deletion_checks
from desk.models import Agent, Department, User

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    # Django's classes take type arguments only in the stubs.
    class _ModelAdmin(admin.ModelAdmin[M]):
        pass

    _UserAdmin = DjangoUserAdmin[User]
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        pass

    _UserAdmin = DjangoUserAdmin


class SetupModelAdmin(_ModelAdmin[M]):
    """Title a list with `list_title`, or with the plural name of its model."""

    list_title = ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = self.list_title or capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return super().render_change_form(request, {**context, "list_title": self.list_title}, *args, **kwargs)


class ReadOnlyAdmin(SetupModelAdmin[M]):
    """Show rows without allowing anyone to add, change or delete them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class GuardedAdmin(SetupModelAdmin[M]):
    """Refuse to delete an object, with the reason, while something still needs it (desk.deletion_checks)."""

    delete_confirmation_template = "admin/guarded_delete.html"
    delete_selected_confirmation_template = "admin/guarded_delete_selected.html"

    def get_deleted_objects(
        self, objs: Sequence[M] | QuerySet[M], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        if request.method == "POST":
            # The admin has a transaction open. The locks keep others from using the objects before they are deleted.
            list(self.model._default_manager.select_for_update().order_by("pk"))
        to_delete, counts, missing, protected = super().get_deleted_objects(objs, request)
        reasons = [sentence for obj in objs for sentence in deletion_checks.reasons_to_keep(obj)]
        return to_delete, counts, missing, reasons or protected


class _CountedDepartment(Protocol):
    """A department with the annotation of DepartmentAdmin.get_queryset."""

    agent_total: int


@admin.register(Department)
class DepartmentAdmin(GuardedAdmin[Department]):
    list_display = ["name", "agent_count"]
    search_fields = ["name"]

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
    autocomplete_fields = ["user"]
    formfield_overrides = {ManyToManyField: {"widget": CheckboxSelectMultiple}}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        return super().get_queryset(request).prefetch_related("departments")

    @admin.display(description="Departments")
    def department_names(self, agent: Agent) -> str:
        return ", ".join(department.name for department in agent.departments.all()) or "None yet"


@admin.register(get_user_model())
class UserAdmin(SetupModelAdmin[User], _UserAdmin):
    """Users. They are deactivated, not deleted, so that what they wrote and did keeps their name."""

    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff"]
    readonly_fields = ["last_login", "date_joined"]

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


@admin.register(LogEntry)
class HistoryAdmin(ReadOnlyAdmin[LogEntry]):
    """History: who did what in Setup, and when."""

    list_title = "History"
    list_display = ["action_time", "user", "content_type", "object_repr", "what"]
    list_filter = ["action_time", "action_flag", ("content_type", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "content_type"]
    search_fields = ["object_repr", "change_message", "user__username"]
    date_hierarchy = "action_time"
    fields = readonly_fields = ("action_time", "user", "content_type", "object_repr", "what")

    @admin.display(description="What")
    def what(self, entry: LogEntry) -> str:
        return entry.get_change_message() or entry.get_action_flag_display()
