"""Every row of Meta's error table, as the contract lists them, and the rule between the rows."""

import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_im.messenger.errors import (
    ErrorKind,
    GraphError,
    GraphOutcomeUnknown,
    GraphUnreachable,
    ReauthReason,
    classify,
    redact,
    retry_after_seconds,
)

T, L, P = ErrorKind.TRANSIENT, ErrorKind.RATE_LIMITED, ErrorKind.PERMANENT
W, R, O = ErrorKind.WINDOW_CLOSED, ErrorKind.RECIPIENT_UNAVAILABLE, ErrorKind.OTHER_APP_CONTROLS  # noqa: E741
A, G, M = ErrorKind.REAUTHENTICATE, ErrorKind.PAGE_RESTRICTED, ErrorKind.APP_MISCONFIGURED

# code, subcode, kind, retry
TABLE = [
    (1, None, T, True),
    (1, 99, T, True),
    (1, 1357046, P, False),
    (2, None, T, True),
    (2, 2018344, P, False),
    (3, None, M, False),
    (4, None, L, True),
    (17, None, L, True),
    (32, None, L, True),
    (613, None, L, True),
    (80001, None, L, True),
    (80006, None, L, True),
    (341, None, L, True),
    (613, 2018338, P, False),
    (9, 2018352, P, False),
    (613, 1893016, P, False),
    (4, 2018354, P, False),
    (10, None, A, False),
    (10, 2018278, W, False),
    (10, 2018065, W, False),
    (10, 2534022, W, False),
    (10, 2018108, R, False),
    (10, 1893063, G, False),
    (10, 2018336, P, False),
    (10, 2018300, O, False),
    (2018300, None, O, False),
    (100, 2018300, O, False),
    (10, 2018321, T, True),
    (2018321, None, T, True),
    (27, None, P, False),
    (100, None, P, False),
    (100, 33, P, False),
    (100, 2018001, R, False),
    (100, 2018008, T, True),
    (100, 2018294, P, False),
    (100, 2018047, P, False),
    (100, 2018074, P, False),
    (100, 2018109, P, False),
    (100, 2018014, P, False),
    (100, 2018164, M, False),
    (100, 2018034, P, False),
    (100, 2534037, O, False),
    (100, 1893061, P, False),
    (190, None, A, False),
    (190, 458, A, False),
    (190, 459, A, False),
    (190, 460, A, False),
    (190, 463, A, False),
    (190, 464, A, False),
    (190, 467, A, False),
    (190, 492, A, False),
    (102, None, A, False),
    (102, 463, A, False),
    (200, None, M, False),
    (200, 2018028, M, False),
    (200, 1349125, A, False),
    (201, None, A, False),
    (230, None, A, False),
    (283, None, A, False),
    (299, None, A, False),
    (200, 1545041, R, False),
    (551, 1545041, R, False),
    (551, None, R, False),
    (200, 2018021, P, False),
    (200, 2018027, P, False),
    (368, None, G, False),
    (1200, None, T, True),
    (2022, None, P, False),
    (9000001, None, P, False),
    (100, 9000001, P, False),
    (2018218, None, P, False),
    (100, 2018218, P, False),
    (10, 2018247, M, False),
    (2018247, None, M, False),
]


@pytest.mark.parametrize(("code", "subcode", "kind", "retry"), TABLE)
def test_every_row_of_the_table_has_its_verdict(code: int, subcode: int | None, kind: ErrorKind, retry: bool) -> None:
    verdict = classify(code, subcode, 400)
    assert (verdict.kind, verdict.retry) == (kind, retry)
    assert verdict.sentence.endswith(".")
    assert (verdict.reason is not None) == (kind is A)


@pytest.mark.parametrize(
    ("code", "subcode", "reason"),
    [
        (190, None, ReauthReason.PERMISSION_REVOKED),
        (190, 458, ReauthReason.APP_REMOVED),
        (190, 459, ReauthReason.CHECKPOINT),
        (190, 460, ReauthReason.PASSWORD_CHANGED),
        (190, 463, ReauthReason.TOKEN_EXPIRED),
        (190, 464, ReauthReason.CHECKPOINT),
        (190, 467, ReauthReason.TOKEN_EXPIRED),
        (190, 492, ReauthReason.ROLE_LOST),
        (102, 460, ReauthReason.PASSWORD_CHANGED),
        (10, None, ReauthReason.PERMISSION_REVOKED),
        (230, None, ReauthReason.PERMISSION_REVOKED),
    ],
)
def test_a_dead_token_names_its_reason(code: int, subcode: int | None, reason: ReauthReason) -> None:
    assert classify(code, subcode).reason is reason


@pytest.mark.parametrize("subcode", [0, 1, 456, 457, 461, 462, 465, 466, 468, 2018278, 1545041, 99999999])
def test_190_with_any_subcode_is_re_authentication(subcode: int) -> None:
    assert classify(190, subcode).kind is A


MESSAGE_SUBCODES = sorted({row[1] for row in TABLE if row[1] and row[1] > 10_000 and row[2] is not A})


@given(
    code=st.one_of(st.sampled_from([1, 2, 4, 10, 100, 200, 230, 551, 613]), st.none()),
    subcode=st.sampled_from(MESSAGE_SUBCODES),
    status=st.sampled_from([None, 200, 400, 403, 500]),
)
def test_a_refusal_of_one_message_never_marks_the_page(code: int | None, subcode: int, status: int | None) -> None:
    assert classify(code, subcode, status).kind is not A
    assert classify(subcode, None, status).kind is not A


@pytest.mark.parametrize("code", [10, 200, 210])
@pytest.mark.parametrize("subcode", [2018999, 1545999, 1893001, 2534001])
def test_an_unknown_subcode_of_the_message_families_never_marks_the_page(code: int, subcode: int) -> None:
    assert classify(code, subcode).kind is P


def test_a_message_that_meta_says_was_sent_is_never_sent_again() -> None:
    verdict = classify(1, 1357046)
    assert (verdict.never_resend, verdict.retry, verdict.outcome_unknown) == (True, False, True)


def test_an_unknown_error_may_have_sent_the_message() -> None:
    assert classify(1, None, 400).outcome_unknown


@pytest.mark.parametrize("code", [None, 1, 2, 1200, 424242])
def test_a_server_error_leaves_the_outcome_unknown(code: int | None) -> None:
    verdict = classify(code, None, 500)
    assert (verdict.kind, verdict.retry, verdict.outcome_unknown) == (T, True, True)


@pytest.mark.parametrize(("code", "subcode", "kind"), [(190, None, A), (10, 2018278, W), (4, None, L), (100, None, P)])
def test_numbers_decide_before_the_http_status(code: int, subcode: int | None, kind: ErrorKind) -> None:
    for status in (200, 400, 401, 403, 500, 503):
        verdict = classify(code, subcode, status)
        assert (verdict.kind, verdict.outcome_unknown) == (kind, False)


@pytest.mark.parametrize(("status", "kind"), [(429, L), (400, P), (404, P), (413, P), (502, T), (None, T)])
def test_without_a_code_the_status_decides(status: int | None, kind: ErrorKind) -> None:
    assert classify(None, None, status).kind is kind


def test_an_unknown_code_is_permanent() -> None:
    assert (classify(424242, None, 400).kind, classify(424242, 1, 400).retry) == (P, False)


@given(code=st.one_of(st.none(), st.integers()), subcode=st.one_of(st.none(), st.integers()))
def test_every_pair_of_numbers_has_a_consistent_verdict(code: int | None, subcode: int | None) -> None:
    verdict = classify(code, subcode, 400)
    assert (verdict.reason is not None) == (verdict.kind is A)
    assert not (verdict.never_resend and verdict.retry)
    assert verdict.retry == (verdict.kind in (T, L))


def test_an_unreachable_meta_is_safe_to_try_again() -> None:
    verdict = GraphUnreachable("refused").verdict
    assert (verdict.kind, verdict.retry, verdict.outcome_unknown) == (T, True, False)


def test_a_lost_answer_has_an_unknown_outcome_whatever_its_status() -> None:
    for status in (None, 200, 302, 502):
        assert GraphOutcomeUnknown("lost", http_status=status).verdict.outcome_unknown


def test_an_outcome_unknown_error_keeps_the_verdict_of_its_numbers() -> None:
    assert GraphOutcomeUnknown("sent", code=1, subcode=1357046, http_status=400).verdict.never_resend


def test_an_error_shows_its_numbers_for_the_log() -> None:
    error = GraphError("Error validating", code=190, subcode=463, fbtrace_id="Az8", http_status=400)
    assert str(error) == "error 190/463, HTTP 400, fbtrace Az8: Error validating"


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(GraphError("x", code=4, retry_after_s=60)))  # noqa: S301 - our own bytes
    assert (error.code, error.retry_after_s, error.verdict.kind) == (4, 60, L)


@pytest.mark.parametrize(
    "text",
    [
        "Malformed access token EAABsbCS1iHgBAKZCZBtoken",
        "https://graph.facebook.com/me?access_token=EAABsbCS1iHgBAKZCZBtoken&x=1",
        "access_token: EAABsbCS1iHgBAKZCZBtoken",
        "header Bearer EAABsbCS1iHgBAKZCZBtoken",
        "fb_exchange_token=EAABsbCS1iHgBAKZCZBtoken",
        '{"input_token": "EAABsbCS1iHgBAKZCZBtoken"}',
    ],
)
def test_no_error_text_holds_a_token(text: str) -> None:
    error = GraphError(text)
    assert "EAABsbCS1iHgBAKZCZB" not in str(error) + repr(error) + repr(error.args)


def test_known_secrets_are_cut_out_wherever_they_stand() -> None:
    assert redact("bad 100000000000001|app-secret-x, token sandbox-token", "sandbox-token") == "bad ***, token ***"


def test_numbers_in_an_error_text_are_kept() -> None:
    assert redact("(#100) error code: 33 for object 7001") == "(#100) error code: 33 for object 7001"


NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Fri, 20 Nov 2026 12:01:00 GMT"}, 60),
        ({"Retry-After": "Fri, 20 Nov 2026 11:00:00 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "99999999999999"}, 86_400),
        ({"X-Business-Use-Case-Usage": '{"1":[{"type":"messenger","estimated_time_to_regain_access":7}]}'}, 420),
        (
            {
                "X-Business-Use-Case-Usage": (
                    '{"1":[{"estimated_time_to_regain_access":0},{"estimated_time_to_regain_access":2}],'
                    '"2":[{"estimated_time_to_regain_access":3}]}'
                ),
                "Retry-After": "5",
            },
            180,
        ),
        ({"X-Business-Use-Case-Usage": "not json"}, None),
        ({"X-Business-Use-Case-Usage": '{"1":5,"2":[5,{"estimated_time_to_regain_access":true}]}'}, None),
        ({"X-Business-Use-Case-Usage": "[" * 20_000}, None),
    ],
)
def test_the_pause_meta_asks_for_is_read_from_the_headers(headers: dict[str, str], seconds: int | None) -> None:
    assert retry_after_seconds(headers, NOW) == seconds
