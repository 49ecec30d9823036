"""Roles: what each allows, and roles of one's own as a name and ticks."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_safe

from channels_im.setup.access import may, setup_view
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.languages import translated
from desk.models import User
from desk.requests import UserRequest
from desk.sentences import sentence
from tickets.services.people import own_roles as service
from tickets.services.people import roles
from tickets.services.people.roles import Words

from .pages import SEE_PEOPLE, confirm, page

VIEW, ADD, CHANGE, DELETE = "auth.view_group", "auth.add_group", "auth.change_group", "auth.delete_group"
SEE_ROLES = (*SEE_PEOPLE, VIEW, ADD, CHANGE)
MORE_RIGHTS = sentence(
    "This role allows more than your account does. Only somebody who may do all of it can change it."
)
BEYOND = gettext_lazy("You can give only what you have yourself.")


class RoleForm(forms.Form):
    """A name, and what the role allows."""

    name = forms.CharField(
        max_length=150,
        widget=forms.TextInput({"class": "field", "autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Give the role a name, for example “Shift planner”.")},
    )
    permissions = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, error_messages={"invalid_choice": BEYOND}
    )
    keep_others = forms.BooleanField(required=False)

    def __init__(self, by: User, group: Group | None, data: Any = None) -> None:
        initial: dict[str, Any] = {"keep_others": True}
        if group is not None:
            initial |= {"name": group.name, "permissions": [words.key for words in service.words_of(group)]}
        super().__init__(data, initial=initial)
        self._within = {words.key: words for words in service.words_within(by)}
        self.fields["permissions"].choices = [  # type: ignore[attr-defined]  # it is a MultipleChoiceField
            (words.key, words.text) for words in self._within.values()
        ]

    @property
    def chosen(self) -> list[Words]:
        """Return the ticked permissions."""
        return [self._within[key] for key in self.cleaned_data["permissions"]]


@setup_view(*SEE_ROLES)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """List the built-in and the own roles, with how many people have each."""
    users = User.objects.filter(is_active=True)
    held: dict[str, int] = {}
    for role in roles.roles_of(users).values():
        held[role.key] = held.get(role.key, 0) + 1
    built_in = [{"role": role, "count": held.get(role.key, 0)} for role in roles.BUILT_IN.values()]
    own = [
        {
            "group": group,
            "key": f"{roles.OWN}{group.pk}",
            "words": [translated(words) for words in _words_of(group)],
            "count": held.get(f"{roles.OWN}{group.pk}", 0),
        }
        for group in Group.objects.order_by("name")
    ]
    return page(
        request,
        "roles.html",
        gettext("Roles"),
        built_in=built_in,
        own=own,
        may_add=may(request.user, ADD),
        may_change=may(request.user, CHANGE),
    )


@setup_view(ADD)
@recent_password_required
def add(request: UserRequest) -> HttpResponse:
    """Make a role."""
    return _edit(request, None)


@setup_view(CHANGE)
@recent_password_required
def edit(request: UserRequest, pk: int) -> HttpResponse:
    """Change a role."""
    return _edit(request, _group(request, pk))


@setup_view(DELETE)
@recent_password_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Confirm, then delete a role that nobody has (POST)."""
    group = _group(request, pk)
    if request.method == "POST":
        try:
            service.delete(request.user, group)
        except Refused as refused:
            messages.error(request, str(refused))
            return redirect("people:role", pk)
        messages.success(request, gettext("The role “%(name)s” is deleted.") % {"name": group.name})
        return redirect("people:roles")
    title, part = gettext("Delete role “%(name)s”") % {"name": group.name}, "tickets/people/_delete_role.html"
    reason = service.reason_to_keep(group)
    return confirm(request, title, part, template="role_confirm.html", group=group, obstacle=reason)


def _words_of(group: Group) -> list[str]:
    return [words.text for words in service.words_of(group)] + service.others_of(group)


def _group(request: UserRequest, pk: int) -> Group:
    group = get_object_or_404(Group, pk=pk)
    if not service.may_change(request.user, group):
        raise PermissionDenied(MORE_RIGHTS)
    return group


def _edit(request: UserRequest, group: Group | None) -> HttpResponse:
    form = RoleForm(request.user, group, request.POST if request.method == "POST" else None)
    if form.is_valid():
        values = form.cleaned_data
        try:
            saved = service.save(request.user, group, values["name"], form.chosen, keep_others=values["keep_others"])
        except Refused as refused:
            form.add_error("name", str(refused))
        else:
            messages.success(request, gettext("The role “%(name)s” is saved.") % {"name": saved.name})
            return redirect("people:roles")
    return page(
        request,
        "role_form.html",
        group.name if group else gettext("New role"),
        422 if form.errors else 200,
        form=form,
        group=group,
        others=[translated(words) for words in service.others_of(group)] if group else [],
        may_delete=group is not None and may(request.user, DELETE),
    )
