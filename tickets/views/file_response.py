"""A file in blocks, for the two kinds of server: threads (WSGI) and an event loop (ASGI)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import IO

from django.core.files.base import File
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

BLOCK = 262_144  # bytes


def blocks(file: File | IO[bytes], start: int, length: int) -> Iterator[bytes]:
    """`length` bytes from `start`, then the file is closed."""
    with file:
        file.seek(start)
        while length > 0 and (block := file.read(min(BLOCK, length))):
            length -= len(block)
            yield block


async def blocks_async(file: File | IO[bytes], start: int, length: int) -> AsyncIterator[bytes]:
    """The same for an event loop, which a slow disk must not hold up."""
    try:
        await asyncio.to_thread(file.seek, start)
        while length > 0 and (block := await asyncio.to_thread(file.read, min(BLOCK, length))):
            length -= len(block)
            yield block
    finally:
        file.close()


def download(request: HttpRequest, file: IO[bytes], name: str, content_type: str) -> StreamingHttpResponse:
    """A file made for this one request, to be saved as `name`; it is closed after its last byte."""
    length = file.seek(0, 2)
    stream = blocks_async if isinstance(request, ASGIRequest) else blocks
    response = StreamingHttpResponse(stream(file, 0, length), content_type=content_type)
    response._resource_closers.append(file.close)
    response.headers["Content-Length"] = str(length)
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
