"""The two tables of media, row by row, each with a real file of that type and through whole requests.

Incoming: Meta's webhook, the worker's fetch from a content host, the card in the thread. Outgoing: the composer's form.
"""

import io
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

import pytest
from django.core.files import File
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from pytest_django import Settings
from time_machine import TimeMachineFixture

from channels_im.messenger.files import MB
from desk.models import User
from tests import factories as make
from tests.channels_im.messenger import samples
from tests.channels_im.messenger.local_server import serve
from tests.factories import deliver, delivery, item
from tests.http import Response
from tickets import tasks
from tickets.models import Attachment, Conversation, Message
from tickets.services.incoming import attachments
from tickets.services.outgoing import replies

pytestmark = pytest.mark.django_db

INCOMING_LIMIT = 50 * MB


@dataclass(frozen=True)
class Row:
    """A row of the table of supported media: ending, real file, kind, type, limit in MB, and a wrong ending."""

    ending: str
    data: bytes
    kind: str
    content_type: str
    limit: int
    wrong: str
    kept_ending: str = ""
    webhook_type: str = ""

    @property
    def name(self) -> str:
        return f"sample.{self.ending}"

    @property
    def kept_as(self) -> str:
        return f"sample.{self.kept_ending or self.ending}"

    @property
    def sent_as(self) -> str:
        """Meta's word for the kind in a webhook."""
        return self.webhook_type or {"document": "file"}.get(self.kind, self.kind)

    @property
    def is_loud(self) -> bool:
        return self.kind in ("audio", "video")


def pdf() -> bytes:
    """A PDF of one empty page, with a table of references that is right."""
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, part)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(parts) + 1
    return out + b"xref\n0 %d\n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        table,
        size,
        len(out),
    )


ROWS = [
    Row("pdf", pdf(), "document", "application/pdf", 20, "png"),
    Row("jpg", samples.JPEG, "image", "image/jpeg", 8, "png"),
    Row("jpeg", samples.JPEG, "image", "image/jpeg", 8, "pdf"),
    Row("png", samples.PNG, "image", "image/png", 8, "jpg"),
    Row("mp4", samples.MP4, "video", "video/mp4", 20, "mov"),
    Row("mpeg", samples.MPEG_VIDEO, "video", "video/mpeg", 20, "mp4"),
    Row("mov", samples.QUICKTIME, "video", "video/quicktime", 20, "mp4"),
    Row("mp3", samples.id3(samples.MP3), "audio", "audio/mpeg", 20, "amr"),
    Row("vorbis", samples.VORBIS, "audio", "audio/ogg", 20, "mp3"),
    Row("ogg", samples.VORBIS, "audio", "audio/ogg", 20, "mp3"),
    Row("amr", samples.AMR, "audio", "audio/amr", 20, "mp3"),
    Row("mpeg", samples.MPEG_AUDIO, "audio", "audio/mpeg", 20, "mp4"),
]
table = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.ending}-{row.kind}")
NO_KIND = [b"<html><script>alert(1)</script>", b"MZ\x90\x00" + bytes(60), b"PK\x03\x04" + bytes(60), b"plain words"]


def test_every_supported_ending_has_a_row() -> None:
    supported = {"pdf", "jpg", "jpeg", "png", "mp4", "mpeg", "mp3", "vorbis", "amr"}
    assert supported | {"mov"} <= {row.ending for row in ROWS}
    assert {row.kind for row in ROWS if row.ending == "mpeg"} == {"video", "audio"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "image"], ids=lambda row: row.ending)
def test_the_images_of_the_table_are_real_ones(row: Row) -> None:
    with Image.open(io.BytesIO(row.data)) as image:
        image.load()
        assert image.size == (4, 3)


# --- Incoming ---------------------------------------------------------------------------------------------------------
class Host:
    """A content host that has one file; `size` pads it with zeros, which are sent as they are needed."""

    def __init__(self, settings: Settings) -> None:
        self.data = b""
        self.size: int | None = None
        self.sent = 0
        self.asked: list[bytes] = []
        self.server = serve(self._handle)
        settings.META_MEDIA_HOSTS = [f"127.0.0.1:{self.server.port}"]

    def _handle(self, connection: socket.socket) -> None:
        self.asked.append(connection.recv(65_536).partition(b" ")[0])
        size = len(self.data) if self.size is None else self.size
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        if self.asked[-1] == b"HEAD":
            return
        connection.sendall(self.data)
        left = size - len(self.data)
        while left > 0:
            block = bytes(min(left, MB))
            connection.sendall(block)
            self.sent += len(block)
            left -= len(block)


@pytest.fixture
def host(settings: Settings) -> Iterator[Host]:
    found = Host(settings)
    yield found
    found.server.stop()


@pytest.fixture
def come_in(client: Client, host: Host) -> Callable[..., Attachment]:
    """Let a customer send `data` as `name`, and the worker fetch it; returns what became of the file."""

    def come_in(
        row: Row, name: str = "", data: bytes | None = None, *, size: int | None = None, receives: bool = True
    ) -> Attachment:
        channel = make.make_channel(receive_audio_video=receives)
        host.data, host.size = row.data if data is None else data, size
        url = f"{host.server.url}/v/{name or row.name}?oh=1"
        attached = {"type": row.sent_as, "payload": {"url": url}}
        deliver(
            client,
            delivery(channel.page, item(channel.page, "7001", message={"mid": "m_1", "attachments": [attached]})),
        )
        tasks.fetch_files()
        return Attachment.objects.get()

    return come_in


def shown(attachment: Attachment) -> str:
    """The thread as an agent sees it."""
    conversation = attachment.message.conversation
    client = Client()
    client.force_login(make.make_agent(channels=(conversation.channel,)))
    return client.get(f"/inbox/{conversation.pk}/").content.decode()


def assert_card(attachment: Attachment, name: str, reason: str) -> None:
    """Nothing of a refused file is lost: the message is there, and a card names the file and says why."""
    assert (attachment.state, bool(attachment.file), attachment.name) == ("refused", False, name)
    assert reason in attachment.reason
    assert attachment.reason.endswith(".")
    assert Message.objects.filter(pk=attachment.message_id, kind="message").exists()
    page = shown(attachment)
    for words in (name, attachment.get_kind_display(), "Refused", reason):
        assert words.replace("'", "&#x27;") in page


@table
def test_incoming_the_right_file_is_kept_byte_by_byte(come_in: Callable[..., Attachment], row: Row) -> None:
    kept = come_in(row)
    assert (kept.state, kept.kind, kept.content_type, kept.name) == ("stored", row.kind, row.content_type, row.kept_as)
    assert kept.size == len(row.data)
    with kept.file as file:
        assert file.read() == row.data


@table
def test_incoming_a_wrong_ending_is_put_right(come_in: Callable[..., Attachment], row: Row) -> None:
    kept = come_in(row, f"sample.{row.wrong}")
    assert (kept.state, kept.kind, kept.content_type) == ("stored", row.kind, row.content_type)
    assert not kept.name.endswith(f".{row.wrong}")


@pytest.mark.parametrize(("row", "wrong"), list(zip(ROWS, cycle(NO_KIND), strict=False)))
def test_incoming_wrong_bytes_become_a_card_with_the_reason(
    come_in: Callable[..., Attachment], row: Row, wrong: bytes
) -> None:
    kept = come_in(row, data=wrong)
    assert_card(kept, row.name, "is not a kind of file that Desk stores")
    assert kept.size == len(wrong)


@table
def test_incoming_one_byte_over_the_limit_becomes_a_card_with_name_type_size_and_reason(
    come_in: Callable[..., Attachment], host: Host, row: Row
) -> None:
    kept = come_in(row, size=INCOMING_LIMIT + 1)
    assert_card(kept, row.name, "is 50.1 MB; received files may have at most 50 MB")
    assert (kept.kind, kept.size) == (row.kind, INCOMING_LIMIT + 1)
    assert host.sent < INCOMING_LIMIT  # it was not read to its end


@pytest.mark.parametrize("row", [ROWS[0], ROWS[6]], ids=lambda row: row.ending)
def test_incoming_exactly_the_limit_is_kept(come_in: Callable[..., Attachment], row: Row) -> None:
    kept = come_in(row, size=INCOMING_LIMIT)
    assert (kept.state, kept.size) == ("stored", INCOMING_LIMIT)


@table
def test_incoming_audio_and_video_are_refused_by_default_with_a_card(
    come_in: Callable[..., Attachment], host: Host, row: Row
) -> None:
    """Nothing of it is fetched, but how big it is: the card names file, type, size and reason."""
    kept = come_in(row, receives=False)
    if row.is_loud:
        assert_card(kept, row.name, attachments.NOT_RECEIVED)
        assert (kept.kind, kept.size) == (row.kind, len(row.data))
        assert host.asked == [b"HEAD"]
        assert tasks.fetch_files() == 0
        assert host.asked == [b"HEAD"]
    else:
        assert kept.state == "stored"


def test_when_nobody_says_how_big_it_is_the_card_stands_all_the_same(
    come_in: Callable[..., Attachment], host: Host
) -> None:
    row = next(row for row in ROWS if row.is_loud)
    host.server.stop()
    kept = come_in(row, receives=False)
    assert_card(kept, row.name, attachments.NOT_RECEIVED)
    assert kept.size is None
    assert tasks.fetch_files() == 0


@pytest.mark.parametrize("row", [row for row in ROWS if row.is_loud], ids=lambda row: f"{row.ending}-{row.kind}")
def test_incoming_audio_and_video_do_not_come_in_under_another_name(
    come_in: Callable[..., Attachment], row: Row
) -> None:
    disguised = Row(**{**vars(row), "webhook_type": "file"})
    assert_card(come_in(disguised, receives=False), row.name, attachments.NOT_RECEIVED)


# --- Outgoing ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def conversation(time_machine: TimeMachineFixture) -> Conversation:
    time_machine.move_to(make.NOON)
    conversation = make.make_conversation()
    make.receive(conversation)
    return conversation


@pytest.fixture
def alice(conversation: Conversation) -> User:
    return make.make_agent("alice", channels=(conversation.channel,))


@pytest.fixture
def send(alice: User, conversation: Conversation) -> Callable[..., Response]:
    """Send a file with the composer's form; returns the answer."""
    client = Client()
    client.force_login(alice)

    def send(name: str, data: bytes, *, hx: bool = True) -> Response:
        path = f"/inbox/{conversation.pk}/reply/"
        headers = {"HX-Request": "true"} if hx else {}
        return client.post(path, {"text": "", "files": SimpleUploadedFile(name, data)}, headers=headers)

    return send


def nothing_was_queued() -> bool:
    return not Message.objects.filter(direction="out").exists() and not Attachment.objects.exists()


@table
def test_outgoing_the_right_file_is_queued_byte_by_byte(send: Callable[..., Response], row: Row) -> None:
    assert send(row.name, row.data).status_code == 200
    kept = Attachment.objects.get()
    assert (kept.state, kept.kind, kept.content_type, kept.name) == ("stored", row.kind, row.content_type, row.name)
    assert kept.message.state == "queued"
    with kept.file as file:
        assert file.read() == row.data


@table
def test_outgoing_a_wrong_ending_is_refused_with_the_right_one(send: Callable[..., Response], row: Row) -> None:
    response = send(f"sample.{row.wrong}", row.data)
    if {row.wrong, row.name.rpartition(".")[2]} == {"jpg", "png"}:  # pictures, whichever of the two they are
        assert response.status_code == 200
        assert Attachment.objects.get().name == row.name
        return
    assert response.status_code == 422
    assert f"sample.{row.wrong}" in response.content.decode()
    assert "its name does not end in ." in response.content.decode()
    assert nothing_was_queued()


@table
def test_outgoing_wrong_bytes_are_refused_with_what_may_be_sent(send: Callable[..., Response], row: Row) -> None:
    for wrong in NO_KIND:
        response = send(row.name, wrong)
        assert response.status_code == 422
        assert "is not a kind of file that can be sent. Desk can send PDF documents" in response.content.decode()
    assert nothing_was_queued()


@table
def test_outgoing_one_byte_over_the_limit_is_refused_and_the_limit_itself_is_not(
    alice: User, conversation: Conversation, row: Row
) -> None:
    def padded(size: int) -> "File[bytes]":
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the test
        file.write(row.data)
        file.truncate(size)
        return File(file, name=row.name)

    over = padded(row.limit * MB + 1)
    with over, pytest.raises(replies.ReplyError) as refused:
        replies.queue_reply(alice, conversation, files=[over])
    assert f"“{row.name}” is {row.limit}.1 MB" in refused.value.verdict.sentence
    assert f"may have at most {row.limit} MB" in refused.value.verdict.sentence
    assert nothing_was_queued()
    with padded(row.limit * MB) as at_limit:
        assert replies.may_send(alice, conversation, files=[at_limit]).allowed


@pytest.mark.parametrize("row", [ROWS[3]], ids=lambda row: row.ending)
def test_outgoing_over_the_limit_by_the_form_too(send: Callable[..., Response], row: Row) -> None:
    response = send(row.name, row.data + bytes(row.limit * MB + 1 - len(row.data)))
    assert response.status_code == 422
    assert f"“{row.name}” is 8.1 MB" in response.content.decode()
    assert nothing_was_queued()


@pytest.mark.parametrize("name", ["cat.gif", "cat.webp", "drawing.svg", "voice.m4a", "page.html", "run.exe"])
def test_outgoing_what_is_in_no_row_is_refused(send: Callable[..., Response], name: str) -> None:
    data = {"gif": samples.GIF, "webp": samples.WEBP, "m4a": samples.MP4_AUDIO}.get(name.rpartition(".")[2], b"<svg/>")
    assert send(name, data).status_code == 422
    assert nothing_was_queued()
