import io
import re
import struct
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from channels_im.messenger import file_signatures, files
from channels_im.messenger.file_signatures import FileType
from channels_im.messenger.files import (
    MB,
    FileError,
    check_incoming,
    check_outgoing,
    check_outgoing_head,
)
from tests.channels_im.messenger import samples

KINDS = [
    (samples.PDF, file_signatures.PDF),
    (samples.JPEG, file_signatures.JPEG),
    (samples.PNG, file_signatures.PNG),
    (samples.GIF, file_signatures.GIF),
    (samples.WEBP, file_signatures.WEBP),
    (samples.MP4, file_signatures.MP4),
    (samples.mp4(b"vide", major=b"dash"), file_signatures.MP4),
    (samples.mp4(b"vide", major=b"iso5", moov_last=False), file_signatures.MP4),
    (samples.mp4(b"vide", major=b"3gp4"), file_signatures.MP4),
    (samples.MP4_AUDIO, file_signatures.MP4_AUDIO),
    (samples.mp4(b"soun", major=b"M4A "), file_signatures.MP4_AUDIO),
    (samples.QUICKTIME, file_signatures.QUICKTIME),
    (
        samples.box(b"wide") + samples.box(b"mdat", b"x") + samples.box(b"moov", samples.track(b"vide")),
        file_signatures.QUICKTIME,
    ),
    (samples.MPEG_VIDEO, file_signatures.MPEG_VIDEO),
    (samples.MP3, file_signatures.MP3),
    (samples.MP3_LOW, file_signatures.MP3),
    (samples.id3(samples.MP3), file_signatures.MP3),
    (samples.id3(b"\0" * 700 + samples.MP3), file_signatures.MP3),
    (samples.MPEG_AUDIO, file_signatures.MPEG_AUDIO),
    (samples.VORBIS, file_signatures.VORBIS),
    (samples.AMR, file_signatures.AMR),
]

NO_KIND = [
    b"",
    b"\xff",
    b"plain text",
    b"<html><script>alert(1)</script></html>",
    b"<html>" + samples.PDF,
    b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    b"MZ" + b"\0" * 100,
    b"PK\x03\x04" + b"\0" * 100,
    b"BM" + b"\0" * 100,
    b"RIFF\0\0\0\0WAVE" + b"\0" * 100,
    b"OggS\0\2" + b"\0" * 60,
    samples.OPUS,
    samples.ftyp(b"heic", b"mif1", b"heic") + b"\0" * 100,
    samples.ftyp(b"avif", b"mif1", b"isom") + b"\0" * 100,
    samples.ftyp(b"jp2 ", b"jp2 ") + b"\0" * 100,
    samples.ftyp(b"3gp4", b"3gp4") + b"\0" * 100,
    samples.box(b"free", b"x" * 50),
    samples.mp4(b"text"),
    "ÿ".encode("utf-16"),
    "A long text that begins with a byte order mark. ".encode("utf-16"),
    samples.mpeg_frames(b"\xff\xfb\x90\x64", 417, count=1) + b"no second frame",
    samples.mpeg_frames(b"\xff\xf1\x50\x80", 100),
    samples.id3(b"fLaC" + b"\0" * 100),
]


def upload(data: bytes, size: int | None = None) -> io.BytesIO:
    return io.BytesIO(data + b"\0" * ((size or len(data)) - len(data)))


@pytest.mark.parametrize(("data", "wanted"), KINDS)
def test_the_bytes_tell_the_kind(data: bytes, wanted: FileType) -> None:
    assert file_signatures.detect(upload(data), "some.bin") is wanted


@pytest.mark.parametrize("data", NO_KIND)
def test_what_has_no_place_in_the_tables_is_no_kind(data: bytes) -> None:
    assert file_signatures.detect(upload(data), "photo.jpg") is None


def test_the_position_in_the_file_is_left_alone() -> None:
    file = upload(samples.PNG)
    file.seek(7)
    file_signatures.detect(file)
    assert file.tell() == 7


@pytest.mark.parametrize(("data", "wanted"), [(samples.MP4, file_signatures.MP4), (samples.MP3, file_signatures.MP3)])
def test_the_first_bytes_are_enough_where_the_format_allows(data: bytes, wanted: FileType) -> None:
    assert file_signatures.detect(data[:1000]) is wanted


def test_the_name_decides_only_when_the_tracks_are_not_among_the_bytes() -> None:
    head = samples.MP4_AUDIO[:64]
    assert file_signatures.detect(head, "audioclip-179.mp4") is file_signatures.MP4_AUDIO
    assert file_signatures.detect(head, "holiday.mp4") is file_signatures.MP4
    assert file_signatures.detect(upload(samples.MP4), "audioclip-179.mp4") is file_signatures.MP4


def test_an_mp3_whose_tag_is_longer_than_the_first_bytes_is_an_mp3() -> None:
    assert file_signatures.detect(samples.id3(samples.MP3, padding=5000)[:1000]) is file_signatures.MP3


def test_a_file_made_of_thousands_of_boxes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    many = samples.ftyp(b"isom", b"isom") + samples.box(b"moov", samples.box(b"trak") * 200_000)

    class Counting(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            return super().read(size)

    file = Counting(many)
    file_signatures.detect(file)
    assert file.reads < 3 * file_signatures.MAX_BOXES


@given(data=st.binary(max_size=300))
def test_no_bytes_make_the_detection_fail(data: bytes) -> None:
    for begin in (b"", samples.ftyp(b"isom", b"isom"), b"ID3", b"OggS", b"\xff\xfb", b"\0\0\0\x08moov"):
        found = file_signatures.detect(upload(begin + data), "x")
        assert found is None or found.extension in found.extensions


@given(cut=st.integers(min_value=0, max_value=800), flips=st.lists(st.integers(min_value=0, max_value=799), max_size=8))
def test_a_damaged_video_never_makes_the_detection_fail(cut: int, flips: list[int]) -> None:
    data = bytearray(samples.MP4)
    for place in flips:
        data[place % len(data)] ^= 0xFF
    file_signatures.detect(upload(bytes(data[: len(data) - cut])), "x.mp4")


# --- Outgoing

OUTGOING = [
    ("a.pdf", samples.PDF, 20, "document", "file"),
    ("a.jpg", samples.JPEG, 8, "image", "image"),
    ("a.jpeg", samples.JPEG, 8, "image", "image"),
    ("a.PNG", samples.PNG, 8, "image", "image"),
    ("a.mp4", samples.MP4, 20, "video", "video"),
    ("a.mpeg", samples.MPEG_VIDEO, 20, "video", "video"),
    ("a.mov", samples.QUICKTIME, 20, "video", "video"),
    ("a.mp3", samples.id3(samples.MP3), 20, "audio", "audio"),
    ("a.ogg", samples.VORBIS, 20, "audio", "audio"),
    ("a.vorbis", samples.VORBIS, 20, "audio", "audio"),
    ("a.amr", samples.AMR, 20, "audio", "audio"),
    ("a.mpeg", samples.MPEG_AUDIO, 20, "audio", "audio"),
]


@pytest.mark.parametrize(("name", "data", "limit", "kind", "attachment_type"), OUTGOING)
def test_every_row_of_the_outgoing_table_is_sent_up_to_its_limit(
    name: str, data: bytes, limit: int, kind: str, attachment_type: str
) -> None:
    file = upload(data, limit * MB)
    found = check_outgoing(file, name)
    assert (found.name, found.size, found.kind, found.attachment_type) == (name, limit * MB, kind, attachment_type)
    assert file.tell() == 0


@pytest.mark.parametrize(("name", "data", "limit", "kind", "_type"), OUTGOING)
def test_one_byte_over_the_limit_is_refused(name: str, data: bytes, limit: int, kind: str, _type: str) -> None:
    with pytest.raises(FileError) as caught:
        check_outgoing(upload(data, limit * MB + 1), name)
    assert f"“{name}” is {limit}.1 MB" in caught.value.sentence
    assert f"at most {limit} MB" in caught.value.sentence


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("photo.pdf", samples.JPEG, "is a JPEG image by its content, but its name does not end in .jpg or .jpeg"),
        ("photo", samples.PNG, "does not end in .png"),
        ("photo.jpg.exe", samples.JPEG, "does not end in .jpg"),
        ("clip.mp4", samples.QUICKTIME, "is a QuickTime video"),
        ("letter.pdf", b"<html>", "is not a kind of file that can be sent"),
        ("letter.pdf", b"", "is empty"),
        ("cat.gif", samples.GIF, "is a GIF image, which cannot be sent"),
        ("voice.m4a", samples.MP4_AUDIO, "is an MP4 audio, which cannot be sent"),
        ("run.exe", b"MZ\0\0", "Desk can send PDF documents"),
        ("../../<b>.png", b"x", "“_b_.png”"),
    ],
)
def test_a_refusal_names_the_file_and_what_is_wrong(name: str, data: bytes, words: str) -> None:
    with pytest.raises(FileError) as caught:
        check_outgoing(upload(data), name)
    assert words in caught.value.sentence


def test_a_picture_named_as_the_other_kind_is_sent_under_the_right_name() -> None:
    assert check_outgoing(upload(samples.JPEG), "photo.png").name == "photo.jpg"
    assert check_outgoing(upload(samples.PNG), "photo.jpeg").name == "photo.png"


@pytest.mark.parametrize(("name", "data", "limit"), [row[:3] for row in OUTGOING])
def test_the_first_bytes_say_the_same_as_the_whole_file(name: str, data: bytes, limit: int) -> None:
    """Whatever the size, and with the right name or a wrong one."""
    for size in (len(data), limit * MB, limit * MB + 1):
        content = data.ljust(size, b"\0")
        for called in (name, f"{name}.pdf", f"{name}.png"):
            early = verdict(check_outgoing_head, content[:65_536], size, called)
            assert early == verdict(check_outgoing, io.BytesIO(content), called)


def verdict(check: Callable[..., files.OutgoingFile], *arguments: Any) -> files.OutgoingFile | str:
    try:
        return check(*arguments)
    except FileError as refused:
        return refused.sentence


def test_what_stands_behind_the_first_bytes_is_believed() -> None:
    """An old QuickTime file and an MP4 may keep the list of their tracks at the end."""
    padding = samples.box(b"mdat", b"\0" * 70_000)
    for begin, name, wanted in (
        (padding, "a.mov", file_signatures.QUICKTIME),
        (samples.ftyp(b"isom") + padding, "a.mp4", file_signatures.MP4),
    ):
        assert check_outgoing_head(begin[:65_536], 9 * MB, name).type is wanted
    with pytest.raises(FileError):
        check_outgoing_head(samples.box(b"mdat", b"\0" * 100), 108, "a.mov")  # that is the whole file


def test_the_file_dialog_offers_the_endings_of_the_table() -> None:
    assert {".pdf", ".jpg", ".jpeg", ".png", ".mp4", ".mpeg", ".mov", ".mp3", ".vorbis", ".amr"} <= set(
        files.OUTGOING_EXTENSIONS
    )
    assert ".gif" not in files.OUTGOING_EXTENSIONS


# --- Incoming


@pytest.mark.parametrize(
    ("data", "name", "kept_name", "kind", "convert"),
    [
        (samples.PDF, "bill.pdf", "bill.pdf", "document", False),
        (samples.JPEG, "photo.png", "photo.jpg", "image", False),
        (samples.PNG, "", "file.png", "image", False),
        (samples.GIF, "cat.gif", "cat.png", "image", True),
        (samples.WEBP, "cat", "cat.png", "image", True),
        (samples.MP3, "song.bin", "song.mp3", "audio", False),
        (samples.MP4, "v.mp4", "v.mp4", "video", False),
        (samples.MP4_AUDIO, "audioclip-17.mp4", "audioclip-17.m4a", "audio", False),
        (samples.JPEG, "page.html", "page.html.jpg", "image", False),
    ],
)
def test_the_bytes_decide_how_a_received_file_is_kept(
    data: bytes, name: str, kept_name: str, kind: str, convert: bool
) -> None:
    file = upload(data)
    found = check_incoming(file, name)
    assert (found.name, found.kind, found.convert, found.size) == (kept_name, kind, convert, len(data))
    assert file.tell() == 0


def test_a_received_file_may_have_exactly_50_mb() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(samples.PDF)
        file.truncate(50 * MB)
        assert check_incoming(file, "big.pdf").size == 50 * MB
        file.truncate(50 * MB + 1)
        with pytest.raises(FileError, match=r"“big.pdf” is 50.1 MB; received files may have at most 50 MB"):
            check_incoming(file, "big.pdf")


@pytest.mark.parametrize("data", [b"", b"<html>", b"MZ\0\0", samples.OPUS])
def test_a_received_file_of_no_kind_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(FileError) as caught:
        check_incoming(upload(data), "thing.jpg")
    assert caught.value.sentence.startswith("“thing.jpg” is ")


# --- First frame


@pytest.mark.parametrize("data", [samples.GIF, samples.WEBP])
def test_the_first_frame_becomes_a_png(data: bytes) -> None:
    png = files.to_png_first_frame(upload(data))
    assert file_signatures.detect(png) is file_signatures.PNG
    with Image.open(png) as image:
        pixel = image.convert("RGB").getpixel((1, 1))
        assert isinstance(pixel, tuple)
        red, green, blue = pixel
        assert (image.size, getattr(image, "n_frames", 1)) == ((4, 3), 1)
    assert red > 200
    assert green < 60
    assert blue < 60


def test_transparency_is_kept() -> None:
    webp = io.BytesIO()
    Image.new("RGBA", (4, 3), (255, 0, 0, 0)).save(webp, "WEBP")
    png = files.to_png_first_frame(webp)
    with Image.open(png) as image:
        assert image.mode == "RGBA"


@pytest.mark.parametrize(
    "data", [b"GIF89a", samples.GIF[:30], b"RIFF\x10\0\0\0WEBPVP8 ", b"", samples.PNG, samples.WEBP[:40]]
)
def test_a_damaged_picture_is_refused(data: bytes) -> None:
    with pytest.raises(FileError) as caught:
        files.to_png_first_frame(upload(data))
    assert caught.value.sentence


@pytest.mark.parametrize("side", [6000, 12_000, 65_535])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(side: int) -> None:
    bomb = bytearray(samples.picture("GIF"))
    bomb[6:10] = struct.pack("<HH", side, side)
    with pytest.raises(FileError, match="too large"):
        files.to_png_first_frame(upload(bytes(bomb)))


# --- Names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("bill.pdf", "bill.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\photo.jpg", "photo.jpg"),
        ("a\0b\r\n.txt", "ab.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("  .hidden. ", "hidden"),
        ("..", "file"),
        ("\u200b\u3164.pdf", "file.pdf"),
        ("\u202e\u2800", "file"),
        ("👨\u200d👩\u200d👧.jpg", "👨\u200d👩\u200d👧.jpg"),
        ("👨\u200d👩\u200d👧" * 60 + ".jpg", "👨\u200d👩\u200d👧" * 29 + ".jpg"),
        ("", "file"),
        ('a"b<c>.pdf', "a_b_c_.pdf"),
        ("CON.txt", "_CON.txt"),
        ("Ünïcode 日本.pdf", "Ünïcode 日本.pdf"),
        ("x" * 300 + ".pdf", "x" * 146 + ".pdf"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert files.safe_name(name) == safe


@given(name=st.text(max_size=400))
def test_every_name_becomes_safe_and_stays_so(name: str) -> None:
    safe = files.safe_name(name)
    assert 0 < len(safe) <= files.MAX_NAME_CHARS
    assert not re.search(r"[/\\\x00-\x1f\x7f]", safe)
    assert safe not in (".", "..")
    assert files.safe_name(safe) == safe


@given(name=st.text(max_size=60), found=st.sampled_from([wanted for _, wanted in KINDS]))
def test_every_kept_name_ends_as_its_type_demands(name: str, found: FileType) -> None:
    kept = files.with_right_extension(name, found)
    assert kept.lower().endswith(found.extensions)
    assert files.with_right_extension(kept, found) == kept


def test_stored_names_owe_nothing_to_the_sender() -> None:
    first, second = (files.stored_name(file_signatures.PDF) for _ in range(2))
    assert re.fullmatch(r"[0-9a-f]{32}\.pdf", first)
    assert first != second
