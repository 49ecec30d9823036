"""/metrics: who may read it, what it counts, over several processes and after their end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import responses
from django.conf import settings as django_settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from channels_im import tasks
from channels_im.messenger.client import GraphClient
from channels_im.messenger.errors import GraphError
from desk import metrics
from tests import database_faults
from tests.factories import make_channel, post_webhook

TOKEN = {"Authorization": "Bearer a-token-for-the-tests"}
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _start_from_nothing() -> Iterator[None]:
    yield
    for path in metrics.FOLDER.glob("*stranger*"):
        path.unlink()


def scrape(client: Client) -> dict[str, float]:
    """Return the samples by name, with the labels in braces."""
    response = client.get("/metrics", headers=TOKEN)
    assert response.status_code == 200
    samples = {}
    for family in text_string_to_metric_families(response.content.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


# --- Who may read it --------------------------------------------------------------------------------------------------
def test_it_is_off_by_default(client: Client, settings: Settings) -> None:
    settings.DESK_METRICS_TOKEN = ""
    assert client.get("/metrics", headers=TOKEN).status_code == 404


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Token a-token-for-the-tests", "Bearer ", "Bearer é"])
def test_others_are_refused(client: Client, header: str) -> None:
    assert client.get("/metrics", headers={"Authorization": header}).status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("10.1.2.3", {}, 200),
        ("10.2.0.1", {}, 403),
        ("127.0.0.1", {}, 403),
        ("10.1.2.3", {"X-Forwarded-For": "203.0.113.9"}, 403),  # the address of a proxy is not that of the caller
        ("203.0.113.9", {"X-Forwarded-For": "10.1.2.3"}, 403),  # nor what a caller writes
        ("10.1.2.3", {"X-Forwarded-Proto": "https"}, 403),
        ("::ffff:10.1.2.3", {}, 200),
    ],
)
def test_an_address_of_the_list_needs_no_token(
    client: Client, settings: Settings, address: str, headers: dict[str, str], status: int
) -> None:
    settings.DESK_METRICS_TOKEN, settings.DESK_METRICS_ALLOW = "", [ip_network("10.1.0.0/16")]
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == status


def test_an_empty_token_opens_nothing(client: Client, settings: Settings) -> None:
    settings.DESK_METRICS_TOKEN, settings.DESK_METRICS_ALLOW = "", [ip_network("10.1.0.0/16")]
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403


# --- What it counts ---------------------------------------------------------------------------------------------------
def written(page_id: str) -> dict[str, Any]:
    message = {"mid": "m_1", "text": "Hi"}
    item = {"sender": {"id": "77"}, "recipient": {"id": page_id}, "timestamp": 1_790_000_000_001, "message": message}
    return {"object": "page", "entry": [{"id": page_id, "time": 1_790_000_000_001, "messaging": [item]}]}


@pytest.mark.django_db
def test_a_delivery_is_measured_from_the_request_to_the_screen(client: Client) -> None:
    page_id, before = make_channel().page.page_id, scrape(client)
    post_webhook(client, written(page_id))
    post_webhook(client, b"{}", signature="sha256=" + "0" * 64)
    stored = scrape(client)
    tasks.drain_journal()
    after = scrape(client)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown("desk_webhook_answers_total{code=200}") == 1
    assert grown("desk_webhook_answers_total{code=403}") == 1
    assert grown("desk_webhook_stored_seconds_count") == 1
    assert grown("desk_webhook_shown_seconds_count") == 1
    assert grown("desk_webhook_shown_seconds_bucket{le=+Inf}") == 1
    assert (stored["desk_journal_pending"], after["desk_journal_pending"]) == (1, 0)


@pytest.mark.django_db
def test_errors_of_meta_are_counted_by_kind(client: Client) -> None:
    before = scrape(client)
    with responses.RequestsMock() as meta:
        meta.get("https://graph.facebook.com/v27.0/me", status=400, json={"error": {"code": 190}})
        with pytest.raises(GraphError):
            GraphClient("token").get("me")
    name = "desk_meta_errors_total{kind=reauthenticate}"
    assert scrape(client)[name] - before.get(name, 0) == 1


@pytest.mark.django_db
def test_queues_and_build_are_read_at_each_scrape(client: Client) -> None:
    found = scrape(client)
    for name in ("journal_oldest_seconds", "outbox_queued", "outbox_oldest_seconds", "events_waiting", "database_up"):
        assert f"desk_{name}" in found
    assert found["desk_database_up"] == 1
    assert [name for name in found if name.startswith("desk_build_info{")]


@pytest.mark.django_db
def test_without_the_database_the_counters_are_answered(client: Client) -> None:
    with database_faults.failing():
        found = scrape(client)
    assert found["desk_database_up"] == 0
    assert "desk_outbox_queued" not in found


# --- Several processes ------------------------------------------------------------------------------------------------
COUNT = "import django; django.setup(); from desk import metrics; metrics.SENDS.add('sent'); metrics.SENDS.add('held')"


def count_in_another_process() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "desk.settings"}
    environment["DESK_DATA_DIR"] = str(django_settings.DATA_DIR)
    subprocess.run([sys.executable, "-c", COUNT], cwd=ROOT, env=environment, check=True)


@pytest.mark.slow
@pytest.mark.django_db
def test_processes_that_exited_keep_their_counts_in_one_file(client: Client) -> None:
    metrics.SENDS.add("sent")
    before = scrape(client)
    for _time in range(2):
        count_in_another_process()
    assert len(list(metrics.FOLDER.glob("counter_*.db"))) >= 3
    for _time in range(2):
        after = scrape(client)
        assert after["desk_sends_total{outcome=sent}"] - before["desk_sends_total{outcome=sent}"] == 2
    assert {path.name for path in metrics.FOLDER.glob("counter_*.db")} == {
        "counter_merged.db",
        f"counter_{metrics._process()}.db",
    }


@pytest.mark.machine_clock
@pytest.mark.django_db
def test_open_streams_are_added_up_and_a_process_that_died_is_not_counted(client: Client) -> None:
    metrics.record_open_streams(3)
    (metrics.FOLDER / "streams_stranger.7").write_text("4")  # another container
    assert scrape(client)["desk_live_streams"] == 7
    os.utime(metrics.FOLDER / "streams_stranger.7", (1, 1))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (metrics.FOLDER / f"streams_{metrics._host}.{dead.pid}").write_text("5")
    assert scrape(client)["desk_live_streams"] == 3
    metrics.record_open_streams(0)


def test_a_disk_without_room_disturbs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_arguments: Any, **_named: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(metrics, "_prepared", [])
    monkeypatch.setattr(metrics, "_allocate", full)
    metrics.SENDS.add("sent")
    metrics.STORED.observe(1)
