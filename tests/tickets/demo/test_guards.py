"""Demo data go nowhere but into an empty database beside the sandbox of this machine."""

from collections.abc import Iterator

import pytest
import responses
from django.core.management import CommandError, call_command
from pytest_django import Settings

from desk.models import Department, User
from tests import factories

SANDBOX = "http://localhost:8090"


@pytest.fixture
def sandbox(settings: Settings) -> Iterator[responses.RequestsMock]:
    settings.META_GRAPH_URL = SANDBOX
    with responses.RequestsMock() as meta:
        yield meta


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["https://graph.facebook.com", "http://sandbox.example.com:8090"])
def test_another_address_than_this_machine_is_refused(settings: Settings, url: str) -> None:
    settings.META_GRAPH_URL = url
    with pytest.raises(CommandError, match="for the sandbox on this machine only"):
        call_command("demo_data")
    assert not User.objects.exists()


@pytest.mark.django_db
def test_something_else_on_this_machine_is_refused(sandbox: responses.RequestsMock) -> None:
    sandbox.get(f"{SANDBOX}/_sandbox/healthz", json={"database": "fine"})
    with pytest.raises(CommandError, match="is not the sandbox"):
        call_command("demo_data")
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_sandbox_that_does_not_run_is_one_sentence(sandbox: responses.RequestsMock) -> None:
    with pytest.raises(CommandError, match="does not answer"):
        call_command("demo_data")


@pytest.mark.django_db
def test_a_database_with_people_of_its_own_is_left_alone(sandbox: responses.RequestsMock) -> None:
    factories.make_admin()
    with pytest.raises(CommandError, match="users of its own"):
        call_command("demo_data")
    assert not Department.objects.exists()
