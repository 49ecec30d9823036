"""Guessing passwords: after a few wrong ones the login waits, for the right one too."""

import pytest
from django.test import Client

from tests.factories import PASSWORD, make_agent

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"
WAIT = "Too many failed login attempts"


def log_in(client: Client, password: str, name: str = "alice") -> str:
    response = client.post(LOGIN, {"login": name, "password": password})
    return "in" if response.status_code == 302 else response.content.decode()


def test_after_ten_wrong_passwords_even_the_right_one_waits(client: Client) -> None:
    make_agent("alice")
    answers = [log_in(Client(), f"guess-{number}") for number in range(11)]
    assert WAIT not in answers[0]
    assert WAIT in answers[-1]
    assert WAIT in log_in(client, PASSWORD)
    assert "_auth_user_id" not in client.session


def test_one_wrong_password_locks_nobody_out(client: Client) -> None:
    make_agent("alice")
    log_in(client, "wrong")
    assert log_in(client, PASSWORD) == "in"
