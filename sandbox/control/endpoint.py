"""Endpoints of the control API: read the body of a request, answer JSON, and answer errors as sentences."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.world import World

Body = dict[str, Any]
Handler = Callable[[World, Request, Body], Any]


async def read_body(request: Request) -> Body:
    """Return the JSON object of the body, or the fields of a form; {} for GET.

    Uploaded files are in the list "uploads", each as {"name", "content_type", "data"}. Raise ValueError for other JSON.
    """
    if request.method in {"GET", "HEAD"}:
        return {}
    kind = request.headers.get("content-type", "")
    if kind.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        form = await request.form()
        body: Body = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                body[name] = value
            elif value.filename:
                upload = {"name": value.filename, "content_type": value.content_type, "data": await value.read()}
                body.setdefault("uploads", []).append(upload)
        return body
    raw = await request.body()
    if not raw:
        return {}
    try:
        parsed = json.loads(raw)
    except ValueError:
        raise ValueError("The body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise ValueError("The body must be a JSON object.")
    return parsed


def json_endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Make a handler an endpoint: its result is answered as JSON, ValueError and missing keys as 400."""

    async def answer(request: Request) -> Response:
        world: World = request.app.state.world
        try:
            result = handler(world, request, await read_body(request))
            if asyncio.iscoroutine(result):
                result = await result
        except KeyError as error:
            return JSONResponse({"error": f"{error.args[0]} is missing or unknown."}, 400)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return result if isinstance(result, Response) else JSONResponse(result)

    return answer
