"""Roles: what each allows in plain words, own roles, and who may make them."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from desk.models import AuditEntry, User
from tests.factories import make_agent, make_department, make_user
from tests.http import Response
from tests.pages import html_of
from tickets.services.people import own_roles, roles

from .conftest import client_of

ROLES = "/admin/people/roles/"


def save(client: Client, group: Group | None = None, **changes: object) -> Response:
    fields = {"name": "Planner", "permissions": ["canned", "departments"], "keep_others": "on"} | changes
    return client.post(f"{ROLES}{group.pk}/" if group else f"{ROLES}add/", fields, follow=True)


def give(user: User, group: Group) -> None:
    roles.give(user, next(role for role in roles.all_roles() if role.group_id == group.pk))


def test_a_role_is_made_given_changed_and_deleted(setup: Client) -> None:
    save(setup)
    group = Group.objects.get(name="Planner")
    assert [words.key for words in own_roles.words_of(group)] == ["canned", "departments"]
    alice = make_agent("alice")
    give(alice, group)
    department = make_department("Sales")
    client = client_of(User.objects.get(pk=alice.pk))
    assert client.get(f"/admin/desk/department/{department.pk}/change/").status_code == 200
    page = html_of(setup.get(ROLES))
    assert page.count('aria-current="page"') == 2  # of the wide and of the narrow menu
    assert 'href="/admin/people/roles/" class="is-here"' in page
    assert "Write canned replies; Manage departments" in page
    assert f'<a href="/admin/people/?role=role-{group.pk}">1</a>' in page

    save(setup, group, name="Reader", permissions=["see_all"])
    alice = User.objects.get(pk=alice.pk)
    assert (alice.is_staff, alice.has_perm("tickets.view_conversation")) == (False, True)
    assert client.get("/admin/").status_code == 403
    delete = f"{ROLES}{group.pk}/delete/"
    assert "1 person has this role." in html_of(setup.get(delete))
    setup.post(delete)
    assert Group.objects.filter(pk=group.pk).exists()
    roles.give(alice, roles.BUILT_IN[roles.AGENT])
    assert re.search(r'<a class="button" href="[^"]+" data-close autofocus>Cancel</a>', html_of(setup.get(delete)))
    setup.post(delete)
    assert not Group.objects.exists()
    assert list(
        AuditEntry.objects.filter(object_id=str(group.pk), sentence__startswith="Role")
        .order_by("pk")
        .values_list("sentence", flat=True)
    ) == [
        "Role: Write canned replies; Manage departments.",
        "Role renamed to Reader.",
        "Role: See all conversations.",
        "Role deleted.",
    ]


def test_no_page_shows_the_permissions_of_django(setup: Client, administrator: User) -> None:
    for url in (f"{ROLES}add/", f"/admin/people/{administrator.pk}/", "/admin/people/invite/"):
        page = html_of(setup.get(url))
        assert "Can view" not in page
        assert "pbkdf2" not in page
        assert "user_permissions" not in page


def test_every_permission_in_words_exists(db: None) -> None:
    for words in roles.PERMISSIONS:
        assert roles.permissions_named(words.permissions).count() == len(words.permissions), words.key


def test_what_was_set_one_by_one_is_kept_or_dropped(setup: Client) -> None:
    group = Group.objects.create(name="Old")
    group.permissions.set(Permission.objects.filter(codename__in=["view_department", "view_auditentry"]))
    page = html_of(setup.get(f"{ROLES}{group.pk}/"))
    assert "Keep also: view departments" in page
    save(setup, group, name="Old", permissions=["history"])
    assert set(group.permissions.values_list("codename", flat=True)) == {"view_department", "view_auditentry"}
    save(setup, group, name="Old", permissions=["history"], keep_others="")
    assert set(group.permissions.values_list("codename", flat=True)) == {"view_auditentry"}


@pytest.mark.parametrize("name", ["Lead", "administrator", "PLANNER", ""])
def test_a_name_that_is_taken_or_empty_is_refused(setup: Client, name: str) -> None:
    Group.objects.create(name="Planner")
    assert save(setup, name=name).status_code == 422
    assert Group.objects.count() == 1


def test_nobody_makes_or_changes_a_role_with_more_than_they_have(db: None) -> None:
    user = make_user(is_staff=True)
    held = ["change_group", "add_group", "delete_group", "view_auditentry"]
    user.user_permissions.set(Permission.objects.filter(codename__in=held))
    client = client_of(user)
    erasers = Group.objects.create(name="Erasers")
    erasers.permissions.set(Permission.objects.filter(codename="erase_contact"))
    assert save(client, erasers, name="Mine", permissions=[]).status_code == 403
    assert client.post(f"{ROLES}{erasers.pk}/delete/").status_code == 403
    assert "You can give only what you have yourself." in html_of(save(client, permissions=["erase"]))
    assert save(client, name="Auditors", permissions=["history"]).status_code == 200
    assert set(Group.objects.values_list("name", flat=True)) == {"Erasers", "Auditors"}


def test_roles_are_for_who_may_manage_them(db: None, manager: User) -> None:
    group = Group.objects.create(name="Planner")
    addresses = [f"{ROLES}add/", f"{ROLES}{group.pk}/", f"{ROLES}{group.pk}/delete/"]
    for user in (make_agent("alice"), manager):
        assert [client_of(user).post(url, {"name": "Mine"}).status_code for url in addresses] == [403] * 3
    assert client_of(make_agent("bob")).get(ROLES).status_code == 403
    page = html_of(client_of(manager).get(ROLES))
    assert "New role" not in page
    assert f'href="{ROLES}{group.pk}/"' not in page
    assert list(Group.objects.values_list("name", flat=True)) == ["Planner"]
