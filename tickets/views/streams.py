"""A file in blocks, for the two kinds of server: threads (WSGI) and an event loop (ASGI)."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from django.core.files.base import File

BLOCK = 262_144  # bytes


def blocks(file: File, start: int, length: int) -> Iterator[bytes]:
    """`length` bytes from `start`, then the file is closed."""
    with file:
        file.seek(start)
        while length > 0 and (block := file.read(min(BLOCK, length))):
            length -= len(block)
            yield block


async def blocks_async(file: File, start: int, length: int) -> AsyncIterator[bytes]:
    """The same for an event loop, which a slow disk must not hold up."""
    try:
        await asyncio.to_thread(file.seek, start)
        while length > 0 and (block := await asyncio.to_thread(file.read, min(BLOCK, length))):
            length -= len(block)
            yield block
    finally:
        file.close()
