"""A database in which the demo has run is not served, whoever starts it and however its users were renamed."""

from io import StringIO
from pathlib import Path

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from desk import audit_log
from desk.models import Department, User
from tests.factories import make_admin, make_token, make_user
from tickets.demo.people import create_people

pytestmark = pytest.mark.django_db


def preflight(*arguments: str) -> str:
    out = StringIO()
    call_command("preflight", *arguments, stdout=out)
    return out.getvalue()


def deploy_errors() -> set[str | None]:
    return {error.id for error in checks.run_checks(include_deployment_checks=True) if error.level >= checks.ERROR}


def test_the_demo_is_refused_with_the_way_out() -> None:
    create_people()
    with pytest.raises(CommandError, match=r"admin, alice, bob.*empty data folder.*disable_demo_users"):
        preflight()
    assert "desk.E001" in deploy_errors()


def test_one_user_with_the_demos_password_is_enough() -> None:
    make_admin("owner")
    make_user("alice")  # the factories' password is that of the demo
    with pytest.raises(CommandError, match="alice"):
        preflight()


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize(
    "renamed",
    [{"username": "boss"}, {"username": "boss", "email": "boss@example.org"}, {"email": "ADMIN@Desk.Example"}],
    ids=["name", "name and e-mail", "capitals"],
)
def test_a_renamed_demo_administrator_is_still_one(renamed: dict[str, str], is_active: bool) -> None:
    create_people()
    User.objects.filter(username="admin").update(**renamed, is_active=is_active)
    User.objects.exclude(is_superuser=True).delete()
    with pytest.raises(CommandError, match="users of the demo"):
        preflight("--before-migrate")


def test_an_installation_of_its_own_is_served() -> None:
    administrator = make_admin("admin")
    administrator.set_password("a-password-of-our-own")
    administrator.save()
    assert preflight() == ""
    assert "desk.E001" not in deploy_errors()


@pytest.mark.parametrize("others", [0, 1])
def test_without_an_administrator_it_says_how_to_create_one(others: int) -> None:
    for number in range(others):
        make_user(f"agent{number}")
    assert "createsuperuser" in preflight()


def test_before_migrating_only_the_demo_is_looked_for() -> None:
    assert preflight("--before-migrate") == ""


def test_after_disabling_the_demos_users_it_is_served_and_nobody_gets_in(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "demo").touch()
    (tmp_path / "sandbox").mkdir()
    create_people()
    key = make_token(User.objects.get(username="admin"))
    department = Department.objects.create(name="New")
    audit_log.record(User.objects.get(username="admin"), department, audit_log.ADDITION, "Created.")
    out = StringIO()
    call_command("disable_demo_users", stdout=out)
    assert out.getvalue() == "Disabled: admin, alice, bob.\n"
    assert "createsuperuser" in preflight()
    assert list(tmp_path.iterdir()) == []
    client.post("/accounts/login/", {"login": "admin", "password": "desk-demo"})
    assert "_auth_user_id" not in client.session
    assert client.get("/api/v1/channels/", headers={"Authorization": f"Token {key}"}).status_code == 401
    assert [entry.actor_name for entry in audit_log.entries_of(department)] == ["Ada Fields (admin)"]


def test_demo_data_refuses_a_real_database_before_anything_is_changed() -> None:
    make_user("owner")
    with pytest.raises(CommandError, match="users of its own"):
        call_command("demo_data", "--check")
    User.objects.all().delete()
    call_command("demo_data", "--check")
    create_people()
    call_command("demo_data", "--check")
