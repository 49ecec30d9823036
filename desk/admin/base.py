"""The base of the lists and forms of Setup, which write and show the history of Desk."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import capfirst

from desk import audit_log, deletion_checks, searching
from desk.accounts import reauthentication
from desk.models import User

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    # Django's classes take type arguments only in the stubs.
    class _ModelAdmin(admin.ModelAdmin[M]):
        pass

else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        pass


FLAGS: dict[str, int] = {audit_log.ADDITION: ADDITION, audit_log.CHANGE: CHANGE, audit_log.DELETION: DELETION}
HISTORY_PER_PAGE = 100


class SetupModelAdmin(_ModelAdmin[M]):
    """Title a list with `list_title`, or with the plural name of its model. Write and show the history of Desk."""

    list_title = ""
    #: Whether the list is searched by words, as the inbox is. It is read whole for that: for lists that stay short.
    is_searched_by_words = False

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[M]", search_term: str
    ) -> tuple["QuerySet[M]", bool]:
        if not self.is_searched_by_words or not search_term.strip():
            return super().get_search_results(request, queryset, search_term)
        rows = queryset.order_by().values_list("pk", *self.get_search_fields(request))
        found = {pk for pk, *texts in rows if searching.matches(search_term, *map(str, texts))}
        return queryset.filter(pk__in=found), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        is_confirmed_action = request.method == "POST" and "post" in request.POST
        if is_confirmed_action and reauthentication.is_needed(request):
            return reauthentication.ask(request)
        title = self.list_title or capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if reauthentication.is_needed(request):
            return reauthentication.ask(request)
        return super().delete_view(request, object_id, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return super().render_change_form(request, {**context, "list_title": self.list_title}, *args, **kwargs)

    @staticmethod
    def sentence_of(message: Any, action: str) -> str:
        """Return the sentence of a message of Django's admin, which is a text or a list of changes."""
        text = json.dumps(message) if isinstance(message, list) else message
        return LogEntry(action_flag=FLAGS[action], change_message=text).get_change_message()

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> Any:
        return self._record(request, obj, audit_log.ADDITION, message)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> Any:
        return self._record(request, obj, audit_log.CHANGE, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[M]) -> Any:
        return [self._record(request, obj, audit_log.DELETION, "Deleted.") for obj in queryset]

    def _record(self, request: HttpRequest, obj: M, action: str, message: Any) -> Any:
        if not isinstance(request.user, User):
            raise PermissionDenied
        return audit_log.record(request.user, obj, action, self.sentence_of(message, action))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the history of one object, newest first, to those who may see the object."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404("This does not exist any more.")
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        entries = Paginator(audit_log.of_object(obj), HISTORY_PER_PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {obj}",
            "module_name": self.list_title or capfirst(self.opts.verbose_name_plural),
            "object": obj,
            "opts": self.opts,
            "listed": entries,
            **(extra_context or {}),
        }
        return render(request, "admin/object_history.html", context)


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
