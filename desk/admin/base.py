"""The base of the lists and forms of Setup, which write and show the history of Desk."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext

from desk import audit_log, deletion_checks
from desk.accounts import reauthentication
from desk.languages import ENGLISH, translated
from desk.models import User
from desk.sentences import sentence
from desk.setup_lists import Asked, SetupList

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
#: The names that Django makes for models, and what its admin writes into the history, for the catalogues.
MODEL_NAMES = (sentence("department"), sentence("departments"), sentence("agent"), sentence("agents"))
CHANGES = (sentence("Added."), sentence("Changed %(fields_text)s."), sentence("No fields changed."))


class SetupModelAdmin(_ModelAdmin[M]):
    """Show a list as Setup shows all lists, with `list_template`. Write and show the history of Desk.

    The list is titled with `list_title`, or with the plural name of its model.
    """

    list_title: str | Promise = ""
    list_template = ""

    def _title(self) -> str:
        return translated(self.list_title) or capfirst(translated(self.opts.verbose_name_plural))

    def list_of(self, request: HttpRequest) -> SetupList:
        """Return what the request asks the list for."""
        raise NotImplementedError

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list. A POST is an action of Django's admin on several rows."""
        if request.method == "POST":
            if "post" in request.POST and reauthentication.is_needed(request):
                return reauthentication.ask(request)
            return super().changelist_view(request, extra_context)
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": self._title(),
            "list": self.list_of(request),
            "may_add": self.has_add_permission(request),
            **(extra_context or {}),
        }
        return render(request, self.list_template, context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if reauthentication.is_needed(request):
            return reauthentication.ask(request)
        return super().delete_view(request, object_id, extra_context)

    def get_deleted_objects(
        self, objs: Sequence[M] | QuerySet[M], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        to_delete, counts, missing, protected = super().get_deleted_objects(objs, request)
        # Rows that only link two objects, such as an agent and a department, have no name that means anything.
        links = {
            model._meta.verbose_name_plural
            for model in apps.get_models(include_auto_created=True)
            if model._meta.auto_created
        }
        counts = {name: count for name, count in counts.items() if name not in links}
        lacking = {str(translated(name)) for name in missing}
        return to_delete, counts, lacking, [_still_needed(line) for line in protected]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        original, kind = context.get("original"), translated(self.opts.verbose_name)
        facts = {
            "list_title": self._title(),
            "title": str(original) if original else gettext("Add %(kind)s") % {"kind": kind},
            "subtitle": "",
            "history": audit_log.entries_of(original) if original else [],
        }
        return super().render_change_form(request, {**context, **facts}, *args, **kwargs)

    @staticmethod
    def sentence_of(message: Any, action: str) -> str:
        """Return the sentence, in English, of a message of Django's admin, which is a text or a list of changes."""
        text = json.dumps(message) if isinstance(message, list) else message
        with translation.override(ENGLISH):
            return LogEntry(action_flag=FLAGS[action], change_message=text).get_change_message()

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> Any:
        return self._record(request, obj, audit_log.ADDITION, message)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> Any:
        return self._record(request, obj, audit_log.CHANGE, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[M]) -> Any:
        return [self._record(request, obj, audit_log.DELETION, sentence("Deleted.")) for obj in queryset]

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
            raise Http404(sentence("This does not exist any more."))
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        entries, pager = Asked(request).newest_of(audit_log.of_object(obj), HISTORY_PER_PAGE)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("History of %(name)s") % {"name": obj},
            "module_name": self._title(),
            "object": obj,
            "opts": self.opts,
            "listed": entries,
            "pager": pager,
            **(extra_context or {}),
        }
        return render(request, "admin/object_history.html", context)


def _still_needed(line: str) -> str:
    """Return the sentence for a line of Django's list of objects that need another, such as "Channel: Sales"."""
    kind, _, name = line.partition(": ")
    shown = SafeString(name) if isinstance(line, SafeString) else name
    return format_html(gettext("Still needed by: {kind} “{name}”."), kind=kind, name=shown)


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

    def get_deleted_objects(
        self, objs: Sequence[M] | QuerySet[M], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        if request.method == "POST":
            # The admin has a transaction open. The locks keep others from using the objects before they are deleted.
            list(self.model._default_manager.select_for_update().order_by("pk"))
        to_delete, counts, missing, protected = super().get_deleted_objects(objs, request)
        reasons = [sentence for obj in objs for sentence in deletion_checks.reasons_to_keep(obj)]
        return to_delete, counts, missing, reasons or protected
