import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_im.messenger.media_hosts import Target, TargetRefused, addresses, target
from desk.pinned import is_public

HOSTS = [".fbcdn.net", ".fbsbx.com", "127.0.0.1:8090", "[::1]:8090", "Media.Example", "", "."]


@pytest.mark.parametrize(
    ("url", "host", "port", "trusted"),
    [
        ("https://scontent.xx.fbcdn.net/a.jpg?oh=1", "scontent.xx.fbcdn.net", 443, False),
        ("HTTPS://SCONTENT.FBCDN.NET/a", "scontent.fbcdn.net", 443, False),
        ("https://cdn.fbsbx.com:443/a", "cdn.fbsbx.com", 443, False),
        ("http://127.0.0.1:8090/a", "127.0.0.1", 8090, True),
        ("https://127.0.0.1:8090/a", "127.0.0.1", 8090, True),
        ("http://[::1]:8090/a", "::1", 8090, True),
        ("http://media.example/a", "media.example", 80, True),
        ("https://media.example/a", "media.example", 443, True),
    ],
)
def test_allowed_hosts_are_found(url: str, host: str, port: int, trusted: bool) -> None:
    found = target(url, HOSTS)
    assert (found.host, found.port, found.trusted) == (host, port, trusted)


@pytest.mark.parametrize(
    "url",
    [
        "http://scontent.fbcdn.net/a",
        "http://scontent.fbcdn.net:443/a",
        "https://scontent.fbcdn.net:8443/a",
        "https://fbcdn.net/a",
        "https://evilfbcdn.net/a",
        "https://scontent.fbcdn.net.evil.example/a",
        "https://scontent.fbcdn.net./a",
        "https://.fbcdn.net/a",
        "https://evil.example/scontent.fbcdn.net",
        "https://evil.example#.fbcdn.net",
        "https://evil.example?.fbcdn.net",
        "https://user@scontent.fbcdn.net/a",
        "https://user:pass@scontent.fbcdn.net/a",
        "https://evil.example\\@scontent.fbcdn.net/a",
        "https://evil.example%2f.fbcdn.net/a",
        "https://evil.example\t.fbcdn.net/a",
        "https://ｘ.fbcdn.net/a",
        "https://x_y%00.fbcdn.net/a",
        "http://127.0.0.1/a",
        "http://127.0.0.1:8091/a",
        "http://127.0.0.1:80900/a",
        "http://localhost:8090/a",
        "http://x.media.example/a",
        "https://media.example:444/a",
        "http://media.example:443/a",
        "https://2130706433/a",
        "https://[::ffff:127.0.0.1]/a",
        "https://[::1/a",
        "ftp://scontent.fbcdn.net/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//scontent.fbcdn.net/a",
        "scontent.fbcdn.net/a",
        "https:///a",
        "https://x.fbcdn.net/" + "a" * 9000,
        "",
        None,
        5,
    ],
)
def test_everything_else_is_refused_with_a_sentence(url: Any) -> None:
    with pytest.raises(TargetRefused) as caught:
        target(url, HOSTS)
    assert caught.value.reason.endswith(".")


def test_without_allowed_hosts_nothing_is_fetched() -> None:
    with pytest.raises(TargetRefused):
        target("https://scontent.fbcdn.net/a", [])


def test_the_path_is_quoted_and_its_escapes_are_kept() -> None:
    found = target("https://a.fbcdn.net/v/Grüße%20x.pdf?oh=a/b%2F&x=[1]", HOSTS)
    assert found.selector == "/v/Gr%C3%BC%C3%9Fe%20x.pdf?oh=a/b%2F&x=%5B1%5D"


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


def resolving(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: infos)  # the edge: DNS


BELOW = Target("https", "scontent.fbcdn.net", 443, "/", trusted=False)


@pytest.mark.parametrize("found", [("127.0.0.1",), ("157.240.1.1", "10.0.0.1"), ("::ffff:169.254.169.254",)])
def test_a_host_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    resolving(monkeypatch, *found)
    with pytest.raises(TargetRefused, match="private address"):
        addresses(BELOW)


def test_a_host_with_public_addresses_alone_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "157.240.1.1", "2a03:2880::1", "157.240.1.1")
    assert addresses(BELOW) == ["157.240.1.1", "2a03:2880::1"]


def test_a_host_listed_in_full_may_be_private(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "127.0.0.1")
    assert addresses(Target("http", "127.0.0.1", 8090, "/", trusted=True)) == ["127.0.0.1"]


@given(text=st.text(max_size=60))
def test_no_text_leads_anywhere_else(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}.fbcdn.net/", f"https://x.fbcdn.net{text}"):
        try:
            found = target(url, [".fbcdn.net"])
        except TargetRefused:
            continue
        assert found.host.endswith(".fbcdn.net")
        assert (found.scheme, found.port) == ("https", 443)
        assert found.selector.isascii()
        assert not set(found.selector) & set(" \r\n\t")
