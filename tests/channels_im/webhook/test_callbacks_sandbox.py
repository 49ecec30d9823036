"""The callbacks as the sandbox, a process of its own with signatures of its own, sends them to a running Desk."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from channels_im.models import Channel, DataRequest, FacebookAccount
from channels_im.services.facebook import linking
from tests.factories import make_admin, make_channel, make_page
from tests.sandbox.process import BERG_BIKES, SandboxProcess

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(process: SandboxProcess, settings: Settings, live_server: LiveServer) -> SandboxProcess:
    process.reset(
        deauthorize_url=f"{live_server.url}/meta/deauthorize/",
        data_deletion_url=f"{live_server.url}/meta/data-deletion/",
    )
    settings.META_GRAPH_URL = process.url
    settings.PUBLIC_URL = live_server.url
    return process


@pytest.fixture
def channel(sandbox: SandboxProcess) -> Channel:
    administrator = make_admin()
    granted = sandbox.grant("anna", [BERG_BIKES])
    result = linking.link_with_long_token(administrator, granted["user_token"])
    make_channel(make_page(name="Another person's"))
    return make_channel(result.pages[0])


def answer_of(sandbox: SandboxProcess, kind: str) -> dict[str, Any]:
    """Wait for the answer that the sandbox got from Desk."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        records = [row for row in sandbox.deliveries()["callbacks"] if row["kind"] == kind and row["answer"]]
        if records:
            return records[0]
        time.sleep(0.05)
    raise AssertionError(sandbox.deliveries()["callbacks"])


@pytest.mark.slow
def test_removing_the_app_in_the_facebook_settings_stops_the_page(sandbox: SandboxProcess, channel: Channel) -> None:
    sandbox.act("remove_app", person="anna")

    assert answer_of(sandbox, "deauthorize")["status"] == 200
    channel.page.refresh_from_db()
    assert (channel.page.reauth_reason, channel.page.reauth_detected_by) == ("app_removed", "callback")
    assert channel.page.page_token is None


def test_asking_for_deletion_gives_a_code_and_a_page_that_says_what_was_done(
    sandbox: SandboxProcess, channel: Channel
) -> None:
    sandbox.act("request_deletion", person="anna")
    answer = answer_of(sandbox, "deletion")

    assert answer["status"] == 200
    code = DataRequest.objects.get().confirmation_code
    assert code in answer["answer"]
    page = requests.get(json.loads(answer["answer"])["url"], timeout=10)
    assert page.status_code == 200
    assert "Completed" in page.text
    assert "Anna" not in page.text
    assert FacebookAccount.objects.get(facebook_user_id=sandbox_asid(sandbox)).name == ""


def sandbox_asid(sandbox: SandboxProcess) -> str:
    return next(person["asid"] for person in sandbox.world()["people"] if person["id"] == "anna")


def test_a_signed_request_of_the_sandbox_with_another_algorithm_is_refused(
    sandbox: SandboxProcess, channel: Channel, live_server: LiveServer
) -> None:
    signed = sandbox.control("POST", "signed-request", {"person": "anna", "changes": {"algorithm": "HMAC-SHA1"}})
    answer = requests.post(f"{live_server.url}/meta/deauthorize/", data=signed, timeout=10)

    assert answer.status_code == 400
    channel.page.refresh_from_db()
    assert channel.page.is_connected
