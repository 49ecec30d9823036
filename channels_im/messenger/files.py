"""Check which files may be sent and stored: tables of types and limits, and the checks. Pure.

1 MB = 1,048,576 bytes. The bytes decide on the type. The name of an outgoing file must agree with it; the stored name
of an incoming file gets the right extension. An incoming GIF or WebP is stored as a PNG of its first frame.
"""

import io
import os
import re
import unicodedata
import uuid
from dataclasses import dataclass
from typing import IO

from PIL import Image

from channels_im.messenger.file_signatures import (
    AMR,
    GIF,
    JPEG,
    MP3,
    MP4,
    MP4_AUDIO,
    MPEG_AUDIO,
    MPEG_VIDEO,
    PDF,
    PNG,
    QUICKTIME,
    VORBIS,
    WEBP,
    FileType,
    detect,
)
from desk.errors import Refused
from desk.sentences import sentence
from desk.text import head, is_blank

MB = 1_048_576

# What may be sent: limit in bytes per type.
OUTGOING_LIMITS: dict[FileType, int] = {
    PDF: 20 * MB,
    JPEG: 8 * MB,
    PNG: 8 * MB,
    MP4: 20 * MB,
    MPEG_VIDEO: 20 * MB,
    QUICKTIME: 20 * MB,
    MP3: 20 * MB,
    VORBIS: 20 * MB,
    AMR: 20 * MB,
    MPEG_AUDIO: 20 * MB,
}

# What may be stored. Messenger's own voice clips are MP4 files with sound only: they count as MPEG audio.
INCOMING_LIMIT = 50 * MB
INCOMING_TYPES = frozenset(OUTGOING_LIMITS) | {MP4_AUDIO}
CONVERTED_TYPES = frozenset({GIF, WEBP})

# Width times height; decoding a frame of this size needs 100 MB.
MAX_PIXELS = 25_000_000
MAX_NAME_CHARS = 150

ATTACHMENT_TYPES = {"document": "file", "image": "image", "video": "video", "audio": "audio"}

# All extensions for the `accept` attribute of a file input.
OUTGOING_EXTENSIONS = tuple(dict.fromkeys(ext for file_type in OUTGOING_LIMITS for ext in file_type.extensions))

_SENDABLE_TYPES = sentence(
    "Desk can send PDF documents, JPEG and PNG images, MP4, MPEG and QuickTime videos, and MP3, Ogg Vorbis, AMR and "
    "MPEG audio."
)
_WITH_ARTICLE = {
    PDF: sentence("a PDF document"),
    JPEG: sentence("a JPEG image"),
    PNG: sentence("a PNG image"),
    GIF: sentence("a GIF image"),
    WEBP: sentence("a WebP image"),
    MP4: sentence("an MP4 video"),
    MPEG_VIDEO: sentence("an MPEG video"),
    QUICKTIME: sentence("a QuickTime video"),
    MP3: sentence("an MP3 audio"),
    MPEG_AUDIO: sentence("an MPEG audio"),
    VORBIS: sentence("an Ogg Vorbis audio"),
    AMR: sentence("an AMR audio"),
    MP4_AUDIO: sentence("an MP4 audio"),
}
# The sentences about a file that is too big.
_TOO_BIG = {
    "document": sentence(
        "“%(name)s” is %(size)s; PDF documents may have at most %(limit)s. Make it smaller and attach it again."
    ),
    "image": sentence(
        "“%(name)s” is %(size)s; images may have at most %(limit)s. Make it smaller and attach it again."
    ),
    "video": sentence(
        "“%(name)s” is %(size)s; videos may have at most %(limit)s. Make it smaller and attach it again."
    ),
    "audio": sentence(
        "“%(name)s” is %(size)s; audio files may have at most %(limit)s. Make it smaller and attach it again."
    ),
}
# The sentences about a name with the wrong extension, by the number of those that it may have.
_WRONG_NAME = {
    1: sentence(
        "“%(name)s” is %(kind_text)s by its content, but its name does not end in %(first)s. Rename it and attach it "
        "again."
    ),
    2: sentence(
        "“%(name)s” is %(kind_text)s by its content, but its name does not end in %(first)s or %(second)s. Rename it "
        "and attach it again."
    ),
    3: sentence(
        "“%(name)s” is %(kind_text)s by its content, but its name does not end in %(first)s or %(second)s or "
        "%(third)s. Rename it and attach it again."
    ),
}
_KNOWN_EXTENSIONS = frozenset(
    ext for file_type in (*INCOMING_TYPES, *CONVERTED_TYPES) for ext in file_type.extensions
) | {
    ".bin",
    ".dat",
    ".tmp",
}
_JOINERS = "\u200c\u200d"  # Persian and emoji need them inside a name
_RESERVED_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


class FileError(Refused):
    """A file that may not be sent or stored. The sentence has its name, its type, the limit, and what to do."""


@dataclass(frozen=True)
class File:
    """A file that passed the check. `size` is in bytes."""

    name: str
    size: int
    type: FileType

    @property
    def kind(self) -> str:
        return self.type.kind

    @property
    def content_type(self) -> str:
        return self.type.content_type


@dataclass(frozen=True)
class OutgoingFile(File):
    """A file that may be sent. `attachment_type` is the Send API's word for its kind."""

    @property
    def attachment_type(self) -> str:
        return ATTACHMENT_TYPES[self.type.kind]


@dataclass(frozen=True)
class IncomingFile(File):
    """A file that may be stored. `name` is safe and has the right extension; `convert`: store it as PNG."""

    convert: bool


def check_outgoing(file: IO[bytes], name: str) -> OutgoingFile:
    """Return the file to send, or raise FileError. `file` is seekable and is left at its beginning."""
    size, file_type = _size_and_type(file, name)
    return _check_outgoing(file_type, size, name)


def check_outgoing_head(head: bytes, size: int, name: str) -> OutgoingFile:
    """Check a file before its upload, from its first bytes and its size in bytes. Raises FileError.

    What the first bytes cannot decide is accepted here; `check_outgoing` decides.
    """
    whole = len(head) == size
    return _check_outgoing(detect(io.BytesIO(head) if whole else head, name), size, name)


def _check_outgoing(file_type: FileType | None, size: int, name: str) -> OutgoingFile:
    shown = safe_name(name)
    if not size:
        raise FileError(sentence("“%(name)s” is empty. Choose another file.", name=shown))
    if file_type is None:
        raise FileError(
            sentence(
                "“%(name)s” is not a kind of file that can be sent. %(can_text)s", name=shown, can_text=_SENDABLE_TYPES
            )
        )
    limit = OUTGOING_LIMITS.get(file_type)
    if limit is None:
        raise FileError(
            sentence(
                "“%(name)s” is %(kind_text)s, which cannot be sent. %(can_text)s",
                name=shown,
                kind_text=_WITH_ARTICLE[file_type],
                can_text=_SENDABLE_TYPES,
            )
        )
    if file_type in (JPEG, PNG) and _extension(shown) in JPEG.extensions + PNG.extensions:
        shown = with_right_extension(shown, file_type)  # a picture that was named as one of the other kind
    if _extension(shown) not in file_type.extensions:
        extensions = dict(zip(("first", "second", "third"), file_type.extensions, strict=False))
        raise FileError(
            sentence(_WRONG_NAME[len(extensions)], name=shown, kind_text=_WITH_ARTICLE[file_type], **extensions)
        )
    if size > limit:
        raise FileError(sentence(_TOO_BIG[file_type.kind], name=shown, size=_megabytes(size), limit=_megabytes(limit)))
    return OutgoingFile(shown, size, file_type)


def check_incoming(file: IO[bytes], name: str = "", *, limit: int = INCOMING_LIMIT) -> IncomingFile:
    """Return how to store a received file, or raise FileError. `file` is seekable and is left at its beginning."""
    size, file_type = _size_and_type(file, name)
    shown = safe_name(name)
    if not size:
        raise FileError(sentence("“%(name)s” is empty.", name=shown))
    if file_type is None or file_type not in INCOMING_TYPES | CONVERTED_TYPES:
        raise FileError(
            sentence(
                "“%(name)s” is not a kind of file that Desk stores (PDF, images, videos, audio). Look at it in the "
                "Page inbox on Facebook.",
                name=shown,
            )
        )
    if size > limit:
        raise FileError(incoming_too_big(shown, size, limit))
    convert = file_type in CONVERTED_TYPES
    stored_type = PNG if convert else file_type
    return IncomingFile(with_right_extension(name, stored_type), size, file_type, convert)


def incoming_too_big(name: str, size: int | None, limit: int = INCOMING_LIMIT) -> str:
    """Return the sentence for a received file over the limit; `size` in bytes, None when it is unknown."""
    shown = safe_name(name)
    if not size:
        return sentence(
            "“%(name)s” is too big; received files may have at most %(limit)s. Look at it in the Page inbox on "
            "Facebook.",
            name=shown,
            limit=_megabytes(limit),
        )
    return sentence(
        "“%(name)s” is %(size)s; received files may have at most %(limit)s. Look at it in the Page inbox on Facebook.",
        name=shown,
        size=_megabytes(size),
        limit=_megabytes(limit),
    )


def to_png_first_frame(file: IO[bytes]) -> io.BytesIO:
    """Return the first frame of a GIF or WebP as PNG, at its beginning. Raises FileError when it cannot be read."""
    file.seek(0)
    try:
        with Image.open(file, formats=["GIF", "WEBP"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise FileError(
                    sentence(
                        "The image is too large to show: more than %(limit)s megapixels.", limit=MAX_PIXELS // 1_000_000
                    )
                )
            image.seek(0)
            frame = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except FileError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise FileError(sentence("The image is too large to show.")) from None
    except Exception:
        # Pillow's decoders raise nearly anything on damaged input.
        raise FileError(sentence("The image is damaged and cannot be shown.")) from None
    png = io.BytesIO()
    frame.save(png, "PNG")
    png.seek(0)
    return png


def with_right_extension(name: str, type: FileType) -> str:
    """Return a safe file name with an extension of `type`; it replaces a known extension and follows an unknown one."""
    shown = safe_name(name)
    extension = _extension(shown)
    if extension in type.extensions:
        return shown
    stem = shown[: -len(extension)] if extension in _KNOWN_EXTENSIONS else shown
    return (stem or "file") + type.extension


def safe_name(name: str) -> str:
    """Return `name` without folders, control and direction characters: at most 150 characters, never empty."""
    text = unicodedata.normalize("NFC", (name or "").replace("\\", "/").rsplit("/", 1)[-1])
    text = "".join(char for char in text if unicodedata.category(char)[0] != "C" or char in _JOINERS)
    text = re.sub(r'[<>:"|?*]', "_", text)
    text = re.sub(r"\s+", " ", text).strip(" .")
    if _RESERVED_NAMES.match(text):
        text = f"_{text}"
    if len(text) > MAX_NAME_CHARS:
        stem, extension = os.path.splitext(text)
        extension = extension if len(extension) <= 10 else ""
        text = head(stem, MAX_NAME_CHARS - len(extension)).rstrip(" .") + extension
    stem, extension = os.path.splitext(text)
    return ("file" + extension if extension else "file") if is_blank(stem) else text


def stored_name(type: FileType) -> str:
    """Return a name for the storage that the sender cannot choose: 32 random hex digits and the right extension."""
    return uuid.uuid4().hex + type.extension


def _size_and_type(file: IO[bytes], name: str) -> tuple[int, FileType | None]:
    file.seek(0, os.SEEK_END)
    size = file.tell()
    file.seek(0)
    return size, detect(file, name)


def _extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _megabytes(size: int) -> str:
    """Return a size (bytes) in MB with at most one decimal, rounded up so that it differs from a limit it exceeds."""
    tenths = -(-size * 10 // MB)
    return f"{tenths // 10} MB" if tenths % 10 == 0 else f"{tenths / 10:.1f} MB"
