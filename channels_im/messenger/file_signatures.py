"""Detect the type of a file from its bytes. Pure.

A table of our own, because type libraries (tested: puremagic) take an MP4 of brand `dash` or `iso5` for 3GP, do not
know an MP4 with sound only, cannot distinguish Ogg Vorbis from Opus, and miss MPEG audio without an ID3 tag. Messenger
sends all of these. The name decides only where the available bytes cannot.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from desk.sentences import sentence

# Boxes read per file: a crafted file must not cost seconds.
MAX_BOXES = 4096
_ID3_SEARCH_BYTES = 4096


@dataclass(frozen=True)
class FileType:
    """A type of file: `kind` is "image", "document", "video" or "audio"; `extension` begins with a dot.

    `label` names it in sentences; `extensions` are all extensions that a file name of this type may have.
    """

    kind: str
    content_type: str
    extension: str
    label: str
    extensions: tuple[str, ...]


PDF = FileType("document", "application/pdf", ".pdf", sentence("PDF document"), (".pdf",))
JPEG = FileType("image", "image/jpeg", ".jpg", sentence("JPEG image"), (".jpg", ".jpeg"))
PNG = FileType("image", "image/png", ".png", sentence("PNG image"), (".png",))
GIF = FileType("image", "image/gif", ".gif", sentence("GIF image"), (".gif",))
WEBP = FileType("image", "image/webp", ".webp", sentence("WebP image"), (".webp",))
MP4 = FileType("video", "video/mp4", ".mp4", sentence("MP4 video"), (".mp4", ".m4v"))
MPEG_VIDEO = FileType("video", "video/mpeg", ".mpeg", sentence("MPEG video"), (".mpeg", ".mpg"))
QUICKTIME = FileType("video", "video/quicktime", ".mov", sentence("QuickTime video"), (".mov", ".qt"))
MP3 = FileType("audio", "audio/mpeg", ".mp3", sentence("MP3 audio"), (".mp3", ".mpeg", ".mpga"))
MPEG_AUDIO = FileType("audio", "audio/mpeg", ".mpeg", sentence("MPEG audio"), (".mpeg", ".mpga", ".mp2"))
VORBIS = FileType("audio", "audio/ogg", ".ogg", sentence("Ogg Vorbis audio"), (".ogg", ".oga", ".vorbis"))
AMR = FileType("audio", "audio/amr", ".amr", sentence("AMR audio"), (".amr",))
MP4_AUDIO = FileType("audio", "audio/mp4", ".m4a", sentence("MP4 audio"), (".m4a",))

_PREFIXES = (
    (b"%PDF-", PDF),
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"#!AMR", AMR),
    (b"\x00\x00\x01\xba", MPEG_VIDEO),
    (b"\x00\x00\x01\xb3", MPEG_VIDEO),
)

_MP4_BRANDS = frozenset(
    b"isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 mp41 mp42 mp71 avc1 M4VH M4VP dash msdh msnv MSNV mmp4".split()
) | {b"M4V ", b"M4A ", b"M4B ", b"f4v "}
_IMAGE_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"})
_SOUND_BRANDS = frozenset({b"M4A ", b"M4B "})
_OLD_QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def detect(data: bytes | IO[bytes], name: str = "") -> FileType | None:
    """Return the type of `data` (the first bytes of a file, or a whole seekable file), or None when it is unknown.

    The position of a file does not change. `name` decides only between sound and video of an MP4 whose track list is
    not among the bytes given.
    """
    if isinstance(data, bytes):
        return _Source(io.BytesIO(data), whole=False).detect(name)
    position = data.tell()
    try:
        return _Source(data, whole=True).detect(name)
    finally:
        data.seek(position)


class _Source:
    """The bytes to examine. `whole`: they are the whole file, so nothing follows them."""

    def __init__(self, file: IO[bytes], *, whole: bool) -> None:
        self.file = file
        self.whole = whole
        self.boxes_left = MAX_BOXES
        self.size = file.seek(0, io.SEEK_END) or file.tell()

    def read_at(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(length)

    def detect(self, name: str) -> FileType | None:
        head = self.read_at(0, 64)
        for prefix, file_type in _PREFIXES:
            if head.startswith(prefix):
                return file_type
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return WEBP
        if head[:4] == b"OggS":
            return VORBIS if head[28:35] == b"\x01vorbis" else None
        if head[4:8] == b"ftyp":
            return self._iso_media(name)
        if head[4:8] in _OLD_QUICKTIME_BOXES:
            handlers = self._track_handlers()
            return QUICKTIME if b"vide" in handlers or not (handlers or self.whole) else None
        if head[:3] == b"ID3":
            return self._after_id3(head)
        return self._mpeg_audio(0)

    # --- MP4 and QuickTime

    def _iso_media(self, name: str) -> FileType | None:
        length = min(int.from_bytes(self.read_at(0, 4), "big"), 512)
        box = self.read_at(8, max(length - 8, 0))
        major = box[:4]
        brands = {major, *(box[i : i + 4] for i in range(8, len(box), 4))}
        if brands & _IMAGE_BRANDS:
            return None
        if major == b"qt  ":
            return QUICKTIME
        if not brands & _MP4_BRANDS:
            return None
        handlers = self._track_handlers()
        if handlers:
            return MP4 if b"vide" in handlers else MP4_AUDIO if b"soun" in handlers else None
        lowered = name.lower()
        named_sound = lowered.startswith("audioclip") or lowered.endswith(".m4a")
        return MP4_AUDIO if major in _SOUND_BRANDS or named_sound else MP4

    def _track_handlers(self) -> set[bytes]:
        """Return the handler types ("vide", "soun" …) of the tracks in `moov`."""
        handlers = set()
        for moov in self._boxes(0, self.size, b"moov"):
            for trak in self._boxes(*moov, b"trak"):
                for mdia in self._boxes(*trak, b"mdia"):
                    for begin, _end in self._boxes(*mdia, b"hdlr"):
                        handlers.add(self.read_at(begin + 8, 4))
        return handlers

    def _boxes(self, begin: int, end: int, box_type: bytes) -> Iterator[tuple[int, int]]:
        """Yield begin and end of the content of each box of `box_type` between two offsets (bytes)."""
        while self.boxes_left > 0:
            self.boxes_left -= 1
            header = self.read_at(begin, 16)
            if begin + 8 > end or len(header) < 8:
                return
            size, content = int.from_bytes(header[:4], "big"), begin + 8
            if size == 1:
                size, content = int.from_bytes(header[8:16], "big"), begin + 16
            elif size == 0:
                size = end - begin
            if size < content - begin:
                return
            if header[4:8] == box_type:
                yield content, min(begin + size, end)
            begin += size

    # --- MPEG audio

    def _after_id3(self, head: bytes) -> FileType | None:
        length = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
        if head[5:6] and head[5] & 0x10:
            length += 10
        if length + 4 > self.size and not self.whole:
            return MP3
        # Tag editors add padding: search a little further for two frames in a row.
        rest = self.read_at(length, _ID3_SEARCH_BYTES)
        start = rest.find(b"\xff")
        while start != -1:
            file_type = self._mpeg_audio(length + start)
            if file_type:
                return file_type
            start = rest.find(b"\xff", start + 1)
        return None

    def _mpeg_audio(self, offset: int) -> FileType | None:
        first = _parse_frame(self.read_at(offset, 4))
        if first is None:
            return None
        after = offset + first.length
        following = _parse_frame(self.read_at(after, 4))
        ends_here = self.whole and after == self.size
        if not ends_here and (following is None or following.stream != first.stream):
            return None
        return MP3 if first.layer == 3 else MPEG_AUDIO


@dataclass(frozen=True)
class _Frame:
    layer: int
    length: int
    stream: tuple[int, int, int]


# Bit rates in kbit/s by (MPEG 1?, layer), index 1 to 14 of the header's four bits.
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = (44_100, 48_000, 32_000)
# Version bits of the header: 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5, 1 is reserved.
_RATE_DIVISOR = {3: 1, 2: 2, 0: 4}


def _parse_frame(header: bytes) -> _Frame | None:
    """Parse the four bytes of an MPEG audio frame header (ISO 11172-3); return None when they are none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, sample_rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bit_rate in (0, 15) or sample_rate == 3:
        return None
    mpeg1 = version == 3
    bits_per_second = _BIT_RATES[mpeg1, layer][bit_rate - 1] * 1000
    samples_per_second = _SAMPLE_RATES[sample_rate] // _RATE_DIVISOR[version]
    if layer == 1:
        length = (12 * bits_per_second // samples_per_second + padding) * 4
    else:
        samples = 1152 if mpeg1 or layer == 2 else 576
        length = samples // 8 * bits_per_second // samples_per_second + padding
    return _Frame(layer, length, (version, layer, sample_rate))
