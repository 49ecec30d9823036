"""/healthz and /readyz."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings
from time_machine import TimeMachineFixture

from channels_im.models import WebhookDelivery
from desk import __version__, health
from desk.models import Heartbeat
from tests.factories import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def noon(time_machine: TimeMachineFixture) -> TimeMachineFixture:
    time_machine.move_to(NOON, tick=False)
    return time_machine


def test_the_process_answers_healthz_without_the_database(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "version": __version__}


def test_ready_is_ok_with_a_living_worker_and_empty_queues(client: Client, noon: TimeMachineFixture) -> None:
    health.record_heartbeat()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "database": "ok",
        "media": "ok",
        "worker": {"heartbeat_age_s": 0.0},
        "journal": {"pending": 0, "failed": 0, "oldest_s": 0},
        "outbox": {"queued": 0, "unsure": 0, "oldest_s": 0},
        "events": {"waiting": 0, "oldest_s": 0},
        "problems": [],
        "failing": [],
    }


@pytest.mark.parametrize(
    ("address", "headers", "sees_details"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, False),  # through the proxy on this machine
        ("203.0.113.9", {}, False),
        ("203.0.113.9", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("203.0.113.9", {"Authorization": "Bearer wrong"}, False),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9", "Authorization": "Bearer a-token"}, True),
        ("10.1.2.3", {}, True),
    ],
)
def test_strangers_learn_only_whether_desk_is_ready_and_what_fails(
    client: Client, settings: Settings, address: str, headers: dict[str, str], sees_details: bool
) -> None:
    settings.DESK_METRICS_TOKEN, settings.DESK_METRICS_ALLOW = "a-token", [ip_network("10.1.0.0/16")]
    settings.DESK_BEHIND_PROXY = True
    response = client.get("/readyz", headers=headers, REMOTE_ADDR=address)
    assert response.status_code == 503
    if sees_details:
        assert response.json()["worker"] == {"heartbeat_age_s": None}
        assert "The worker has never run." in response.json()["problems"][0]
    else:
        assert response.json() == {"status": "degraded", "failing": ["worker"]}


def test_ready_is_degraded_while_the_worker_never_ran(client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "degraded")
    assert response.json()["worker"] == {"heartbeat_age_s": None}


@pytest.mark.parametrize(("age", "status"), [(health.LATE_AFTER_S, 200), (health.LATE_AFTER_S + 1, 503)])
def test_ready_is_degraded_when_the_last_heartbeat_is_too_old(
    client: Client, noon: TimeMachineFixture, age: int, status: int
) -> None:
    health.record_heartbeat()
    noon.shift(timedelta(seconds=age))
    response = client.get("/readyz")
    assert response.status_code == status
    assert response.json()["worker"]["heartbeat_age_s"] == age


def test_ready_is_degraded_when_deliveries_wait_too_long(client: Client, noon: TimeMachineFixture) -> None:
    health.record_heartbeat()
    WebhookDelivery.objects.create(body=b"{}", received_at=NOON - timedelta(minutes=5))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["journal"] == {"pending": 1, "failed": 0, "oldest_s": 300.0}


def test_a_failed_delivery_is_counted_and_is_no_reason_to_be_degraded(client: Client, noon: TimeMachineFixture) -> None:
    health.record_heartbeat()
    WebhookDelivery.objects.create(body=b"{}", state="failed")
    response = client.get("/readyz")
    assert (response.status_code, response.json()["journal"]["failed"]) == (200, 1)


def test_a_heartbeat_replaces_the_one_before(noon: TimeMachineFixture) -> None:
    health.record_heartbeat()
    noon.shift(timedelta(seconds=5))
    health.record_heartbeat()
    assert Heartbeat.objects.get(name=health.WORKER).beat_at == NOON + timedelta(seconds=5)


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/readyz").status_code == 405
