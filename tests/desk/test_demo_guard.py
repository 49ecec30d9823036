"""A database in which the demo has run is not served, whoever starts it and however its users were renamed."""

from io import StringIO

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.test import Client

from desk.models import User
from tests.factories import make_admin, make_user
from tickets.demo.people import create_people

pytestmark = pytest.mark.django_db


def preflight() -> str:
    out = StringIO()
    call_command("preflight", stdout=out)
    return out.getvalue()


def deploy_errors() -> set[str | None]:
    return {error.id for error in checks.run_checks(include_deployment_checks=True) if error.level >= checks.ERROR}


def test_the_demo_is_refused_with_the_way_out() -> None:
    create_people()
    with pytest.raises(CommandError, match=r"admin, alice, bob.*empty data folder.*delete_demo_users"):
        preflight()
    assert "desk.E001" in deploy_errors()


def test_one_user_with_the_demos_password_is_enough() -> None:
    make_admin("owner")
    make_user("alice")  # the factories' password is that of the demo
    with pytest.raises(CommandError, match="alice"):
        preflight()


def test_a_renamed_demo_user_is_still_one() -> None:
    create_people()
    User.objects.filter(username="admin").update(username="boss")
    User.objects.exclude(username="boss").delete()
    with pytest.raises(CommandError, match="boss"):
        preflight()


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


def test_after_deleting_the_demos_users_it_is_served(client: Client) -> None:
    create_people()
    out = StringIO()
    call_command("delete_demo_users", stdout=out)
    assert out.getvalue() == "Deleted: admin, alice, bob.\n"
    assert "createsuperuser" in preflight()
    client.post("/accounts/login/", {"login": "admin", "password": "desk-demo"})
    assert "_auth_user_id" not in client.session
