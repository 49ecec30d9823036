"""Files of customers: fetched from Meta's hosts only, checked by their bytes, and refused with words."""

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.query_utils import Q
from django.test import Client
from PIL import Image
from pytest_django import Settings
from time_machine import TimeMachineFixture

from desk.models import LiveEvent
from tests import factories as make
from tests.channels_im.messenger.local_server import LocalServer, serve
from tests.channels_im.messenger.media_answers import answer
from tests.channels_im.messenger.samples import MP3
from tests.factories import NOON, deliver, delivery, item
from tests.matching import present
from tickets import tasks
from tickets.models import Attachment, Message
from tickets.services.incoming import attachments

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n" + b"x" * 2000 + b"\n%%EOF\n"


def gif() -> bytes:
    frames = [Image.new("RGB", (30, 20), color) for color in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


class Hosts:
    """Start a content host with each call; `servers` are those that were started."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.servers: list[LocalServer] = []

    def __call__(self, body: bytes = PDF, *headers: str, listed: bool = True, **options: Any) -> str:
        """Start a host that gives this answer to everybody; return its address."""
        self.servers.append(serve(answer(body, *headers, **options)))
        self.settings.META_MEDIA_HOSTS = [f"127.0.0.1:{self.servers[-1].port}"] if listed else [".fbcdn.net"]
        return self.servers[-1].url


@pytest.fixture
def host(settings: Settings) -> Iterator[Hosts]:
    hosts = Hosts(settings)
    yield hosts
    for server in hosts.servers:
        server.stop()


def receive(client: Client, url: str, kind: str = "file", **channel: Any) -> Attachment:
    """Let a customer send one file under `url`, and the worker fetch it."""
    page = make.make_channel(**channel).page
    attachment = {"type": kind, "payload": {"url": url}}
    deliver(client, delivery(page, item(page, "7001", message={"mid": "m_1", "attachments": [attachment]})))
    LiveEvent.objects.all().delete()
    tasks.fetch_files()
    return Attachment.objects.get()


def test_a_file_is_stored_under_a_name_of_our_own_and_shown_under_its_own(client: Client, host: Hosts) -> None:
    kept = receive(client, host() + "/v/t59/bill%20of%20May.pdf?oh=1")
    assert (kept.state, kept.kind, kept.content_type, kept.size) == ("stored", "document", "application/pdf", len(PDF))
    assert kept.name == "bill of May.pdf"
    assert "bill" not in present(kept.file.name)
    assert present(kept.file.name).endswith(".pdf")
    with kept.file as file:
        assert file.read() == PDF
    assert (kept.retry_after, kept.reason) == (None, "")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL tells by NOTIFY, which leaves no row")
def test_an_open_page_is_notified_when_the_file_is_stored(client: Client, host: Hosts) -> None:
    receive(client, host() + "/bill.pdf")
    assert [event.payload["kind"] for event in LiveEvent.objects.all()] == ["conversation"]


def test_an_image_has_its_measures(client: Client, host: Hosts) -> None:
    kept = receive(client, host(make.png(40, 30)) + "/cat.png", "image")
    assert (kept.state, kept.kind, kept.width, kept.height) == ("stored", "image", 40, 30)


def test_a_gif_is_kept_as_a_png_of_its_first_frame(client: Client, host: Hosts) -> None:
    kept = receive(client, host(gif()) + "/funny.gif", "image")
    assert (kept.state, kept.content_type, kept.name) == ("stored", "image/png", "funny.png")
    with kept.file as file, Image.open(file) as image:
        assert (image.format, image.size, image.convert("RGB").getpixel((0, 0))) == ("PNG", (30, 20), (255, 0, 0))


def test_a_sticker_stays_a_sticker(client: Client, host: Hosts) -> None:
    page = make.make_channel().page
    sticker = {"type": "sticker", "payload": {"url": host(make.png()) + "/s.png", "sticker_id": 1}}
    deliver(client, delivery(page, item(page, "7001", message={"mid": "m_1", "attachments": [sticker]})))
    tasks.fetch_files()
    assert Attachment.objects.get().kind == "sticker"


def test_the_bytes_decide_and_the_name_gets_the_right_ending(client: Client, host: Hosts) -> None:
    kept = receive(client, host(make.png(), "Content-Type: application/pdf") + "/invoice.pdf")
    assert (kept.kind, kept.content_type, kept.name) == ("image", "image/png", "invoice.png")


def test_an_mp3_sent_as_a_file_is_audio_and_refused_where_audio_is_not_received(client: Client, host: Hosts) -> None:
    kept = receive(client, host(MP3) + "/song.mp3")
    assert (kept.state, kept.reason) == ("refused", attachments.NOT_RECEIVED)
    assert not kept.file


def test_an_mp3_is_stored_where_audio_is_received(client: Client, host: Hosts) -> None:
    kept = receive(client, host(MP3) + "/song.mp3", receive_audio_video=True)
    assert (kept.state, kept.kind) == ("stored", "audio")


@pytest.mark.parametrize(
    "body", [b"<html><script>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"MZ\x90\x00", b"plain text", b""]
)
def test_a_type_that_is_not_in_the_table_is_refused_with_a_sentence_and_the_message_stays(
    client: Client, host: Hosts, body: bytes
) -> None:
    kept = receive(client, host(body) + "/thing.pdf")
    assert kept.state == "refused"
    assert kept.reason.endswith(".")
    assert Message.objects.count() == 1


def test_a_file_over_50_mb_is_refused_without_reading_it(client: Client, host: Hosts) -> None:
    kept = receive(client, host(b"%PDF-1.7", length=50 * 1_048_576 + 1) + "/huge.pdf")
    assert kept.state == "refused"
    assert "50 MB" in kept.reason


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/cat.png",
        "https://127.0.0.1/cat.png",
        "https://[::1]/cat.png",
        "http://169.254.169.254/latest/meta-data/",
        "https://fbcdn.net.evil.example/cat.png",
    ],
)
def test_another_host_or_a_private_address_is_never_asked(client: Client, settings: Settings, url: str) -> None:
    settings.META_MEDIA_HOSTS = [".fbcdn.net"]
    kept = receive(client, url, "image")
    assert kept.state in ("failed", "refused")
    assert kept.reason


def test_a_host_that_is_not_listed_gets_no_connection(client: Client, host: Hosts) -> None:
    kept = receive(client, host(listed=False) + "/bill.pdf")
    assert kept.state == "failed"
    assert host.servers[0].connections == 0


# --- Again later ------------------------------------------------------------------------------------------------------
def test_a_host_in_trouble_is_asked_again_and_in_the_end_given_up(
    client: Client, host: Hosts, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    kept = receive(client, host(b"", status="503 Unavailable") + "/bill.pdf")
    assert (kept.state, kept.attempts) == ("pending", 1)
    assert not attachments.is_due()
    while kept.state == "pending":
        time_machine.move_to(present(kept.retry_after) + timedelta(milliseconds=1))
        assert attachments.is_due()
        tasks.fetch_files()
        kept.refresh_from_db()
    assert kept.state == "failed"
    assert kept.attempts > 3
    assert "503" in kept.reason


def test_what_a_dead_worker_had_claimed_is_fetched_by_another(
    client: Client, host: Hosts, settings: Settings, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    page = make.make_channel().page
    attachment = {"type": "file", "payload": {"url": host() + "/bill.pdf"}}
    deliver(client, delivery(page, item(page, "7001", message={"mid": "m_1", "attachments": [attachment]})))
    assert len(attachments._claim(4)) == 1
    tasks.fetch_files()
    assert Attachment.objects.get().state == "pending"
    time_machine.shift(timedelta(seconds=settings.DESK_CLAIM_SECONDS + 1))
    tasks.fetch_files()
    assert Attachment.objects.get().state == "stored"


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by what is in the table")
@pytest.mark.parametrize(
    ("what", "index"), [(attachments.TO_FETCH, "attachment_due"), (attachments.SIZE_UNKNOWN, "attachment_without_size")]
)
def test_what_waits_is_found_by_its_index_and_not_by_reading_all_files(what: Q, index: str) -> None:
    assert f"USING INDEX {index}" in attachments.due(what).explain()
