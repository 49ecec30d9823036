"""Files people and Pages send, the signed links to them, and what the bytes really are."""

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
    """Return the type the first bytes tell of, or None."""
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
    """Keep a file and return its document; the type is the given one, else what bytes or name tell."""
    key = key or ids.new_number("4")
    content_type = content_type or sniff(data) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    world.store.write_blob(key, data)
    return world.store.put(
        "files",
        key,
        {"id": key, "name": name or "file", "content_type": content_type, "size": len(data)},
    )


def cdn_url(world: World, file: Doc, life_s: float | None = None) -> str:
    """Return a link as Meta's CDN signs it: `oe` is the hex Unix time of its end, `oh` the signature."""
    ends = int(world.now() + (world.config.cdn_life_s if life_s is None else life_s))
    expiry = f"{ends:08X}"
    proof = signature(world, file["id"], expiry)
    url = f"{world.config.public_url}/cdn/{file['id']}/{quote(file['name'])}?_nc_cat=1&oh={proof}&oe={expiry}"
    return url + "&dl=1" if kind_of(file["content_type"]) == "file" else url


def signature(world: World, file_id: str, expiry: str) -> str:
    """Return the signature of a CDN link."""
    return hmac.new(world.config.app_secret.encode(), f"cdn:{file_id}:{expiry}".encode(), hashlib.sha256).hexdigest()[
        :40
    ]
