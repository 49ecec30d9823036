"""The Messenger window, in which a person plays the customer and sees at once what the Page sends."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox import chat, events, pictures, samples, seed_people, views, webhooks
from sandbox.control.customers import take_attachments
from sandbox.control.endpoint import read_body
from sandbox.store import Doc
from sandbox.world import World

DAY_MS = 24 * 3600 * 1000
GROUP_MS = 3 * 60 * 1000
TYPING_LASTS_MS = 20_000


def selection(world: World, params: Mapping[str, Any]) -> tuple[Doc, Doc]:
    """Return the customer `as` and the Page `page`; the first one where none or an unknown one is given."""
    customers, pages = world.store.customers, world.store.pages
    customer = customers.get(str(params.get("as", ""))) or next(iter(customers.values()))
    page = pages.get(str(params.get("page", ""))) or next(iter(pages.values()))
    return customer, page


def address(customer: Doc, page: Doc) -> str:
    """Return the address of the window with a conversation."""
    return "/messenger/?" + urlencode({"as": customer["id"], "page": page["id"]})


async def window(request: Request) -> Response:
    """GET /messenger/?as=&page=: the window with this conversation."""
    world: World = request.app.state.world
    customer, page = selection(world, request.query_params)
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
        samples=samples.by_side(),
        **thread_context(world, customer, page),
    )


async def thread(request: Request) -> Response:
    """GET /messenger/thread?as=&page=: the conversation alone, for an open window."""
    world: World = request.app.state.world
    customer, page = selection(world, request.query_params)
    return views.render(request, "_thread.html", customer=customer, page=page, **thread_context(world, customer, page))


async def people(request: Request) -> Response:
    """GET /messenger/people?as=&page=: the list of customers alone, for an open window."""
    world: World = request.app.state.world
    customer, page = selection(world, request.query_params)
    return views.render(
        request, "_people.html", customer=customer, page=page, rows=people_rows(world, page), address=address
    )


def people_rows(world: World, page: Doc) -> list[Doc]:
    """Return the customers with their last message on the Page, newest first."""
    rows = []
    for customer in world.store.customers.values():
        known = world.find_thread(page["id"], customer["id"])
        messages = world.thread_messages(known["key"]) if known else []
        last = messages[-1] if messages else None
        unread = known is not None and any(
            row["from"] == "page" and row["ts"] > known["read_watermark"] for row in messages[-20:]
        )
        rows.append({"customer": customer, "last": last, "unread": unread, "snippet": snippet(last)})
    return sorted(rows, key=lambda row: -(row["last"]["ts"] if row["last"] else 0))


def snippet(message: Doc | None) -> str:
    """Return a message in one line."""
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
    """Return the context of `_thread.html`, with the newest 200 messages."""
    known = world.find_thread(page["id"], customer["id"])
    messages = world.thread_messages(known["key"])[-200:] if known else []
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
    last = messages[-1] if messages else None
    last_page = next((row for row in reversed(messages) if row["from"] == "page"), None)
    return {
        "thread": known,
        "rows_of_thread": rows,
        "unread": bool(known and last_page and last_page["ts"] > known["read_watermark"]),
        "seen": bool(last and last["from"] == "customer" and known and known["page_seen_at"] >= last["ts"]),
        "typing": bool(known and known["typing"] and world.now_ms() - known["typing"] < TYPING_LASTS_MS),
        "subscribed": webhooks.subscribed_fields(world, page["id"]),
        "window_age": world.now_ms() - known["last_action_at"] if known and known["last_action_at"] else None,
        "owner": chat.owner(world, known) if known else None,
        "snippet": snippet,
        "DAY_MS": DAY_MS,
    }


def shown_attachment(world: World, item: Doc) -> Doc:
    """Return an attachment for the template."""
    if item.get("file"):
        return {"type": item["type"], "file": world.store.files[item["file"]]}
    if item["type"] == "template":
        return {"type": "template", "payload": item["raw"].get("payload") or {}}
    if item["type"] == "sticker":
        return {"type": "sticker", "sticker_id": item["sticker_id"]}
    return {"type": item["type"], "raw": json.dumps(item.get("raw", item), indent=1)}


async def stream(request: Request) -> Response:
    """GET /messenger/stream: server-sent events with the world's revision, one after each change."""
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
    """POST /messenger/act: do what the customer does, or answer in the Page's own inbox.

    `act` is send, react, edit, unsend, postback, referral, read, new_customer, inbox, sample or event. Answers JSON
    to a script (Accept: application/json), else redirects to the window.
    """
    world: World = request.app.state.world
    problem, target, result = None, "/messenger/", {}
    try:
        body = await read_body(request)
        customer, page = selection(world, body)
        target = address(customer, page)
        result = run_act(world, customer, page, body)
        if "customer" in result:
            target = address(world.store.customers[result["customer"]], page)
    except (ValueError, KeyError) as error:
        problem = str(error)
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": problem} if problem else {"ok": True, **result}, 400 if problem else 200)
    return RedirectResponse(target + ("&" + urlencode({"problem": problem}) if problem else ""), 303)


def run_act(world: World, customer: Doc, page: Doc, body: Doc) -> Doc:
    """Do one `act` of the window. Raise ValueError with a sentence when it cannot be done."""
    name, mid = body.get("act"), str(body.get("mid") or "")
    if name in {"send", "inbox"}:
        return _send(world, customer, page, body, from_inbox=name == "inbox")
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
    elif name == "sample":
        return samples.send(world, customer, page["id"], str(body.get("name") or ""))
    elif name == "event":
        return raw_event(world, customer, page, str(body.get("item") or ""))
    else:
        raise ValueError(f"There is no act called {name}.")
    return {}


def _send(world: World, customer: Doc, page: Doc, body: Doc, *, from_inbox: bool) -> Doc:
    text, files = (body.get("text") or "").strip() or None, take_attachments(world, body)
    if not text and not files:
        raise ValueError("Write something or choose a file.")
    if from_inbox:
        known = world.find_thread(page["id"], customer["id"])
        if known is None:
            raise ValueError("A Page cannot write first: send a message as the customer.")
        return {"mid": chat.inbox_message(world, known, {"text": text, "attachments": files})["mid"]}
    # Messenger sends the text and each file as separate messages.
    parts: list[tuple[str | None, list[Doc] | None]] = [(text, None)] if text else []
    parts += [(None, [item]) for item in files]
    for part_text, attachments in parts:
        sent = chat.customer_message(
            world,
            customer,
            page["id"],
            text=part_text,
            attachments=attachments,
            reply_to=body.get("reply_to") or None,
            quick_reply=body.get("quick_reply") or None,
        )
    return {"mid": sent["mid"]}


def raw_event(world: World, customer: Doc, page: Doc, text: str) -> Doc:
    """Send a webhook item that was typed in the window, with sender, recipient and timestamp added if missing."""
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
        raise ValueError(f"No app is subscribed to {events.field_of(item)} of {page['name']}, so nothing was sent.")
    return {"id": key}


routes = [
    Route("/messenger/", window),
    Route("/messenger", lambda request: RedirectResponse("/messenger/")),
    Route("/messenger/thread", thread),
    Route("/messenger/people", people),
    Route("/messenger/stream", stream),
    Route("/messenger/act", act, methods=["POST"]),
]
