"""Responses that stream a part of a file, on both kinds of server: WSGI (threads) and ASGI (an event loop)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import IO, TypeAlias

from django.core.files.base import File
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

BLOCK_SIZE = 262_144  # bytes
BinaryFile: TypeAlias = "File[bytes] | IO[bytes]"  # English only: a type


class FilePartResponse(StreamingHttpResponse):
    """Stream `length` bytes of an open file from `start`; close the file at the end or when the browser goes away."""

    def __init__(
        self, request: HttpRequest, file: BinaryFile, start: int, length: int, content_type: str | None = None
    ) -> None:
        stream = _read_async if isinstance(request, ASGIRequest) else _read
        super().__init__(stream(file, start, length), content_type=content_type)
        self._file = file
        self.headers["Content-Length"] = str(length)

    def close(self) -> None:
        try:
            self._file.close()
        finally:
            super().close()


def _read(file: BinaryFile, start: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while length > 0 and (block := file.read(min(BLOCK_SIZE, length))):
            length -= len(block)
            yield block


async def _read_async(file: BinaryFile, start: int, length: int) -> AsyncIterator[bytes]:
    """Do the same in an event loop, which must not wait for a slow disk."""
    try:
        await asyncio.to_thread(file.seek, start)
        while length > 0 and (block := await asyncio.to_thread(file.read, min(BLOCK_SIZE, length))):
            length -= len(block)
            yield block
    finally:
        # Not here: when the browser left, a thread may still be reading, and closing waits for it.
        asyncio.get_running_loop().run_in_executor(None, file.close)


def download(request: HttpRequest, file: IO[bytes], name: str, content_type: str) -> StreamingHttpResponse:
    """Return a response that lets the browser save `file`, made for this one request, as `name`."""
    response = FilePartResponse(request, file, 0, file.seek(0, 2), content_type)
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
