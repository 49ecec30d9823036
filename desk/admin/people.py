"""Departments and groups in Setup; of users their passwords and history. People are in tickets.views.setup.people.

Nobody can give others, or themselves, rights that they lack (desk.rights).
"""

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from desk import audit_log, rights, searching, site
from desk.accounts import addresses, reauthentication
from desk.admin.base import GuardedAdmin, SetupModelAdmin
from desk.models import Agent, Department, User
from desk.sentences import sentence
from desk.setup_lists import Asked, Empty, SetupList

if TYPE_CHECKING:
    # Django's classes take type arguments only in the stubs.
    _UserAdmin = DjangoUserAdmin[User]
    _PasswordForm = AdminPasswordChangeForm[User]
else:
    _UserAdmin = DjangoUserAdmin
    _PasswordForm = AdminPasswordChangeForm

M = TypeVar("M", bound=Model)


@admin.register(Department)
class DepartmentAdmin(GuardedAdmin[Department]):
    list_template = "setup/departments.html"

    def list_of(self, request: HttpRequest) -> SetupList:
        asked = Asked(request)
        departments = Department.objects.annotate(agent_total=Count("agents"))
        found = [one for one in departments if not asked.search or searching.matches(asked.search, one.name)]
        rows, pager = asked.page_of(found)
        empty = Empty(sentence("No department yet"), sentence("Add one: tickets belong to departments."))
        columns = (sentence("Department"), sentence("Agents"))
        return SetupList(asked, columns, rows, pager, empty, search_words=sentence("Name"))


def _requester(request: HttpRequest | None) -> User:
    """Return the user who asks. Setup lets nobody else through."""
    if request is None or not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class MovedAdmin(SetupModelAdmin[M]):
    """Redirect the addresses of Django's list and forms to People, which took their place."""

    list_url, add_url, change_url = "people:list", "people:invite", "people:person"

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect(self.list_url)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if object_id is None:
            return redirect(self.add_url)
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404(sentence("This does not exist any more."))
        return redirect(self.change_url, self.target_of(obj))

    def target_of(self, obj: M) -> int:
        """Return the id in the address of the page that took the place of the form."""
        raise NotImplementedError


@admin.register(Agent)
class AgentAdmin(MovedAdmin[Agent]):
    """Agents, whom People shows with their users."""

    list_title = sentence("People")

    def target_of(self, obj: Agent) -> int:
        return obj.user_id


class PasswordForm(_PasswordForm):
    """Set a password. It cannot be disabled here: the last administrator would have none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("usable_password", None)


@admin.register(get_user_model())
class UserAdmin(MovedAdmin[User], _UserAdmin):
    """Users: setting a password, and the history of one. They are deactivated in People, not deleted."""

    list_title = sentence("People")
    change_password_form = PasswordForm

    def target_of(self, obj: User) -> int:
        return obj.pk

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may_change = super().has_change_permission(request, obj)
        return may_change and (obj is None or not rights.has_more_than(obj, _requester(request)))

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Record that a password was set, the one change that is made here."""
        addresses.drop_waiting(obj)
        for note in site.password_notes(obj):
            self.message_user(request, note, messages.WARNING)
        return audit_log.record(_requester(request), obj, audit_log.Action.PASSWORD, sentence("Password set in Setup."))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Set a password, in one transaction with its line in the history."""
        if reauthentication.is_due(request):
            return reauthentication.ask_first(request)  # a new password is not kept in the session
        user = self.get_object(request, unquote(id))
        if user is not None and rights.has_more_than(user, _requester(request)):
            raise PermissionDenied(rights.MORE_RIGHTS)
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(MovedAdmin[Group]):
    """Groups of permissions, which are the roles of People."""

    list_url, add_url, change_url = "people:roles", "people:role_add", "people:role"

    def target_of(self, obj: Group) -> int:
        return obj.pk
