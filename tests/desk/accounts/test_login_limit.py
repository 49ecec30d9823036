"""Guessing passwords: after a few wrong ones the login waits, for the guesser and for nobody else."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client
from pytest_django import Settings

from desk import settings as installation
from desk.models import CacheRow
from tests.factories import PASSWORD, make_admin, make_agent

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"
WAIT = "Too many failed login attempts"
MANY = 120


@pytest.fixture(params=["memory", "database"])
def cache_kind(request: pytest.FixtureRequest, settings: Settings) -> str:
    """The counts are right in the cache of the tests and in that of an installation without Redis."""
    if request.param == "database":
        if configured.REDIS_URL:
            pytest.skip("this installation counts in Redis")
        settings.CACHES = installation.CACHES
    return request.param


def log_in(client: Client, password: str, name: str = "alice", **environ: Any) -> str:
    response = client.post(LOGIN, {"login": name, "password": password}, **environ)
    return "in" if response.status_code == 302 else response.content.decode()


def addresses() -> Iterator[str]:
    return (f"203.0.{block}.{number}" for block in range(100) for number in range(1, 250))


def test_after_ten_wrong_passwords_even_the_right_one_waits(client: Client, cache_kind: str) -> None:
    make_agent("alice")
    answers = [log_in(Client(), f"guess-{number}") for number in range(11)]
    assert WAIT not in answers[0]
    assert WAIT in answers[-1]
    assert WAIT in log_in(client, PASSWORD)
    assert "_auth_user_id" not in client.session
    assert CacheRow.objects.exists() == (cache_kind == "database")  # where every process sees them


def test_one_wrong_password_locks_nobody_out(client: Client) -> None:
    make_agent("alice")
    log_in(client, "wrong")
    assert log_in(client, PASSWORD) == "in"


def test_logins_that_succeed_do_not_count() -> None:
    make_agent("alice")
    assert {log_in(Client(), PASSWORD) for _ in range(12)} == {"in"}


def test_who_hammers_a_name_locks_it_only_for_their_own_address(client: Client) -> None:
    make_admin("admin")
    for number in range(30):
        answer = log_in(Client(), f"guess-{number}", "admin", REMOTE_ADDR="203.0.113.5")
    assert WAIT in answer
    assert log_in(client, PASSWORD, "admin", REMOTE_ADDR="192.0.2.1") == "in"


def test_many_names_from_one_address_wait_too() -> None:
    make_agent("alice")
    for number in range(21):
        log_in(Client(), "guess", f"name{number}", REMOTE_ADDR="203.0.113.5")
    assert WAIT in log_in(Client(), PASSWORD, REMOTE_ADDR="203.0.113.5")


@pytest.mark.slow
def test_one_name_from_many_addresses_waits_but_not_in_a_browser_that_knows_it(client: Client) -> None:
    make_admin("admin")
    assert log_in(client, PASSWORD, "admin", REMOTE_ADDR="192.0.2.1") == "in"
    client.post("/accounts/logout/")
    for number, address in zip(range(MANY), addresses(), strict=False):
        answer = log_in(Client(), f"guess-{number}", "admin", REMOTE_ADDR=address)
    assert WAIT in answer
    assert WAIT in log_in(Client(), PASSWORD, "admin", REMOTE_ADDR="198.51.100.1")
    assert log_in(client, PASSWORD, "admin", REMOTE_ADDR="198.51.100.2") == "in"


def test_also_beside_the_guesser_a_known_browser_gets_in(client: Client) -> None:
    """They share an address, as in one office."""
    make_admin("admin")
    log_in(client, PASSWORD, "admin")
    client.post("/accounts/logout/")
    for number in range(30):
        log_in(Client(), f"guess-{number}", "admin")
    assert WAIT in log_in(Client(), PASSWORD, "admin")
    assert log_in(client, PASSWORD, "admin") == "in"


def test_a_known_browser_may_not_guess_for_ever(client: Client) -> None:
    make_agent("alice")
    log_in(client, PASSWORD)
    client.post("/accounts/logout/")
    answers = [log_in(client, f"guess-{number}", REMOTE_ADDR=f"203.0.113.{number}") for number in range(11)]
    assert WAIT in answers[-1]


def test_a_browser_is_known_for_its_own_names_only(client: Client) -> None:
    make_agent("alice")
    make_admin("admin")
    log_in(client, PASSWORD)
    client.post("/accounts/logout/")
    for number in range(30):
        log_in(Client(), f"guess-{number}", "admin")
    assert WAIT in log_in(client, PASSWORD, "admin")


def test_a_cookie_that_desk_did_not_sign_is_worth_nothing(client: Client) -> None:
    make_agent("alice")
    log_in(client, PASSWORD)
    client.post("/accounts/logout/")
    name = configured.DEVICE_COOKIE_NAME
    client.cookies[name] = client.cookies[name].value[:-2] + "xx"
    for number in range(6):
        log_in(Client(), f"guess-{number}")
    assert WAIT in log_in(client, PASSWORD)


# --- Whose address
@pytest.mark.parametrize("is_behind_proxy", [True, False])
def test_a_header_that_the_guesser_writes_changes_nothing(settings: Settings, is_behind_proxy: bool) -> None:
    make_agent("alice")
    settings.DESK_BEHIND_PROXY = is_behind_proxy
    # the proxy appends the address it saw to what the browser sent
    seen = ", 203.0.113.5" if is_behind_proxy else ""
    for number in range(6):
        forged = f"198.51.100.{number}"
        headers: dict[str, Any] = {"HTTP_X_FORWARDED_FOR": forged + seen, "HTTP_X_REAL_IP": forged}
        answer = log_in(Client(), f"guess-{number}", **headers)
    assert WAIT in answer


def test_behind_a_proxy_each_browser_has_its_own_address(settings: Settings) -> None:
    make_agent("alice")
    settings.DESK_BEHIND_PROXY = True
    for number in range(6):
        log_in(Client(), f"guess-{number}", HTTP_X_FORWARDED_FOR="203.0.113.5")
    assert log_in(Client(), PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.6") == "in"


@pytest.mark.parametrize(
    ("proxies", "is_believed"),
    [(["127.0.0.0/8"], False), (["192.0.2.0/24"], True), (["::ffff:0:0/96"], False), ([], False)],
)
def test_only_a_trusted_proxy_says_whose_address_it_is(
    settings: Settings, proxies: list[str], is_believed: bool
) -> None:
    """A stranger who reaches the port past the proxy writes another address into each attempt."""
    make_agent("alice")
    settings.DESK_BEHIND_PROXY, settings.DESK_TRUSTED_PROXIES = True, [ip_network(text) for text in proxies]
    for number in range(6):
        headers: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.9", "HTTP_X_FORWARDED_FOR": f"198.51.100.{number}"}
        answer = log_in(Client(), f"guess-{number}", **headers)
    assert (WAIT in answer) is not is_believed


def test_the_scheme_counts_only_from_a_trusted_proxy(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.DESK_BEHIND_PROXY, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True
    https: dict[str, Any] = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}
    assert Client().get(LOGIN, **https).status_code == 200
    assert Client().get(LOGIN, REMOTE_ADDR="192.0.2.99", **https).status_code == 301
    assert "from 192.0.2.99 are ignored" in caplog.text


def test_without_any_address_a_login_works_and_counts() -> None:
    """A server on a Unix socket knows none."""
    make_agent("alice")
    for number in range(6):
        answer = log_in(Client(), f"guess-{number}", REMOTE_ADDR="")
    assert WAIT in answer
    assert log_in(Client(), PASSWORD, REMOTE_ADDR="192.0.2.1") == "in"
