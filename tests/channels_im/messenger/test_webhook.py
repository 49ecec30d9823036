import json

import pytest

from channels_im.messenger.signature import sign
from channels_im.messenger.webhook import MAX_BODY_BYTES, Outcome, check_post, verify_challenge

SECRET = "sandbox-app-secret"
CHALLENGE = {"hub.mode": "subscribe", "hub.verify_token": "verify", "hub.challenge": "1158201444"}


def signed(body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": sign(body, SECRET)}


def test_the_challenge_is_answered_when_the_token_is_right() -> None:
    assert verify_challenge(CHALLENGE, "verify") == "1158201444"


@pytest.mark.parametrize(
    "change",
    [
        {"hub.verify_token": "wrong"},
        {"hub.verify_token": ""},
        {"hub.verify_token": "verify "},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": ""},
        {"hub.challenge": "<script>alert(1)</script>"},
        {"hub.challenge": "1" * 300},
        {"hub.challenge": "1\n2"},
    ],
)
def test_any_other_challenge_is_refused(change: dict[str, str]) -> None:
    assert verify_challenge({**CHALLENGE, **change}, "verify") is None


@pytest.mark.parametrize("missing", list(CHALLENGE))
def test_a_challenge_with_a_part_missing_is_refused(missing: str) -> None:
    assert verify_challenge({key: value for key, value in CHALLENGE.items() if key != missing}, "verify") is None


@pytest.mark.parametrize("token", ["", None])
def test_without_a_verify_token_in_the_settings_no_challenge_is_answered(token: str | None) -> None:
    assert verify_challenge({**CHALLENGE, "hub.verify_token": ""}, token) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"object":"page","entry":[]}',
        b"{}",
        b"",
        b"not json",
        b"[1,2]",
        b"null",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"entry":[]}',
    ],
)
def test_what_meta_signed_is_accepted_whatever_sense_it_has(body: bytes) -> None:
    verdict = check_post(body, signed(body), [SECRET])
    assert (verdict.outcome, verdict.status, verdict.accepted) == (Outcome.ACCEPTED, 200, True)


@pytest.mark.parametrize("other", ["instagram", "user", None, 5, ["page"]])
def test_a_signed_delivery_of_another_object_is_404(other: object) -> None:
    body = json.dumps({"object": other, "entry": []}).encode()
    verdict = check_post(body, signed(body), [SECRET])
    assert (verdict.outcome, verdict.status, verdict.accepted) == (Outcome.OTHER_OBJECT, 404, False)


@pytest.mark.parametrize("headers", [{}, {"X-Hub-Signature-256": "sha256=00"}, signed(b"another body")])
def test_a_missing_or_wrong_signature_is_403(headers: dict[str, str]) -> None:
    verdict = check_post(b'{"object":"page"}', headers, [SECRET])
    assert (verdict.outcome, verdict.status, verdict.accepted) == (Outcome.BAD_SIGNATURE, 403, False)


def test_the_signature_comes_before_the_object() -> None:
    assert check_post(b'{"object":"instagram"}', {}, [SECRET]).status == 403


def test_a_sha1_signature_alone_is_403() -> None:
    assert check_post(b"{}", {"X-Hub-Signature": "sha1=" + "0" * 40}, [SECRET]).status == 403


def test_a_body_of_exactly_the_limit_is_accepted() -> None:
    body = b" " * MAX_BODY_BYTES
    assert check_post(body, signed(body), [SECRET]).status == 200


def test_a_body_over_the_limit_is_413_before_anything_else() -> None:
    verdict = check_post(b" " * (MAX_BODY_BYTES + 1), {}, [SECRET])
    assert (verdict.outcome, verdict.status, verdict.accepted) == (Outcome.TOO_LARGE, 413, False)


def test_headers_may_be_asgi_pairs_in_any_case() -> None:
    pairs = [(b"host", b"desk.example"), (b"x-hub-signature-256", sign(b"{}", SECRET).encode())]
    assert check_post(b"{}", pairs, [SECRET]).status == 200


def test_a_signature_header_given_twice_is_refused() -> None:
    pair = (b"x-hub-signature-256", sign(b"{}", SECRET).encode())
    assert check_post(b"{}", [pair, pair], [SECRET]).status == 403


def test_the_previous_app_secret_still_counts() -> None:
    assert check_post(b"{}", signed(b"{}"), ["new secret", SECRET]).status == 200
