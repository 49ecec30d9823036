"""Links to files: signed, expiring, and with faults."""

from typing import Any

import pytest
import requests

from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.processes
PDF = b"%PDF-1.4\n%%EOF\n"


@pytest.fixture
def link(sandbox: SandboxProcess, token: str, receiver: Receiver) -> str:
    """The link to a pdf that a customer just sent."""
    sandbox.customer_sends_file("lena", BERG_BIKES, "Rechnung März.pdf", PDF, "application/pdf")
    (item,) = receiver.wait_items("message")
    (attachment,) = item["message"]["attachments"]
    assert attachment["type"] == "file"
    return attachment["payload"]["url"]


def test_a_link_gives_the_bytes_with_their_type(link: str) -> None:
    answer = requests.get(link, timeout=10)
    assert answer.content == PDF
    assert answer.headers["Content-Type"] == "application/pdf"


def test_a_link_ends_at_its_hex_time(sandbox: SandboxProcess, link: str) -> None:
    assert int(link.partition("&oe=")[2].partition("&")[0], 16) > 0
    sandbox.configure(clock_offset_s=4 * 86400)
    answer = requests.get(link, timeout=10)
    assert (answer.status_code, answer.text) == (403, "URL signature expired")


def test_a_longer_life_cannot_be_written_into_the_link(link: str) -> None:
    start, _, rest = link.partition("&oe=")
    answer = requests.get(f"{start}&oe=FFFFFFFF{rest[8:]}", timeout=10)
    assert (answer.status_code, answer.text) == (403, "URL signature mismatch")


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ({"kind": "cdn_expired"}, 403, "text/plain; charset=utf-8"),
        ({"kind": "cdn_error"}, 500, "text/plain; charset=utf-8"),
        ({"kind": "cdn_wrong_type", "content_type": "image/png"}, 200, "image/png"),
        ({"kind": "cdn_redirect", "location": "http://192.0.2.1/"}, 302, None),
        ({"kind": "cdn_slow", "ms": 50}, 200, "application/pdf"),
    ],
)
def test_a_download_goes_wrong_on_purpose_and_then_right_again(
    sandbox: SandboxProcess, link: str, fault: dict[str, Any], status: int, content_type: str | None
) -> None:
    sandbox.fault(**fault)
    answer = requests.get(link, timeout=10, allow_redirects=False)
    assert answer.status_code == status
    assert answer.headers.get("Content-Type") == content_type
    assert requests.get(link, timeout=10).content == PDF


def test_a_file_may_come_without_its_length(sandbox: SandboxProcess, link: str) -> None:
    sandbox.fault("cdn_no_length")
    answer = requests.get(link, timeout=10)
    assert "Content-Length" not in answer.headers
    assert answer.content == PDF


def test_a_file_may_be_kept_with_a_wrong_type_and_an_ended_link(sandbox: SandboxProcess) -> None:
    answer = requests.post(
        f"{sandbox.url}/_sandbox/files",
        files={"file": ("a.pdf", PDF, "application/pdf")},
        data={"content_type": "image/jpeg", "life_s": "-5"},
        timeout=10,
    ).json()
    assert answer["content_type"] == "image/jpeg"
    assert requests.get(answer["url"], timeout=10).text == "URL signature expired"
