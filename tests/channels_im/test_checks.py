"""What `manage.py check` says of settings that are missing or do not fit together."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from pytest_django import Settings

WHOLE = {
    "META_APP_ID": "1",
    "META_APP_SECRET": "secret",
    "META_VERIFY_TOKEN": "token",
    "META_GRAPH_URL": "https://graph.facebook.com",
    "META_DIALOG_URL": "https://www.facebook.com",
    "PUBLIC_URL": "https://desk.example.com",
    "HTTPS": True,
    "ALLOWED_HOSTS": ["desk.example.com"],
}

pytestmark = pytest.mark.django_db  # a check of `check --deploy` looks for the users of the demo


@pytest.fixture
def found(settings: Settings) -> Callable[..., set[str]]:
    """Return the ids that are found when some settings are changed in a whole installation."""

    def find(*, deploy: bool = True, **changes: Any) -> set[str]:
        for name, value in (WHOLE | changes).items():
            setattr(settings, name, value)
        messages = checks.run_checks(include_deployment_checks=deploy)
        mine = [message for message in messages if str(message.id).startswith("channels_im.")]
        assert all(message.hint for message in mine)
        return {str(message.id).removeprefix("channels_im.") for message in mine}

    return find


@pytest.mark.slow
def test_a_whole_installation_is_silent(found: Callable[..., set[str]]) -> None:
    assert found() == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"META_APP_ID": ""}, "W001"),
        ({"META_APP_SECRET": ""}, "W002"),
        ({"META_VERIFY_TOKEN": ""}, "W003"),
        ({"PUBLIC_URL": "desk.example.com"}, "W004"),
        ({"PUBLIC_URL": "https://[broken"}, "W004"),
        ({"ALLOWED_HOSTS": ["localhost", "127.0.0.1", "[::1]"]}, "W005"),
        ({"ALLOWED_HOSTS": []}, "W005"),
        ({"PUBLIC_URL": "http://desk.example.com", "HTTPS": False}, "W006"),
        ({"META_GRAPH_URL": "http://graph.example.com"}, "E001"),
        ({"META_GRAPH_URL": "graph.facebook.com"}, "E001"),
        ({"META_GRAPH_URL": "http://localhost.example.com"}, "E001"),
        ({"META_DIALOG_URL": "http://www.example.com"}, "E002"),
    ],
)
def test_what_is_wrong_is_found(found: Callable[..., set[str]], changes: dict[str, Any], number: str) -> None:
    assert found(**changes) == {number}


@pytest.mark.parametrize("hosts", [["*"], [".example.com"], ["other.example.com", "desk.example.com"]])
def test_hosts_that_cover_the_address_are_fine(found: Callable[..., set[str]], hosts: list[str]) -> None:
    assert found(ALLOWED_HOSTS=hosts) == set()


DEMO = {
    "PUBLIC_URL": "http://localhost:8000",
    "HTTPS": False,
    "ALLOWED_HOSTS": ["localhost", "127.0.0.1", "[::1]"],
    "META_GRAPH_URL": "http://localhost:8090",
    "META_DIALOG_URL": "http://127.0.0.1:8090",
}


def test_the_demo_is_silent_and_only_the_check_for_deployment_asks_for_https(found: Callable[..., set[str]]) -> None:
    assert found(deploy=False, **DEMO) == set()
    assert found(**DEMO) == {"W006"}


def test_the_command_names_the_setting(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.META_VERIFY_TOKEN = ""
    call_command("check")

    assert "META_VERIFY_TOKEN is not set" in capsys.readouterr().err
