"""The Messenger window: a person plays the customer, and sees what the Page sends, live."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox import chat, events, pictures, seed_people, views, webhooks
from sandbox.control import door
from sandbox.control.customers import take_attachments
from sandbox.store import Doc
from sandbox.world import World

DAY_MS = 24 * 3600 * 1000
GROUP_MS = 3 * 60 * 1000


def chosen(request: Request, world: World, given: Any = None) -> tuple[Doc, Doc]:
    """Return (customer, page) of the request, the first of each where nothing or something unknown is named."""
    given = request.query_params if given is None else given
    customers, pages = world.store.customers, world.store.pages
    customer = customers.get(str(given.get("as", ""))) or next(iter(customers.values()))
    page = pages.get(str(given.get("page", ""))) or next(iter(pages.values()))
    return customer, page


def address(customer: Doc, page: Doc) -> str:
    """Return the address of a conversation in the window."""
    return "/messenger/?" + urlencode({"as": customer["id"], "page": page["id"]})


async def window(request: Request) -> Response:
    """GET /messenger/?as=&page=."""
    world: World = request.app.state.world
    customer, page = chosen(request, world)
    return views.render(
        request,
        "messenger.html",
        customer=customer,
        page=page,
        picked="as" in request.query_params,
        rows=people_rows(world, page),
        address=address,
        reactions=chat.REACTIONS,
        stickers=list(pictures.STICKERS),
        **thread_context(world, customer, page),
    )


async def thread(request: Request) -> Response:
    """GET /messenger/thread?as=&page=: the conversation alone, as the live page fetches it."""
    world: World = request.app.state.world
    customer, page = chosen(request, world)
    return views.render(request, "_thread.html", customer=customer, page=page, **thread_context(world, customer, page))


async def people(request: Request) -> Response:
    """GET /messenger/people?as=&page=: the list of customers alone."""
    world: World = request.app.state.world
    customer, page = chosen(request, world)
    return views.render(
        request, "_people.html", customer=customer, page=page, rows=people_rows(world, page), address=address
    )


def people_rows(world: World, page: Doc) -> list[Doc]:
    """Return the customers with their last message on the Page, newest first."""
    rows = []
    for customer in world.store.customers.values():
        found = world.find_thread(page["id"], customer["id"])
        messages = world.thread_messages(found["key"]) if found else []
        last = messages[-1] if messages else None
        unread = found is not None and any(
            row["from"] == "page" and row["ts"] > found["read_watermark"] for row in messages[-20:]
        )
        rows.append({"customer": customer, "last": last, "unread": unread, "snippet": snippet(last)})
    return sorted(rows, key=lambda row: -(row["last"]["ts"] if row["last"] else 0))


def snippet(message: Doc | None) -> str:
    """Return one line that stands for a message."""
    if message is None:
        return "No messages yet"
    if message["deleted"]:
        return "Message unsent"
    lead = "" if message["from"] == "customer" else "Page: "
    if message["text"]:
        return lead + message["text"]
    kinds = {"image": "Photo", "sticker": "Sticker", "video": "Video", "audio": "Voice message", "template": "Card"}
    return lead + (kinds.get(message["attachments"][0]["type"], "File") if message["attachments"] else "Message")


def thread_context(world: World, customer: Doc, page: Doc) -> dict[str, Any]:
    """Return what the conversation's template needs."""
    found = world.find_thread(page["id"], customer["id"])
    messages = world.thread_messages(found["key"])[-200:] if found else []
    rows = []
    waiting = {row["mid"]: row for row in world.store.deliveries.values() if row["mid"]}
    for place, message in enumerate(messages):
        before = messages[place - 1] if place else None
        rows.append(
            {
                "message": message,
                "replied": world.store.messages.get(message["reply_to"] or ""),
                "day": before is None
                or views.templates.env.filters["clock"](message["ts"], "%x")
                != views.templates.env.filters["clock"](before["ts"], "%x"),
                "first": before is None or before["from"] != message["from"] or message["ts"] - before["ts"] > GROUP_MS,
                "files": [shown_attachment(world, item) for item in message["attachments"]],
                "waiting": waiting.get(message["mid"]),
            }
        )
    last_page = next((row for row in reversed(messages) if row["from"] == "page"), None)
    return {
        "thread": found,
        "rows_of_thread": rows,
        "unread": bool(found and last_page and last_page["ts"] > found["read_watermark"]),
        "typing": bool(found and found["typing"] and world.now_ms() - found["typing"] < 20_000),
        "subscribed": webhooks.subscribed_fields(world, page["id"]),
        "window_age": world.now_ms() - found["last_action_at"] if found and found["last_action_at"] else None,
        "owner": chat.owner(world, found) if found else None,
        "snippet": snippet,
        "DAY_MS": DAY_MS,
    }


def shown_attachment(world: World, item: Doc) -> Doc:
    """Return an attachment as the template shows it."""
    if item.get("file"):
        return {"type": item["type"], "file": world.store.files[item["file"]]}
    if item["type"] == "template":
        return {"type": "template", "payload": item["raw"].get("payload") or {}}
    if item["type"] == "sticker":
        return {"type": "sticker", "sticker_id": item["sticker_id"]}
    return {"type": item["type"], "raw": json.dumps(item.get("raw", item), indent=1)}


async def stream(request: Request) -> Response:
    """GET /messenger/stream: server-sent events, one number at each change."""
    world: World = request.app.state.world

    async def numbers() -> AsyncIterator[str]:
        event = world.watch()
        try:
            quiet = 0
            yield f"retry: 1000\ndata: {world.revision}\n\n"
            while not world.closing:
                try:
                    await asyncio.wait_for(event.wait(), 1)
                except TimeoutError:
                    quiet += 1
                    if quiet % 15 == 0:
                        yield ": still here\n\n"
                    continue
                event.clear()
                yield f"data: {world.revision}\n\n"
        finally:
            world.unwatch(event)

    return StreamingResponse(numbers(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def act(request: Request) -> Response:
    """POST /messenger/act: everything a customer does (act=send, react, edit, unsend, postback, referral, read,
    new_customer, inbox, event). Answers JSON to a script (Accept: application/json), else goes back to the window.
    """
    world: World = request.app.state.world
    problem, goal, result = None, "/messenger/", {}
    try:
        body = await door.read_body(request)
        customer, page = chosen(request, world, body)
        goal = address(customer, page)
        result = do(world, customer, page, body)
        if "customer" in result:
            goal = address(world.store.customers[result["customer"]], page)
    except (ValueError, KeyError) as error:
        problem = str(error)
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(
            {"error": problem} if problem else {"ok": True, "goal": goal, **result}, 400 if problem else 200
        )
    return RedirectResponse(goal + ("&" + urlencode({"problem": problem}) if problem else ""), 303)


def do(world: World, customer: Doc, page: Doc, body: Doc) -> Doc:
    """Do one act of the window; ValueError with a sentence."""
    name, mid = body.get("act"), str(body.get("mid") or "")
    if name in {"send", "inbox"}:
        content = {"text": (body.get("text") or "").strip() or None, "attachments": take_attachments(world, body)}
        if not content["text"] and not content["attachments"]:
            raise ValueError("Write something or choose a file.")
        if name == "inbox":
            thread_doc = world.find_thread(page["id"], customer["id"])
            if thread_doc is None:
                raise ValueError("A Page cannot write first: send a message as the customer.")
            return {"mid": chat.inbox_message(world, thread_doc, content)["mid"]}
        reply_to, quick_reply = body.get("reply_to") or None, body.get("quick_reply") or None
        # Messenger sends text and each file as messages of their own.
        parts = [{"text": content["text"]}] if content["text"] else []
        parts += [{"attachments": [item]} for item in content["attachments"]]
        for part in parts:
            sent = chat.customer_message(
                world, customer, page["id"], reply_to=reply_to, quick_reply=quick_reply, **part
            )
        return {"mid": sent["mid"]}
    if name == "react":
        chat.react(world, customer, mid, body.get("reaction") or None)
    elif name == "edit":
        chat.edit(world, customer, mid, str(body.get("text") or "").strip())
    elif name == "unsend":
        chat.unsend(world, customer, mid)
    elif name == "postback":
        title, payload = str(body.get("title") or "Get Started"), str(body.get("payload") or "GET_STARTED")
        chat.postback(world, customer, page["id"], title, payload)
    elif name == "referral":
        content = {"source": body.get("source") or "SHORTLINK", "ref": body.get("ref") or "spring-sale"}
        if content["source"] == "ADS":
            content["ad_id"] = "6045246247433"
            content["ads_context_data"] = {"ad_title": body.get("ad_title") or "Spring sale", "post_id": "1010_2020"}
        chat.referral(world, customer, page["id"], content)
    elif name == "read":
        thread_doc = world.find_thread(page["id"], customer["id"])
        return {"read": bool(thread_doc and chat.read(world, thread_doc))}
    elif name == "new_customer":
        return {"customer": seed_people.new_customer(world)["id"]}
    elif name == "event":
        return raw_event(world, customer, page, str(body.get("item") or ""))
    else:
        raise ValueError(f"There is nothing called {name} to do.")
    return {}


def raw_event(world: World, customer: Doc, page: Doc, text: str) -> Doc:
    """Send a webhook item typed by hand; sender, recipient and timestamp are filled in where they are missing."""
    try:
        item = json.loads(text)
    except ValueError as error:
        raise ValueError(f"This is not JSON: {error}.") from None
    if not isinstance(item, dict):
        raise ValueError("The event must be a JSON object.")
    thread_doc = world.open_thread(page["id"], customer["id"])
    item = {**events.from_customer(thread_doc, world.now_ms()), **item}
    key = webhooks.emit(world, thread_doc, item)
    if key is None:
        raise ValueError(f"Nobody is subscribed to {events.field_of(item)} of {page['name']}, so nothing was sent.")
    return {"id": key}


routes = [
    Route("/messenger/", window),
    Route("/messenger", lambda request: RedirectResponse("/messenger/")),
    Route("/messenger/thread", thread),
    Route("/messenger/people", people),
    Route("/messenger/stream", stream),
    Route("/messenger/act", act, methods=["POST"]),
]
