import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_im.messenger.media_hosts import MediaHostError, media_target

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
    found = media_target(url, HOSTS)
    assert (found.host, found.port, found.is_listed) == (host, port, trusted)


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
    ],
)
def test_everything_else_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(MediaHostError) as caught:
        media_target(url, HOSTS)
    assert caught.value.sentence.endswith(".")


def test_without_allowed_hosts_nothing_is_fetched() -> None:
    with pytest.raises(MediaHostError):
        media_target("https://scontent.fbcdn.net/a", [])


def test_the_path_is_quoted_and_its_escapes_are_kept() -> None:
    found = media_target("https://a.fbcdn.net/v/Grüße%20x.pdf?oh=a/b%2F&x=[1]", HOSTS)
    assert found.selector == "/v/Gr%C3%BC%C3%9Fe%20x.pdf?oh=a/b%2F&x=%5B1%5D"


@given(text=st.text(max_size=60))
def test_no_text_leads_anywhere_else(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}.fbcdn.net/", f"https://x.fbcdn.net{text}"):
        try:
            found = media_target(url, [".fbcdn.net"])
        except MediaHostError:
            continue
        assert found.host.endswith(".fbcdn.net")
        assert (found.scheme, found.port) == ("https", 443)
        assert found.selector.isascii()
        assert not set(found.selector) & set(" \r\n\t")
