import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_im.messenger.signature import SignedRequestError, is_valid, parse_signed_request, sign

SECRET = "sandbox-app-secret"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ISSUED = int(NOW.timestamp())


def test_the_signature_of_a_known_body_is_the_documented_hmac() -> None:
    wanted = hmac.new(b"key", b'{"a":1}', hashlib.sha256).hexdigest()
    assert sign(b'{"a":1}', "key") == f"sha256={wanted}"


def test_the_current_secret_is_accepted() -> None:
    assert is_valid(b"body", sign(b"body", SECRET), [SECRET, "old"])


def test_the_previous_secret_is_accepted() -> None:
    assert is_valid(b"body", sign(b"body", "old"), [SECRET, "old"])


def test_the_bytes_are_hashed_untouched_escapes_and_all() -> None:
    body = b'{"text":"\\u00e4 \\/ \\u003c"}'
    assert is_valid(body, sign(body, SECRET), [SECRET])
    assert not is_valid('{"text":"ä / <"}'.encode(), sign(body, SECRET), [SECRET])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        sign(b"other body", SECRET),
        sign(b"body", "another secret"),
        sign(b"body", SECRET).removeprefix("sha256="),
        sign(b"body", SECRET).upper(),
        sign(b"body", SECRET) + " ",
        "sha1=" + hmac.new(SECRET.encode(), b"body", hashlib.sha1).hexdigest(),
        "sha256=ä",
    ],
)
def test_any_other_header_is_refused(header: str | None) -> None:
    assert not is_valid(b"body", header, [SECRET])


@pytest.mark.parametrize("secrets", [[], [""], [None], ["", None]])
def test_without_a_secret_nothing_is_accepted(secrets: list[str | None]) -> None:
    assert not is_valid(b"body", sign(b"body", ""), secrets)


@given(body=st.binary(max_size=200), flipped=st.integers(min_value=0))
def test_one_changed_byte_breaks_the_signature(body: bytes, flipped: int) -> None:
    signed = body + b"."
    place = flipped % len(signed)
    changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
    assert is_valid(signed, sign(signed, SECRET), [SECRET])
    assert not is_valid(changed, sign(signed, SECRET), [SECRET])


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed_request(payload: Any, secret: str = SECRET) -> str:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    encoded = encode(raw)
    return f"{encode(hmac.new(secret.encode(), encoded.encode(), hashlib.sha256).digest())}.{encoded}"


GOOD = {"algorithm": "HMAC-SHA256", "issued_at": ISSUED, "expires": ISSUED + 3600, "user_id": "218471"}


def test_a_signed_request_names_the_person_and_the_time() -> None:
    request = parse_signed_request(signed_request(GOOD), [SECRET], now=NOW)
    assert (request.user_id, request.issued_at, request.payload["expires"]) == ("218471", NOW, ISSUED + 3600)


def test_a_signed_request_of_the_previous_secret_is_accepted() -> None:
    assert parse_signed_request(signed_request(GOOD, "old"), [SECRET, "old"], now=NOW).user_id == "218471"


def test_a_user_id_given_as_a_number_is_a_string() -> None:
    assert parse_signed_request(signed_request({**GOOD, "user_id": 218471}), [SECRET], now=NOW).user_id == "218471"


def test_a_signed_request_of_exactly_an_hour_is_accepted() -> None:
    assert parse_signed_request(signed_request(GOOD), [SECRET], now=NOW + timedelta(hours=1)).user_id == "218471"


def test_a_signed_request_a_little_ahead_of_our_clock_is_accepted() -> None:
    assert parse_signed_request(signed_request(GOOD), [SECRET], now=NOW - timedelta(minutes=5)).user_id == "218471"


@pytest.mark.parametrize(
    ("payload", "part_of_reason"),
    [
        ({**GOOD, "algorithm": "HMAC-SHA1"}, "algorithm"),
        ({**GOOD, "algorithm": None}, "algorithm"),
        ({**GOOD, "issued_at": ISSUED - 3601}, "too old"),
        ({**GOOD, "issued_at": ISSUED + 301}, "future"),
        ({**GOOD, "issued_at": str(ISSUED)}, "when"),
        ({**GOOD, "issued_at": True}, "when"),
        ({**GOOD, "issued_at": 10**400}, "future"),
        ({key: value for key, value in GOOD.items() if key != "issued_at"}, "when"),
        ({**GOOD, "user_id": ""}, "no user"),
        ({**GOOD, "user_id": None}, "no user"),
        ([GOOD], "object"),
        (b"\xff\xfe not json", "not JSON"),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_a_rightly_signed_request_without_sense_is_refused(payload: Any, part_of_reason: str) -> None:
    with pytest.raises(SignedRequestError) as caught:
        parse_signed_request(signed_request(payload), [SECRET], now=NOW)
    assert part_of_reason in caught.value.reason


@pytest.mark.parametrize(
    ("text", "part_of_reason"),
    [
        (signed_request(GOOD, "forged"), "does not match"),
        (signed_request(GOOD).split(".")[0] + "." + encode(json.dumps({**GOOD, "user_id": "1"}).encode()), "not match"),
        ("." + signed_request(GOOD).split(".")[1], "does not match"),
        ("no dot at all", "no dot"),
        ("", "no dot"),
        ("!!!." + signed_request(GOOD).split(".")[1], "base64url"),
        (signed_request(GOOD) + "ä", "base64url"),
        (signed_request(GOOD).replace(".", ".A", 1), "not match"),
        ("A" * 20_000, "too long"),
    ],
)
def test_a_forged_or_malformed_signed_request_is_refused(text: str, part_of_reason: str) -> None:
    with pytest.raises(SignedRequestError) as caught:
        parse_signed_request(text, [SECRET], now=NOW)
    assert part_of_reason in caught.value.reason


def test_a_signed_request_without_any_secret_is_refused() -> None:
    with pytest.raises(SignedRequestError):
        parse_signed_request(signed_request(GOOD, ""), ["", None], now=NOW)


@given(text=st.text(max_size=300))
def test_no_text_makes_anything_but_a_refusal(text: str) -> None:
    with pytest.raises(SignedRequestError):
        parse_signed_request(text, [SECRET], now=NOW)
