"""Channel icons: what the file really is, and our own small copy of it."""

import io
import uuid
import warnings
from pathlib import PurePath
from typing import IO

from django.core.files.base import ContentFile
from PIL import Image, ImageOps, UnidentifiedImageError

from desk.errors import Refused

MAX_ICON_BYTES = 1_048_576  # 1 MB, seed: on-boarding step 6a
MAX_ICON_PIXELS = 4096  # per side: a picture of 1 MB can unpack to gigabytes
LIMIT_IN_WORDS = f"{MAX_ICON_PIXELS} × {MAX_ICON_PIXELS}"
STORED_PIXELS = 512
EXTENSIONS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
FORMATS = ("JPEG", "PNG")
ALLOWED = "Choose a .jpg, .jpeg or .png picture of at most 1 MB."


class CheckedIcon(ContentFile):
    """Our own copy of a picture that passed `check_icon`."""


class IconError(Refused):
    """The file cannot be an icon; the sentence is for the administrator."""


def check_icon(file: IO[bytes], name: str, size: int) -> CheckedIcon:
    """Return our own copy of an uploaded icon: at most 512 px a side, without metadata, under a generated name.

    `size` is in bytes. Decided by the bytes, and the name must agree (seed: .jpg, .jpeg, .png, at most 1 MB).
    Raises IconError.
    """
    expected = EXTENSIONS.get(PurePath(name).suffix.lower())
    if expected is None:
        raise IconError(f"“{shorten(name)}” is not a .jpg, .jpeg or .png file. {ALLOWED}")
    if size > MAX_ICON_BYTES:
        raise IconError(f"This picture has {megabytes(size)}; the limit is 1 MB (1,048,576 bytes). {ALLOWED}")
    if size == 0:
        raise IconError(f"This file is empty. {ALLOWED}")
    file.seek(0)
    content = file.read(MAX_ICON_BYTES + 1)
    if len(content) > MAX_ICON_BYTES:
        raise IconError(f"This picture has more than 1 MB (1,048,576 bytes). {ALLOWED}")
    image = _open(content)
    found = "PNG" if image.format == "PNG" else "JPEG"
    if found != expected:
        right = ".png" if found == "PNG" else ".jpg"
        raise IconError(
            f"“{shorten(name)}” is named like a {expected} picture and holds a {found} picture. "
            f"Give it a name that ends in {right} and choose it again."
        )
    return _copy(image, found)


def _open(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if max(image.size) > MAX_ICON_PIXELS:  # known from the header, before anything is unpacked
                width, height = image.size
                raise IconError(
                    f"This picture measures {width} × {height} pixels; the limit is "
                    f"{LIMIT_IN_WORDS}. Make it smaller and choose it again."
                )
            image.load()
    except UnidentifiedImageError:
        raise IconError(f"This file is not a JPEG or PNG picture. {ALLOWED}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise IconError(f"This picture has far too many pixels; the limit is {LIMIT_IN_WORDS}.") from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise IconError("This picture is damaged or incomplete. Save it again and choose it again.") from None
    return image


def _copy(image: Image.Image, kind: str) -> CheckedIcon:
    copy = ImageOps.exif_transpose(image)
    copy = copy.convert("RGB" if kind == "JPEG" else "RGBA")
    copy.thumbnail((STORED_PIXELS, STORED_PIXELS))
    out = io.BytesIO()
    copy.save(out, kind, **({"quality": 90} if kind == "JPEG" else {"optimize": True}))
    return CheckedIcon(out.getvalue(), name=f"{uuid.uuid4().hex}.{'jpg' if kind == 'JPEG' else 'png'}")


def megabytes(size: int) -> str:
    """Return a size in bytes as people read it; never rounded down to the limit it exceeds."""
    if size <= MAX_ICON_BYTES * 1.01:
        return f"{size:,} bytes"
    return f"{size / MAX_ICON_BYTES:.2f} MB"


def shorten(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:20]}…{name[-16:]}"
