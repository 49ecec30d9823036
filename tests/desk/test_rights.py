"""Who may change users: nobody gives what they lack, and the last administrator stays."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse

from desk import deletion_checks
from desk.errors import Refused
from desk.models import User
from tests.factories import make_admin, make_agent, make_user
from tests.http import Response
from tests.pages import html_of
from tests.tickets.views.people.conftest import person_form
from tickets.services.people import roles

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
    return reverse("people:person", args=[user.pk])


def save(client: Client, user: User, **changes: Any) -> Response:
    """Post the page of a person as it is, with changes."""
    return client.post(url_of(user), person_form(user, **changes), follow=True)


def codenames(user: User) -> set[str]:
    return set(user.user_permissions.values_list("codename", flat=True))


# --- Giving
@pytest.mark.parametrize("target", ["alice", "manager"])
@pytest.mark.parametrize("role", [roles.ADMINISTRATOR, roles.LEAD])
def test_nobody_gives_a_built_in_role_with_more_than_they_have(
    client: Client, manager: User, role: str, target: str
) -> None:
    make_agent("alice")
    user = User.objects.get(username=target)
    page = text(save(client, user, role=role))
    assert "You can give only what you have yourself." in page
    assert f'value="{role}"' not in page
    assert User.objects.filter(pk=user.pk, is_superuser=False, is_staff=target == "manager").exists()
    assert not user.has_perm("desk.see_department_conversations")


@pytest.mark.parametrize("target", ["alice", "manager"])
def test_nobody_gives_a_role_with_a_permission_that_they_lack(client: Client, manager: User, target: str) -> None:
    make_agent("alice")
    user = User.objects.get(username=target)
    before = codenames(user)
    group = Group.objects.create(name="Erasers")
    group.permissions.add(permission("erase_contact"))
    assert "You can give only what you have yourself." in text(save(client, user, role=f"{roles.OWN}{group.pk}"))
    assert codenames(user) == before
    assert not user.groups.exists()
    assert "Erasers" not in text(client.get(url_of(user)))


def test_what_one_has_can_be_given_and_taken(client: Client) -> None:
    alice = make_agent("alice")
    group = Group.objects.create(name="Readers")
    group.permissions.add(permission("view_department"))
    save(client, alice, role=f"{roles.OWN}{group.pk}")
    assert list(alice.groups.all()) == [group]
    save(client, User.objects.get(pk=alice.pk), role=roles.AGENT)
    assert not alice.groups.exists()


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
        save(client, stronger, email="mine@example.org"),
        client.post(f"{url_of(stronger)}deactivate/", {"successor": "nobody"}),
        client.post(f"{url_of(stronger)}activate/"),
        set_password(client, stronger),
        client.get(f"/admin/desk/user/{stronger.pk}/password/"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert "has more rights than you" in text(answers[3])
    assert User.objects.filter(pk=stronger.pk).values().get() == before


def test_an_agent_and_an_equal_can_be_changed(client: Client) -> None:
    equal = with_permissions(make_user("equal", is_staff=True), "view_user")
    for user in (make_agent("alice"), equal):
        email = f"{user.username}@new.example"
        assert save(client, user, email=email).status_code == 200
        assert "successfully" in text(set_password(client, user))
        user.refresh_from_db()
        assert user.email == email
        assert user.check_password(NEW)


# --- The last administrator
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


# --- The addresses of the stock pages
def test_the_old_pages_lead_to_people() -> None:
    client, alice = client_of(make_admin()), make_agent("alice")
    person, group = url_of(alice), Group.objects.create(name="Readers")
    for url, target in (
        ("/admin/desk/user/", "/admin/people/"),
        ("/admin/desk/agent/", "/admin/people/"),
        ("/admin/desk/user/add/", "/admin/people/invite/"),
        ("/admin/desk/agent/add/", "/admin/people/invite/"),
        ("/admin/auth/group/", "/admin/people/roles/"),
        ("/admin/auth/group/add/", "/admin/people/roles/add/"),
        (f"/admin/auth/group/{group.pk}/change/", f"/admin/people/roles/{group.pk}/"),
        (f"/admin/desk/user/{alice.pk}/change/", person),
        (f"/admin/desk/agent/{alice.agent.pk}/change/", person),
    ):
        assert client.get(url)["Location"] == target
        assert client.post(url, {"username": "mallory", "is_superuser": "on"})["Location"] == target
        assert client_of(alice).get(url).status_code == 403
    assert User.objects.filter(pk=alice.pk, username="alice", is_superuser=False).exists()
    assert client.get("/admin/desk/agent/999999/change/").status_code == 404
    history = text(client.get(f"/admin/desk/user/{alice.pk}/history/"))
    assert '<a href="/admin/desk/user/">People</a>' in history
    password = text(client.get(f"/admin/desk/user/{alice.pk}/password/"))
    assert f'<a href="/admin/people/">People</a> › <a href="{person}">alice</a>' in password
