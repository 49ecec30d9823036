"""DESK_PUBLIC_URL: what can work is understood, everything else is refused with a sentence."""

import pytest

from desk.public_url import host_of, normalise


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://desk.example.com", "https://desk.example.com"),
        ("https://desk.example.com/", "https://desk.example.com"),
        (" https://Desk.Example.com// ", "https://desk.example.com"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://Straße.example:444", "https://xn--strae-oqa.example:444"),
        ("https://例え.テスト", "https://xn--r8jz45g.xn--zckzah"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://desk.example.com:443", "https://desk.example.com"),
        ("http://desk.example.com:80/", "http://desk.example.com"),
        ("https://desk.example.com.", "https://desk.example.com"),
        ("https://192.0.2.7:8443", "https://192.0.2.7:8443"),
    ],
)
def test_an_address_becomes_what_browsers_send(given: str, url: str) -> None:
    assert normalise(given) == url


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("https://example.com/desk", "cannot run below a path"),
        ("https://example.com/?a=b", "cannot run below a path"),
        ("https://example.com/#top", "cannot run below a path"),
        ("https://user@example.com", "cannot run below a path"),
        ("desk.example.com", "full address"),
        ("ftp://desk.example.com", "full address"),
        ("https://", "full address"),
        ("", "full address"),
        ("https://[broken", "not a valid address"),
        ("https://desk.example.com:eighty", "not a valid address"),
        ("https://desk.example.com:99999", "not a valid address"),
        ("https://desk.example.com:0", "not a valid address"),
        ("https://a\u2024b.example\u0000ü", "not valid"),
        ("https://*", "host name is not valid"),
        ("https://*.example.com", "host name is not valid"),
        ("https://.example.com", "host name is not valid"),
        ("https://desk..example.com", "host name is not valid"),
        ("https://-", "host name is not valid"),
        ("https://a b.com", "host name is not valid"),
        ("https://a,b.com", "host name is not valid"),
        ("https://$HOST", "host name is not valid"),
        ("https://ex%61mple.com", "host name is not valid"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_a_sentence(given: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        normalise(given)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://desk.example.com", "desk.example.com"),
        ("http://localhost:8000", "localhost"),
        ("https://[2001:db8::1]", "[2001:db8::1]"),
        ("https://[2001:db8::1]:8443", "[2001:db8::1]"),
    ],
)
def test_the_host_is_what_allowed_hosts_wants(url: str, host: str) -> None:
    assert host_of(url) == host
