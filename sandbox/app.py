"""The ASGI application: routes, the webhook sender, and saving the state before each answer."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import cdn, control, dialog, messenger_window, panel, seed_history, seed_people
from sandbox.graph.router import graph
from sandbox.webhooks import Sender
from sandbox.world import World

HERE = Path(__file__).parent


def seed_world(world: World) -> None:
    """Fill the world at the first start; do nothing when it has people already."""
    if not world.store.people:
        seed_people.seed(world)
        seed_history.seed(world)
        world.store.commit()


class CommitBeforeAnswer:
    """Save the state before an answer starts, so that everything a client was answered survives a crash."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_after_commit(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.world.store.commit()
            await send(message)

        await self.app(scope, receive, send_after_commit if scope["type"] == "http" else send)


class OwnOriginOnly:
    """Refuse changes that the page of another web site sends from the visitor's browser."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
            headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
            origin = headers.get(b"origin")
            if origin and urlsplit(origin).netloc != headers.get(b"host"):
                answer = PlainTextResponse("This request came from another web site.", 403)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def healthz(request: Request) -> JSONResponse:
    """GET /_sandbox/healthz."""
    world: World = request.app.state.world
    return JSONResponse({"status": "ok", "queued_webhooks": len(world.store.deliveries)})


def build(world: World) -> Starlette:
    """Return the application for a world."""
    sender = Sender(world)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        seed_world(world)
        await sender.start()
        yield
        world.closing = True
        world.announce()
        await sender.stop()
        world.store.close()

    dialog_paths = ["/dialog/oauth", "/v{version}/dialog/oauth"]
    app = Starlette(
        routes=[
            Route("/_sandbox/healthz", healthz),
            *control.routes,
            *panel.routes,
            *messenger_window.routes,
            *[Route(path, dialog.dialog, methods=["GET", "POST"]) for path in dialog_paths],
            Route("/login", dialog.login, methods=["POST"]),
            Route("/logout", dialog.logout, methods=["POST"]),
            Route("/cdn/picture/{kind}/{key}", cdn.serve_picture),
            Route("/cdn/{file_id}/{name:path}", cdn.serve_file),
            Route("/media/{file_id}", cdn.own_file),
            Route("/pictures/{kind}/{key}", cdn.own_picture),
            Route("/favicon.ico", lambda request: RedirectResponse("/static/icon.svg")),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            Route("/{path:path}", graph, methods=["GET", "POST", "DELETE"]),
        ],
        middleware=[Middleware(CommitBeforeAnswer, world=world), Middleware(OwnOriginOnly)],
        lifespan=lifespan,
    )
    app.state.world = world
    return app
