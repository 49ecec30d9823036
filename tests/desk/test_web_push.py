"""Web Push: the examples of the standard, and what is refused before anything is sent."""

import pytest

from desk import web_push
from tests.push_service import BrowserKeys, bytes_of, claims_of

# RFC 8291, section 5
PLAIN = b"When I grow up, I want to be a watermelon"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_example_of_the_standard() -> None:
    body = web_push.encrypt(PLAIN, BROWSER, AUTH, salt=bytes_of(SALT), private_key=SENDER)
    assert web_push.encode(body) == BODY


def test_each_message_is_encrypted_with_keys_of_its_own_and_read_by_its_browser() -> None:
    browser, other = BrowserKeys(), BrowserKeys()
    bodies = [web_push.encrypt("Grüße 👋".encode(), *browser.fields.values()) for _ in range(2)]
    assert [browser.decrypt(body).decode() for body in bodies] == ["Grüße 👋"] * 2
    assert bodies[0][:86] != bodies[1][:86]
    with pytest.raises(Exception, match=r"^$"):  # InvalidTag
        other.decrypt(bodies[0])


def test_the_longest_message_fits_what_push_services_take() -> None:
    browser = BrowserKeys()
    assert len(web_push.encrypt(b"x" * web_push.MAX_BYTES, *browser.fields.values())) <= 4096
    with pytest.raises(ValueError, match="too long"):
        web_push.encrypt(b"x" * (web_push.MAX_BYTES + 1), *browser.fields.values())


def test_the_sender_is_named_by_a_token_for_this_push_service() -> None:
    private, public = web_push.make_key()
    header = web_push.authorization("https://push.example:8443/x?y=1", private, public, "mailto:a@example.com", 1000.9)
    claims, key = claims_of(header)
    assert claims == {"aud": "https://push.example:8443", "exp": 1000 + 12 * 3600, "sub": "mailto:a@example.com"}
    assert key == public
    assert len(bytes_of(public)) == 65


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        ("", AUTH),
        (BROWSER, ""),
        (BROWSER[:-4], AUTH),
        (BROWSER, AUTH + "AAAA"),
        ("B" + "A" * 86, AUTH),  # no point on the curve
        ("%%%", AUTH),
        ("ä" * 87, AUTH),
    ],
)
def test_keys_that_no_browser_makes_are_refused(p256dh: str, auth: str) -> None:
    web_push.check_keys(BROWSER, AUTH)
    with pytest.raises(web_push.KeyProblem):
        web_push.check_keys(p256dh, auth)
