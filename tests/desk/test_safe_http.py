"""desk.safe_http: which URLs, which addresses, and that no exchange begins with an address that is not public."""

import socket
import time

import pytest

from desk.safe_http import AddressError, Exchange, Problem, Target, is_public, parse_url

BELOW = Target("https", "scontent.fbcdn.net", 443, "/")
LISTED = Target("http", "127.0.0.1", 8090, "/", is_listed=True)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - refused, not bound
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:100.64.0.1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "not an address",
    ],
)
def test_addresses_that_are_not_on_the_public_internet_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["157.240.1.1", "2a03:2880:f003::1", "::ffff:157.240.1.1", "64:ff9b::9df0:101"])
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(address)


def resolving(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Let every host resolve to `found`; return the list of addresses that are connected to. Nothing answers."""
    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in found]
    asked: list[str] = []

    def connect(address: tuple[str, int], _timeout: float) -> socket.socket:
        asked.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: infos)
    monkeypatch.setattr(socket, "create_connection", connect)
    return asked


def call(target: Target) -> None:
    with Exchange(target, time.monotonic() + 5) as exchange:
        exchange.request("GET", {})


@pytest.mark.parametrize("found", [("127.0.0.1",), ("157.240.1.1", "10.0.0.1"), ("::ffff:169.254.169.254",)])
def test_a_host_that_leads_to_a_private_address_is_never_connected_to(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...]
) -> None:
    asked = resolving(monkeypatch, *found)
    with pytest.raises(AddressError) as refused:
        call(BELOW)
    assert refused.value.code == Problem.PRIVATE
    assert not asked


def test_each_public_address_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolving(monkeypatch, "157.240.1.1", "2a03:2880::1", "157.240.1.1")
    with pytest.raises(ConnectionRefusedError):
        call(BELOW)
    assert asked == ["157.240.1.1", "2a03:2880::1"]


def test_a_host_listed_in_full_may_be_private(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolving(monkeypatch, "127.0.0.1")
    with pytest.raises(ConnectionRefusedError):
        call(LISTED)
    assert asked == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.com/", Problem.NOT_HTTPS),
        ("ftp://example.com/", Problem.NOT_HTTPS),
        ("https://user@example.com/", Problem.USER_NAME),
        ("https://127.0.0.1/", Problem.PRIVATE),
        ("https://[::1]/", Problem.PRIVATE),
        ("https://localhost/", Problem.PRIVATE),
        ("https://app.localhost/", Problem.PRIVATE),
        ("https://exa mple.com/", Problem.MALFORMED),
        ("https://example.com\\@evil.example/", Problem.MALFORMED),
        ("https://[::1/", Problem.MALFORMED),
        ("https:///path", Problem.MALFORMED),
        ("//example.com/", Problem.MALFORMED),
        ("", Problem.MALFORMED),
    ],
)
def test_a_url_that_is_not_called_says_why(url: str, problem: Problem) -> None:
    with pytest.raises(AddressError) as refused:
        parse_url(url)
    assert refused.value.code == problem
    assert refused.value.sentence.endswith(".")


def test_a_listed_host_may_be_called_by_http_on_its_port_alone() -> None:
    assert parse_url("http://127.0.0.1:8090/a?b=c", ["127.0.0.1:8090"]).is_listed
    with pytest.raises(AddressError):
        parse_url("http://127.0.0.1:8091/", ["127.0.0.1:8090"])
