"""Files made byte by byte, as small as their formats allow."""

import io
import struct

from PIL import Image


def box(kind: bytes, content: bytes = b"") -> bytes:
    """Return one box of an ISO media file."""
    return struct.pack(">I", 8 + len(content)) + kind + content


def track(handler: bytes) -> bytes:
    """Return a `trak` with the given handler ("vide", "soun")."""
    return box(b"trak", box(b"tkhd", b"\0" * 20) + box(b"mdia", box(b"hdlr", b"\0" * 8 + handler + b"\0" * 12)))


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    """Return the first box of an ISO media file."""
    return box(b"ftyp", major + b"\0\0\2\0" + b"".join(compatible))


def mp4(*handlers: bytes, major: bytes = b"isom", moov_last: bool = True) -> bytes:
    """Return an MP4 with one track per handler."""
    moov, mdat = box(b"moov", box(b"mvhd", b"\0" * 100) + b"".join(map(track, handlers))), box(b"mdat", b"\0" * 500)
    return ftyp(major, b"isom", b"mp42") + (mdat + moov if moov_last else moov + mdat)


def mpeg_frames(header: bytes, length: int, count: int = 4) -> bytes:
    """Return MPEG audio frames with the given four header bytes."""
    return (header + b"\0" * (length - 4)) * count


def id3(content: bytes, padding: int = 100) -> bytes:
    """Return content behind an ID3v2 tag."""
    size = bytes((padding >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + size + b"\0" * padding + content


def picture(format: str, size: tuple[int, int] = (4, 3), frames: int = 1) -> bytes:
    """Return a picture of one colour per frame: red, then green …"""
    colours = ["red", "green", "blue"]
    images = [Image.new("RGB", size, colours[i % 3]) for i in range(frames)]
    out = io.BytesIO()
    images[0].save(out, format, **({"save_all": True, "append_images": images[1:]} if frames > 1 else {}))
    return out.getvalue()


PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
JPEG = picture("JPEG")
PNG = picture("PNG")
GIF = picture("GIF", frames=2)
WEBP = picture("WEBP", frames=2)
MP4 = mp4(b"vide", b"soun")
MP4_AUDIO = mp4(b"soun")
QUICKTIME = ftyp(b"qt  ", b"qt  ") + box(b"moov", track(b"vide"))
MPEG_VIDEO = b"\x00\x00\x01\xba\x44\x00\x04\x00\x04\x01" + b"\0" * 100
# MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes a frame.
MP3 = mpeg_frames(b"\xff\xfb\x90\x64", 417)
# MPEG 2 layer III, 32 kbit/s, 22.05 kHz: 104 bytes a frame.
MP3_LOW = mpeg_frames(b"\xff\xf3\x40\xc4", 104)
# MPEG 1 layer II, 128 kbit/s, 44.1 kHz: 417 bytes a frame.
MPEG_AUDIO = mpeg_frames(b"\xff\xfd\x80\x04", 417)
VORBIS = b"OggS\0\2" + b"\0" * 20 + b"\1\x1e" + b"\x01vorbis" + b"\0" * 40
OPUS = b"OggS\0\2" + b"\0" * 20 + b"\1\x13" + b"OpusHead" + b"\0" * 40
AMR = b"#!AMR\n" + b"\x3c" + b"\0" * 31
