"""The CDN: files and pictures behind signed links that expire, and the faults of downloads."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from sandbox import faults, files, pictures
from sandbox.store import Doc
from sandbox.world import World


async def serve_file(request: Request) -> Response:
    """GET /cdn/{file_id}/{name}?oh=…&oe=…: 403 "URL signature expired" after `oe`."""
    world: World = request.app.state.world
    file = world.store.files.get(request.path_params["file_id"])
    fault = faults.cdn_fault(world)
    refusal = _refusal(
        world,
        request.query_params.get("oe", ""),
        16,
        request.query_params.get("oh", ""),
        lambda ends: files.signature(world, request.path_params["file_id"], ends),
        fault,
    )
    if refusal:
        return refusal
    data = world.store.read_file(file["id"]) if file else None
    if file is None or data is None:
        return Response("Not found", 404, media_type="text/plain")
    return await _serve(data, file["content_type"], file["name"], fault)


async def serve_picture(request: Request) -> Response:
    """GET /cdn/picture/{kind}/{key}?ext=…&hash=…: profile pictures, Page pictures, stickers."""
    world: World = request.app.state.world
    kind, key = request.path_params["kind"], request.path_params["key"]
    fault = faults.cdn_fault(world)
    refusal = _refusal(
        world,
        request.query_params.get("ext", ""),
        10,
        request.query_params.get("hash", ""),
        lambda ends: files.signature(world, f"picture:{kind}:{key}", ends),
        fault,
    )
    if refusal:
        return refusal
    data, content_type = picture(world, kind, key)
    return await _serve(data, content_type, f"{key}.{content_type.rpartition('/')[2]}", fault)


async def own_file(request: Request) -> Response:
    """GET /media/{file_id}: the same file for the sandbox's own pages, without a signature."""
    world: World = request.app.state.world
    file = world.store.files.get(request.path_params["file_id"])
    data = world.store.read_file(file["id"]) if file else None
    if file is None or data is None:
        return Response("Not found", 404, media_type="text/plain")
    inline = files.kind_of(file["content_type"]) != "file"
    return Response(
        data,
        media_type=file["content_type"],
        headers={
            "Content-Disposition": _disposition("inline" if inline else "attachment", file["name"]),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "max-age=86400",
        },
    )


async def own_picture(request: Request) -> Response:
    """GET /pictures/{kind}/{key}: the same picture for the sandbox's own pages."""
    data, content_type = picture(request.app.state.world, request.path_params["kind"], request.path_params["key"])
    return Response(data, media_type=content_type, headers={"Cache-Control": "max-age=86400"})


def picture(world: World, kind: str, key: str) -> tuple[bytes, str]:
    """Return (bytes, content type) of a picture: `kind` is person, page, customer or sticker."""
    page = world.store.pages.get(key) if kind == "page" else None
    return pictures.draw(kind, key, page["glyph"] if page else "")


def _refusal(
    world: World, ends: str, base: int, given: str, sign: Callable[[str], str], fault: Doc | None
) -> Response | None:
    """Return the error answer for a link, or None when it is valid.

    `ends` is its end in Unix seconds, written to `base`; `sign(ends)` is the right signature, `given` the one in it.
    """
    if fault and fault["kind"] == "cdn_error":
        return Response("Internal error", 500, media_type="text/plain")
    if fault and fault["kind"] == "cdn_redirect":
        return RedirectResponse(fault["params"].get("location", "http://169.254.169.254/latest/"), 302)
    try:
        expired = int(ends, base) <= world.now()
    except ValueError:
        return Response("Bad URL timestamp", 403, media_type="text/plain")
    if not hmac.compare_digest(sign(ends).encode(), given.encode()):
        return Response("URL signature mismatch", 403, media_type="text/plain")
    if expired or (fault and fault["kind"] == "cdn_expired"):
        return Response("URL signature expired", 403, media_type="text/plain")
    return None


async def _serve(data: bytes, content_type: str, name: str, fault: Doc | None) -> Response:
    kind, params = (fault["kind"], fault["params"]) if fault else (None, {})
    if kind == "cdn_wrong_type":
        content_type = params.get("content_type", "application/octet-stream")
    if kind == "cdn_slow":
        await asyncio.sleep(params.get("ms", 3000) / 1000)
    headers = {"Content-Disposition": _disposition("attachment", name), "Cache-Control": "max-age=1209600"}
    if kind == "cdn_no_length":
        return StreamingResponse(_chunks(data), media_type=content_type, headers=headers)
    return Response(data, media_type=content_type, headers=headers)


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65536):
        yield data[start : start + 65536]


def _disposition(kind: str, name: str) -> str:
    safe = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else "_" for letter in name
    )
    return f'{kind}; filename="{safe}"'
