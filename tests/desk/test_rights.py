"""Who may change users: nobody gives what they lack, and the last administrator stays."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse

from desk import deletion_checks
from desk.errors import Refused
from desk.models import AuditEntry, User
from tests.factories import make_admin, make_agent, make_user
from tests.http import Response
from tests.pages import html_of

pytestmark = pytest.mark.django_db
NEW = "another-Passw0rd-9"
MANAGES_USERS = ("view_user", "change_user", "add_user", "view_department")


def text(response: Response) -> str:
    return html_of(response)


def permission(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)


def with_permissions(user: User, *codenames: str) -> User:
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.fixture
def manager() -> User:
    """Somebody who may only change users."""
    return with_permissions(make_user("manager", is_staff=True), *MANAGES_USERS)


@pytest.fixture
def client(manager: User) -> Client:
    return client_of(manager)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url_of(user: User) -> str:
    return reverse("admin:desk_user_change", args=[user.pk])


def save(client: Client, user: User, **changes: Any) -> Response:
    """Post the form of a user as it is, with changes; None leaves a field out."""
    fields = {
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "is_active": "on" if user.is_active else None,
        "is_staff": "on" if user.is_staff else None,
        "is_superuser": "on" if user.is_superuser else None,
        "groups": [group.pk for group in user.groups.all()],
        "user_permissions": [row.pk for row in user.user_permissions.all()],
    } | changes
    return client.post(url_of(user), {name: value for name, value in fields.items() if value is not None}, follow=True)


def codenames(user: User) -> set[str]:
    return set(user.user_permissions.values_list("codename", flat=True))


# --- Giving
@pytest.mark.parametrize("target", ["alice", "manager"])
@pytest.mark.parametrize("field", ["is_staff", "is_superuser"])
def test_nobody_is_made_staff_or_superuser_by_who_is_no_superuser(
    client: Client, manager: User, field: str, target: str
) -> None:
    make_agent("alice")
    user = User.objects.get(username=target)
    save(client, user, **{field: "on"}, first_name="Saved")
    user.refresh_from_db()
    assert user.first_name == "Saved"
    assert (user.is_staff, user.is_superuser) == (target == "manager", False)


@pytest.mark.parametrize("target", ["alice", "manager"])
def test_nobody_gives_a_permission_or_group_that_they_lack(client: Client, manager: User, target: str) -> None:
    make_agent("alice")
    user = User.objects.get(username=target)
    before = codenames(user)
    group = Group.objects.create(name="Erasers")
    group.permissions.add(permission("erase_contact"))
    for changes in (
        {"user_permissions": [*user.user_permissions.values_list("pk", flat=True), permission("erase_contact").pk]},
        {"groups": [group.pk]},
    ):
        assert "You can give only what you have yourself." in text(save(client, user, **changes))
    assert codenames(user) == before
    assert not user.groups.exists()
    page = text(client.get(url_of(user)))
    assert "Erasers" not in page
    assert "Can view department" in page


def test_what_one_has_can_be_given_and_taken(client: Client) -> None:
    alice = make_agent("alice")
    group = Group.objects.create(name="Readers")
    group.permissions.add(permission("view_department"))
    save(client, alice, user_permissions=[permission("view_department").pk], groups=[group.pk])
    assert codenames(alice) == {"view_department"}
    assert list(alice.groups.all()) == [group]
    save(client, alice, user_permissions=[], groups=[])
    assert codenames(alice) == set()


def test_a_superuser_gives_everything(manager: User) -> None:
    admin, alice = client_of(make_admin()), make_agent("alice")
    save(admin, alice, is_staff="on", is_superuser="on", user_permissions=[permission("view_contact").pk])
    alice.refresh_from_db()
    assert (alice.is_staff, alice.is_superuser) == (True, True)
    assert codenames(alice) == {"view_contact"}


# --- Users with more rights
def set_password(client: Client, user: User) -> Response:
    fields = {"usable_password": "true", "password1": NEW, "password2": NEW, "set-password": "1"}
    return client.post(f"/admin/desk/user/{user.pk}/password/", fields, follow=True)


@pytest.fixture(params=["superuser", "staff", "permission", "group", "inactive superuser", "inactive staff"])
def stronger(request: pytest.FixtureRequest) -> User:
    """Somebody with one right that the manager lacks, perhaps deactivated."""
    kind = request.param
    user = make_user(
        "stronger",
        email="old@example.org",
        is_superuser="superuser" in kind,
        is_staff=kind != "permission",
        is_active="inactive" not in kind,
    )
    if kind == "group":
        group = Group.objects.create(name="Erasers")
        group.permissions.add(permission("erase_contact"))
        user.groups.add(group)
    if kind in ("permission", "staff", "inactive staff"):
        with_permissions(user, "erase_contact")
    return user


def test_who_has_more_rights_is_read_and_not_changed(client: Client, stronger: User) -> None:
    make_admin()
    before = User.objects.filter(pk=stronger.pk).values().get()
    page = text(client.get(url_of(stronger)))
    assert "stronger" in page
    assert 'name="email"' not in page
    answers = [
        save(client, stronger, email="mine@example.org", is_active="on"),
        save(client, stronger, is_active=None),
        set_password(client, stronger),
        client.get(f"/admin/desk/user/{stronger.pk}/password/"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert "has more rights than you" in text(answers[2])
    assert User.objects.filter(pk=stronger.pk).values().get() == before


def test_an_agent_and_an_equal_can_be_changed(client: Client) -> None:
    equal = with_permissions(make_user("equal", is_staff=True), "view_user")
    for user in (make_agent("alice"), equal):
        assert save(client, user, email="new@example.org").status_code == 200
        assert "successfully" in text(set_password(client, user))
        user.refresh_from_db()
        assert user.email == "new@example.org"
        assert user.check_password(NEW)


def test_an_email_change_is_recorded_with_both_addresses(client: Client) -> None:
    alice = make_agent("alice")
    save(client, alice, email="new@example.org", is_active=None)
    sentences = AuditEntry.objects.filter(object_id=str(alice.pk)).values_list("action", "sentence")
    assert ("email", "E-mail address changed from none to new@example.org.") in sentences
    assert any(sentence.endswith("Now: deactivated.") for _action, sentence in sentences)


# --- Groups
def test_a_group_with_more_is_not_changed_and_nothing_lacking_is_put_into_one() -> None:
    manager = with_permissions(make_user(is_staff=True), "change_group", "delete_group", "view_department", "add_group")
    client = client_of(manager)
    erasers, readers = Group.objects.create(name="Erasers"), Group.objects.create(name="Readers")
    erasers.permissions.add(permission("erase_contact"))
    readers.permissions.add(permission("view_department"))

    def post(group: Group, permissions: Sequence[int], name: str) -> Response:
        fields = {"name": name, "permissions": permissions}
        return client.post(reverse("admin:auth_group_change", args=[group.pk]), fields, follow=True)

    assert post(erasers, [], "Mine").status_code == 403
    assert "You can give only what you have" in text(post(readers, [permission("erase_contact").pk], "Readers"))
    post(readers, [permission("view_department").pk], "Renamed")
    assert set(Group.objects.values_list("name", flat=True)) == {"Erasers", "Renamed"}
    assert client.post(reverse("admin:auth_group_delete", args=[erasers.pk]), {"post": "yes"}).status_code == 403
    fields = {"action": "delete_selected", "_selected_action": [erasers.pk], "post": "yes"}
    client.post(reverse("admin:auth_group_changelist"), fields)
    assert Group.objects.count() == 2


# --- The last administrator
@pytest.mark.parametrize("field", ["is_active", "is_staff", "is_superuser"])
def test_the_last_administrator_stays(field: str) -> None:
    admin = make_admin()
    make_user("former", is_staff=True, is_superuser=True, is_active=False)
    client = client_of(admin)
    page = save(client, admin, **{field: None, "first_name": "Typed"})
    assert "is the only administrator" in text(page)
    assert 'value="Typed"' in text(page)
    admin.refresh_from_db()
    assert admin.is_active
    assert admin.is_staff
    assert admin.is_superuser

    other = make_admin("other")
    save(client, other, **{field: None})
    other.refresh_from_db()
    assert not getattr(other, field)


def test_the_last_administrator_is_not_deleted_by_anything() -> None:
    admin = make_admin()
    client = client_of(admin)
    fields = {"action": "delete_selected", "_selected_action": [admin.pk], "post": "yes"}
    client.post(reverse("admin:desk_user_changelist"), fields)
    assert client.post(reverse("admin:desk_user_delete", args=[admin.pk]), {"post": "yes"}).status_code == 403
    with transaction.atomic():
        assert "only administrator" in deletion_checks.reasons_to_keep(admin)[0]
    for delete in (admin.delete, User.objects.all().delete):
        with pytest.raises(Refused, match="only administrator"), transaction.atomic():
            delete()
    assert User.objects.get() == admin
    make_admin("other")
    with pytest.raises(Refused, match="only administrator"), transaction.atomic():
        User.objects.all().delete()
    admin.delete()
    assert User.objects.get().username == "other"


def test_the_list_of_users_has_no_action_and_no_field_that_changes_many() -> None:
    admin = site._registry[User]
    request = type("Request", (), {"user": make_admin(), "GET": {}})()
    assert admin.get_actions(request) == {}
    assert not admin.list_editable
