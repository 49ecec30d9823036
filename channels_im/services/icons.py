"""Channel icons: check the uploaded file and make our own small copy."""

import io
import uuid
import warnings
from pathlib import PurePath
from typing import IO, TYPE_CHECKING

from django.core.files.base import ContentFile
from PIL import Image, ImageOps, UnidentifiedImageError

from desk.errors import Refused
from desk.sentences import counted, sentence
from desk.text import cut, tail, without_directions

MAX_ICON_BYTES = 1_048_576  # 1 MB
MAX_ICON_PIXELS = 4096  # per side: a picture of 1 MB can decompress to gigabytes
PIXEL_LIMIT_TEXT = f"{MAX_ICON_PIXELS} × {MAX_ICON_PIXELS}"
STORED_PIXELS = 512
EXTENSIONS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
FORMATS = ("JPEG", "PNG")
ALLOWED_FILES = sentence("Choose a .jpg, .jpeg or .png picture of at most 1 MB.")


if TYPE_CHECKING:
    BytesFile = ContentFile[bytes]
else:
    BytesFile = ContentFile  # cannot be subscripted at run time


class CheckedIcon(BytesFile):
    """Our own copy of a picture that passed `check_icon`."""

    name: str
    note = ""  # what was changed without being asked, for the administrator


class IconError(Refused):
    """The file cannot be an icon; the sentence is for the administrator."""


def check_icon(file: IO[bytes], name: str, size: int) -> CheckedIcon:
    """Return our own copy of an uploaded icon: at most STORED_PIXELS a side, without metadata, with a generated name.

    `size` is in bytes, at most MAX_ICON_BYTES. The bytes decide the type; when the extension of `name` (.jpg, .jpeg or
    .png) is that of the other one, the copy's `note` says so. Raises IconError.
    """
    expected = EXTENSIONS.get(PurePath(name).suffix.lower())
    if expected is None:
        raise IconError(_with_allowed(sentence("“%(name)s” is not a .jpg, .jpeg or .png file.", name=shorten(name))))
    if size > MAX_ICON_BYTES:
        raise IconError(_with_allowed(_too_big(size)))
    if size == 0:
        raise IconError(_with_allowed(sentence("This file is empty.")))
    file.seek(0)
    content = file.read(MAX_ICON_BYTES + 1)
    if len(content) > MAX_ICON_BYTES:
        raise IconError(_with_allowed(sentence("This picture has more than 1 MB (1,048,576 bytes).")))
    image = _open(content)
    actual = "PNG" if image.format == "PNG" else "JPEG"
    copy = _copy(image, actual)
    if actual != expected:
        copy.note = sentence(
            "“%(name)s” has the name of a %(expected)s picture but is a %(actual)s picture; stored as %(actual)s.",
            name=shorten(name),
            expected=expected,
            actual=actual,
        )
    return copy


def _open(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if max(image.size) > MAX_ICON_PIXELS:  # from the header, before anything is decompressed
                width, height = image.size
                raise IconError(
                    sentence(
                        "This picture has %(size)s pixels; the limit is %(limit)s. Make it smaller and choose it "
                        "again.",
                        size=f"{width} × {height}",
                        limit=PIXEL_LIMIT_TEXT,
                    )
                )
            image.load()
    except UnidentifiedImageError:
        raise IconError(_with_allowed(sentence("This file is not a JPEG or PNG picture."))) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise IconError(
            sentence("This picture has far too many pixels; the limit is %(limit)s.", limit=PIXEL_LIMIT_TEXT)
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise IconError(sentence("This picture is damaged or incomplete. Save it again and choose it again.")) from None
    return image


def _copy(image: Image.Image, image_format: str) -> CheckedIcon:
    copy = ImageOps.exif_transpose(image)
    copy = copy.convert("RGB" if image_format == "JPEG" else "RGBA")
    copy.thumbnail((STORED_PIXELS, STORED_PIXELS))
    out = io.BytesIO()
    copy.save(out, image_format, **({"quality": 90} if image_format == "JPEG" else {"optimize": True}))
    return CheckedIcon(out.getvalue(), name=f"{uuid.uuid4().hex}.{'jpg' if image_format == 'JPEG' else 'png'}")


def _with_allowed(text: str) -> str:
    return f"{text} {ALLOWED_FILES}"


def _too_big(size: int) -> str:
    """Return the sentence about a size (bytes) over the limit; one just over it is not rounded down to it."""
    if size <= MAX_ICON_BYTES * 1.01:
        return counted(
            "This picture has %(count)s byte; the limit is 1 MB (1,048,576 bytes).",
            "This picture has %(count)s bytes; the limit is 1 MB (1,048,576 bytes).",
            size,
            count=f"{size:,}",
        )
    megabytes = f"{size / MAX_ICON_BYTES:.2f}"
    return sentence("This picture has %(number)s MB; the limit is 1 MB (1,048,576 bytes).", number=megabytes)


def shorten(name: str) -> str:
    """Return a file name of more than 40 characters as its beginning and its end."""
    name = without_directions(name)
    return name if len(name) <= 40 else f"{cut(name, 21)}{tail(name, 16)}"
