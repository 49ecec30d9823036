"""Attachments of the Send API (by upload, by id or by URL) and the Attachment Upload API.

Source: DOC/send-messages/saving-assets. 25 MB in general, 8 MB for images by URL.
"""

import asyncio
import mimetypes
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from sandbox import errors, files, ids
from sandbox.graph.call import Call
from sandbox.store import Doc

MB = 1024 * 1024
GENERAL_LIMIT = 25 * MB
IMAGE_URL_LIMIT = 8 * MB
UPLOAD_LIFE_S = 90 * 24 * 3600
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


async def post_message_attachments(call: Call) -> dict[str, Any]:
    """POST /{page-id}/message_attachments: store a file; answers {attachment_id}, valid for 90 days."""
    page = call.require_page_token(call.node)
    call.require_permission("pages_messaging", as_error_10=True)
    call.require_task(page, "MESSAGING")
    message = call.json("message")
    attachment = message.get("attachment") if isinstance(message, dict) else None
    if not isinstance(attachment, dict):
        raise errors.parameter("The parameter message[attachment] is required.")
    stored, _ = await store(call, page, attachment)
    if "file" not in stored:
        raise errors.parameter("Upload attachment failure.", 2018047)
    return {"attachment_id": make_reusable(call, page, stored)}


async def store(call: Call, page: Doc, attachment: dict[str, Any]) -> tuple[Doc, str | None]:
    """Store an attachment of a message; return it and, when payload.is_reusable is set, its id.

    Raise GraphError 100 when it is invalid, too large, or of another type than it says.
    """
    kind, payload = attachment.get("type"), attachment.get("payload") or {}
    if kind == "template":
        return _template(payload), None
    if kind not in {"image", "video", "audio", "file"}:
        raise errors.parameter(
            "Param message[attachment][type] must be one of {audio, file, image, template, video}"
            f" - got value: {kind}"
        )
    if payload.get("attachment_id"):
        earlier = call.world.store.uploads.get(str(payload["attachment_id"]))
        if earlier is None or earlier["page"] != page["id"] or earlier["expires_at"] <= call.world.now():
            raise errors.parameter("Invalid attachment ID.", 2018074)
        return {"type": earlier["type"], "file": earlier["file"]}, None
    if payload.get("url"):
        name, content_type, data = await _fetch(str(payload["url"]), kind)
    elif "filedata" in call.uploads:
        upload = call.uploads["filedata"]
        name, content_type, data = upload.name, upload.content_type, upload.data
    else:
        raise errors.parameter("Upload attachment failure: neither url, attachment_id nor filedata was given.", 2018047)
    if len(data) > GENERAL_LIMIT:
        raise errors.parameter("Attachment size exceeds allowable limit of 25 MB", 2018109)
    _check_type(kind, name, content_type, data)
    if not data:
        raise errors.parameter("Upload attachment failure: the file is empty.", 2018047)
    stored_type = files.sniff(data) or _plain(content_type) or mimetypes.guess_type(name)[0]
    file = files.add(call.world, name, data, stored_type)
    stored = {"type": kind, "file": file["id"]}
    return stored, make_reusable(call, page, stored) if payload.get("is_reusable") else None


def make_reusable(call: Call, page: Doc, stored: Doc) -> str:
    """Return a new id of a stored attachment, which the Page may use for 90 days."""
    key = ids.new_number("8")
    call.world.store.put(
        "uploads",
        key,
        {
            "page": page["id"],
            "type": stored["type"],
            "file": stored["file"],
            "expires_at": call.world.now() + UPLOAD_LIFE_S,
        },
    )
    return key


def _template(payload: dict[str, Any]) -> dict[str, Any]:
    kind = payload.get("template_type")
    if kind not in {"button", "generic", "media", "receipt", "customer_feedback"}:
        raise errors.parameter(f"Param message[attachment][payload][template_type] is unknown: {kind}")
    if kind == "button" and not (payload.get("text") and payload.get("buttons")):
        raise errors.parameter("A button template needs text and buttons.")
    if kind == "generic" and not payload.get("elements"):
        raise errors.parameter("A generic template needs elements.")
    return {"type": "template", "raw": {"type": "template", "payload": payload}}


def _plain(content_type: str | None) -> str | None:
    plain = (content_type or "").partition(";")[0].strip().lower()
    return None if plain in {"", "application/octet-stream"} else plain


def _check_type(kind: str, name: str, content_type: str | None, data: bytes) -> None:
    if kind == "file":
        return
    declared = _plain(content_type) or mimetypes.guess_type(name)[0] or ""
    actual = files.sniff(data)
    fits = declared.startswith(f"{kind}/") and (
        actual is None or files.kind_of(actual) == kind or _audio_or_video(kind, actual)
    )
    if kind == "image":
        fits = fits and actual is not None
    if not fits:
        raise errors.parameter("Upload attachment failure. The file type does not match the attachment type.", 2018047)


def _audio_or_video(kind: str, actual: str) -> bool:
    # mp4 and ogg contain audio or video, and the first bytes do not show which.
    return kind in {"audio", "video"} and actual in {"video/mp4", "video/quicktime", "audio/ogg", "audio/mpeg"}


async def _fetch(url: str, kind: str) -> tuple[str, str | None, bytes]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or parts.hostname not in LOOPBACK:
        raise errors.parameter(
            "Failed to fetch the file from the url (the sandbox fetches only from this machine)", 2018008
        )
    try:
        status, content_type, data = await asyncio.to_thread(_get, url)
    except requests.RequestException:
        raise errors.parameter("Failed to fetch the file from the url", 2018008) from None
    if status != 200:
        raise errors.parameter("Failed to fetch the file from the url", 2018008)
    if kind == "image" and len(data) > IMAGE_URL_LIMIT:
        raise errors.parameter("Attachment size exceeds allowable limit of 8 MB for images by url", 2018109)
    return unquote(parts.path.rsplit("/", 1)[-1]) or "file", content_type, data


def _get(url: str) -> tuple[int, str | None, bytes]:
    with requests.Session() as session:
        session.trust_env = False
        with session.get(url, timeout=10, allow_redirects=False, stream=True) as answer:
            data = bytearray()
            for chunk in answer.iter_content(65536):
                data += chunk
                if len(data) > GENERAL_LIMIT:
                    break
            return answer.status_code, answer.headers.get("Content-Type"), bytes(data)
