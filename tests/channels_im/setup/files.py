"""Files that somebody may choose as an icon."""

import io
import struct
import zlib

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (300, 200)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (20, 90, 200)).save(out, kind)
    return out.getvalue()


def noise_png(size: int) -> bytes:
    """Return a real PNG of exactly `size` bytes, padded by a chunk that says nothing."""
    base = picture()
    head, end = base[:-12], base[-12:]
    length = size - len(base) - 12
    body = b"prVt" + b"\0" * length
    return head + struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body)) + end


def huge_png(width: int, height: int) -> bytes:
    """Return a small file whose header says width x height pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def upload(content: bytes | None = None, name: str = "icon.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture() if content is None else content)
