"""The webhook as Meta meets it: whole requests to the view."""

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django_q.models import OrmQ
from pytest_django import Settings
from time_machine import TimeMachineFixture

from channels_im.models import WebhookDelivery
from desk import loops
from tests.factories import WEBHOOK_URL, body_of, post_webhook, sign
from tests.http import Response

pytestmark = pytest.mark.django_db

BODY = body_of({"object": "page", "entry": []})


def kept() -> list[bytes]:
    return [bytes(body) for body in WebhookDelivery.objects.order_by("pk").values_list("body", flat=True)]


# --- The challenge ----------------------------------------------------------------------------------------------------
def challenge(client: Client, **params: Any) -> Response:
    return client.get(WEBHOOK_URL, {f"hub.{name}": value for name, value in params.items()})


def test_the_challenge_is_answered_when_the_verify_token_is_right(client: Client) -> None:
    response = challenge(client, mode="subscribe", verify_token="sandbox-verify-token", challenge="1158201444")
    assert (response.status_code, response.content) == (200, b"1158201444")
    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "params",
    [
        {"mode": "subscribe", "verify_token": "wrong", "challenge": "1"},
        {"mode": "subscribe", "challenge": "1"},
        {"mode": "unsubscribe", "verify_token": "sandbox-verify-token", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "sandbox-verify-token", "challenge": "<script>"},
        {},
    ],
)
def test_any_other_challenge_is_refused(client: Client, params: dict[str, str]) -> None:
    assert challenge(client, **params).status_code == 403


# --- Deliveries -------------------------------------------------------------------------------------------------------
def test_a_signed_delivery_is_kept_byte_for_byte_and_answered_200(client: Client) -> None:
    body = b'{"object": "page",  "entry": [], "text": "\\u00e4 \xc3\xa4"}'
    assert post_webhook(client, body).status_code == 200
    assert kept() == [body]


@pytest.mark.django_db(transaction=True)
def test_a_delivery_is_processed_at_once_without_the_queue(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    monkeypatch.setattr(loops, "_stopping", stop)
    thread = threading.Thread(target=loops.Loop(loops.INTAKE).run)
    thread.start()
    try:
        post_webhook(client, BODY)
        deadline = time.monotonic() + 20
        while WebhookDelivery.objects.filter(state__in=("pending", "processing")).exists():
            assert time.monotonic() < deadline, "nobody processes the delivery"
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join(20)
    assert not OrmQ.objects.exists()


def test_a_delivery_signed_with_the_previous_secret_is_taken_while_rotating(client: Client, settings: Settings) -> None:
    settings.META_APP_SECRET_PREVIOUS = "the-old-secret"
    assert post_webhook(client, BODY, signature=sign(BODY, "the-old-secret")).status_code == 200
    settings.META_APP_SECRET_PREVIOUS = ""
    assert post_webhook(client, BODY, signature=sign(BODY, "the-old-secret")).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": sign(BODY + b" ", "sandbox-app-secret")},
        {"X-Hub-Signature-256": sign(BODY, "another-secret")},
        {"X-Hub-Signature-256": sign(BODY, "sandbox-app-secret").upper()},
        {"X-Hub-Signature-256": sign(BODY, "sandbox-app-secret").removeprefix("sha256=")},
        {"X-Hub-Signature": "sha1=5a4c3b2a19080706050403020100ffeeddccbbaa"},
        {"X-Hub-Signature-256": "sha256=ä"},
    ],
    ids=["missing", "empty", "wrong", "other body", "other secret", "upper case", "bare", "sha1 only", "not ascii"],
)
def test_a_bad_signature_is_403_and_nothing_is_kept(client: Client, headers: dict[str, str]) -> None:
    response = client.post(WEBHOOK_URL, BODY, content_type="application/json", headers=headers)
    assert response.status_code == 403
    assert kept() == []


def test_an_installation_without_app_secret_accepts_nothing(client: Client, settings: Settings) -> None:
    settings.META_APP_SECRET = settings.META_APP_SECRET_PREVIOUS = ""
    assert post_webhook(client, BODY, signature=sign(BODY, "x")).status_code == 403


def test_a_body_of_exactly_one_megabyte_is_kept_and_one_byte_more_is_413(client: Client) -> None:
    frame = len(body_of({"object": "page", "pad": ""}))
    largest = body_of({"object": "page", "pad": "x" * (1_048_576 - frame)})
    assert len(largest) == 1_048_576
    assert post_webhook(client, largest).status_code == 200
    assert post_webhook(client, largest + b" ").status_code == 413
    assert kept() == [largest]


@pytest.mark.parametrize("size", [2_000_000, 4_000_000])
def test_too_large_comes_before_the_signature(client: Client, size: int) -> None:
    assert post_webhook(client, b"x" * size, signature="sha256=nonsense").status_code == 413


def test_a_body_without_a_signature_is_not_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpRequest, "read", lambda *_: pytest.fail("the body was read"))
    assert client.post(WEBHOOK_URL, BODY, content_type="application/json").status_code == 403


@pytest.mark.parametrize("name", ["instagram", "user", "", None, 5])
def test_another_object_is_404_and_not_kept(client: Client, name: int | str | None) -> None:
    assert post_webhook(client, {"object": name, "entry": []}).status_code == 404
    assert kept() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"\xff\xfe\x00", b"[]", b"5", b"null", b'{"entry": []}', b'{"object":"page"}', b"[" * 100_000],
    ids=["empty", "text", "bytes", "list", "number", "null", "no object", "no entry", "deep"],
)
def test_what_meta_signed_is_kept_and_answered_200_though_it_has_no_sense(client: Client, body: bytes) -> None:
    assert post_webhook(client, body).status_code == 200
    assert kept() == [body]


def test_other_methods_are_not_allowed(client: Client) -> None:
    assert client.put(WEBHOOK_URL, BODY).status_code == 405


def test_when_the_database_cannot_keep_it_meta_is_asked_to_come_again(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE channels_im_webhookdelivery RENAME TO away")
    try:
        assert post_webhook(client, BODY).status_code == 503
    finally:
        connection.set_rollback(False)


def test_the_time_of_receipt_is_kept(client: Client, time_machine: TimeMachineFixture) -> None:
    from tests.factories import NOON

    time_machine.move_to(NOON, tick=False)
    post_webhook(client, BODY)
    time_machine.move_to(NOON + timedelta(hours=1), tick=False)
    assert WebhookDelivery.objects.get().received_at == NOON
    assert json.loads(kept()[0]) == {"object": "page", "entry": []}
