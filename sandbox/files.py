"""Files that customers and Pages send, the signed links to them, and the types that their bytes show."""

import hashlib
import hmac
import mimetypes
from urllib.parse import quote

from sandbox import ids
from sandbox.store import Doc
from sandbox.world import World

MAGIC = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR", "audio/amr"),
]


def sniff(data: bytes) -> str | None:
    """Return the content type that the first bytes show, or None."""
    for magic, content_type in MAGIC:
        if data.startswith(magic):
            return content_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return "video/quicktime" if data[8:12] == b"qt  " else "video/mp4"
    return None


def kind_of(content_type: str) -> str:
    """Return the attachment type Messenger gives a file: image, video, audio or file."""
    family = content_type.partition("/")[0]
    return family if family in {"image", "video", "audio"} and content_type != "image/svg+xml" else "file"


def add(world: World, name: str, data: bytes, content_type: str | None = None, *, key: str | None = None) -> Doc:
    """Store a file and return its document; the type is the given one, else that of the bytes or of the name."""
    key = key or ids.new_number("4")
    content_type = content_type or sniff(data) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    world.store.write_file(key, data)
    return world.store.put(
        "files",
        key,
        {"id": key, "name": name or "file", "content_type": content_type, "size": len(data)},
    )


def cdn_url(world: World, file: Doc, life_s: float | None = None) -> str:
    """Return a link as Meta's CDN signs it: `oe` is the Unix time of its end in hex, `oh` the signature."""
    ends = f"{int(world.now() + (world.config.cdn_life_s if life_s is None else life_s)):08X}"
    proof = signature(world, file["id"], ends)
    url = f"{world.config.public_url}/cdn/{file['id']}/{quote(file['name'])}?_nc_cat=1&oh={proof}&oe={ends}"
    return url + "&dl=1" if kind_of(file["content_type"]) == "file" else url


def signature(world: World, file_id: str, ends: str) -> str:
    """Return the signature of a CDN link that expires at `ends`."""
    return hmac.new(world.config.app_secret.encode(), f"cdn:{file_id}:{ends}".encode(), hashlib.sha256).hexdigest()[:40]
