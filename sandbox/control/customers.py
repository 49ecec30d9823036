"""Control API: what customers do, replies from the Page's own inbox, and the messages that reached customers."""

import json
from typing import Any

from starlette.requests import Request

from sandbox import chat, files, samples
from sandbox.control.endpoint import Body
from sandbox.control.world import message_view
from sandbox.store import Doc
from sandbox.world import World


def _customer(world: World, request: Request) -> Doc:
    customer = world.find_customer(request.path_params["customer"])
    if customer is None:
        raise ValueError(f"There is no customer {request.path_params['customer']}.")
    return customer


def take_attachments(world: World, body: Body) -> list[Doc]:
    """Store and return the attachments of a request: uploads, `file` (a file id), `sticker`, or raw `attachments`."""
    stored: list[Doc] = []
    for upload in body.get("uploads", []):
        content_type = upload["content_type"] or None
        file = files.add(world, upload["name"], upload["data"], content_type)
        stored.append({"type": files.kind_of(file["content_type"]), "file": file["id"]})
    if body.get("file"):
        known = world.store.files.get(str(body["file"]))
        if known is None:
            raise ValueError(f"There is no file {body['file']}.")
        stored.append({"type": body.get("file_type") or files.kind_of(known["content_type"]), "file": known["id"]})
    if body.get("sticker"):
        number = str(body["sticker"])
        if not number.isdigit():
            raise ValueError("A sticker is named by its number.")
        stored.append({"type": "sticker", "sticker_id": number})
    raw = body.get("attachments") or []
    if isinstance(raw, str):
        raw = json.loads(raw)
    stored += [{"type": str(item.get("type")), "raw": item} for item in raw]
    return stored


def post_message(world: World, request: Request, body: Body) -> Any:
    """POST customers/{id or PSID}/messages {page_id, text?, file?, sticker?, attachments?, reply_to?, timestamp? (ms),
    mid?, quick_reply?, extra?, silent?, force?}, or multipart with one or more files. Answers {mid, psid, timestamp}.
    """
    timestamp = body.get("timestamp")
    message = chat.customer_message(
        world,
        _customer(world, request),
        str(body["page_id"]),
        text=body.get("text"),
        attachments=take_attachments(world, body),
        reply_to=body.get("reply_to") or None,
        quick_reply=body.get("quick_reply"),
        timestamp=int(timestamp) if timestamp not in (None, "") else None,
        mid=body.get("mid"),
        extra=body.get("extra"),
        silent=bool(body.get("silent")),
        force=bool(body.get("force")),
    )
    return {"mid": message["mid"], "psid": message["thread"].partition(":")[2], "timestamp": message["ts"]}


def post_edit(world: World, request: Request, body: Body) -> Any:
    """POST customers/{id}/edits {mid, text}."""
    message = chat.edit(world, _customer(world, request), str(body["mid"]), str(body["text"]))
    return {"mid": message["mid"], "num_edit": message["edits"]}


def post_unsend(world: World, request: Request, body: Body) -> Any:
    """POST customers/{id}/unsend {mid}."""
    return {"mid": chat.unsend(world, _customer(world, request), str(body["mid"]))["mid"]}


def post_reaction(world: World, request: Request, body: Body) -> Any:
    """POST customers/{id}/reactions {mid, reaction: name or emoji; empty removes it}."""
    message = chat.react(world, _customer(world, request), str(body["mid"]), body.get("reaction") or None)
    return {"mid": message["mid"], "reactions": message["reactions"]}


def post_postback(world: World, request: Request, body: Body) -> Any:
    """POST customers/{id}/postbacks {page_id, title?, payload?, referral?}."""
    title, payload = str(body.get("title") or "Get Started"), str(body.get("payload") or "GET_STARTED")
    referral = body.get("referral")
    if isinstance(referral, str):
        referral = json.loads(referral) if referral else None
    return chat.postback(world, _customer(world, request), str(body["page_id"]), title, payload, referral)


def post_referral(world: World, request: Request, body: Body) -> Any:
    """POST customers/{id}/referrals {page_id, ref?, source?, ad_id?, ads_context_data?, …}."""
    content = {key: value for key, value in body.items() if key != "page_id" and value not in (None, "")}
    return chat.referral(world, _customer(world, request), str(body["page_id"]), content)


def post_sample(world: World, request: Request, body: Body) -> Any:
    """POST customers/{id}/samples {page_id, name: one of samples.SAMPLES}: an ad, a story, a template, a call …"""
    return samples.send(world, _customer(world, request), str(body["page_id"]), str(body["name"]))


def post_read(world: World, request: Request, body: Body) -> Any:
    """POST customers/{id}/reads {page_id, watermark? (ms), force?}: the customer opens the conversation."""
    customer = _customer(world, request)
    thread = world.find_thread(str(body["page_id"]), customer["id"])
    if thread is None:
        raise ValueError(f"{customer['name']} has no conversation with the Page {body['page_id']}.")
    at = int(body["watermark"]) if body.get("watermark") else None
    return {"sent": chat.read(world, thread, at, force=bool(body.get("force")))}


def post_inbox(world: World, request: Request, body: Body) -> Any:
    """POST pages/{page}/inbox {psid or customer, text?, file?, timestamp? (ms), silent?}: a reply in the Page inbox."""
    page_id = request.path_params["page"]
    customer = world.find_customer(str(body.get("psid") or body["customer"]))
    if customer is None or page_id not in world.store.pages:
        raise ValueError("There is no such Page or customer.")
    content = {"text": body.get("text") or None, "attachments": take_attachments(world, body)}
    if not content["text"] and not content["attachments"]:
        raise ValueError("A message needs text or a file.")
    at = int(body["timestamp"]) if body.get("timestamp") else None
    thread = world.open_thread(page_id, customer["id"])
    message = chat.inbox_message(world, thread, content, timestamp=at, silent=bool(body.get("silent")))
    return {"mid": message["mid"]}


def post_thread_owner(world: World, request: Request, body: Body) -> Any:
    """POST pages/{page}/owner {psid or customer, app_id (empty: nobody), emit?}: give the thread to another app."""
    thread = world.find_thread(request.path_params["page"], str(body.get("psid") or body["customer"]))
    if thread is None:
        raise ValueError("There is no such conversation.")
    chat.change_owner(world, thread, str(body["app_id"]) if body.get("app_id") else None, emit=body.get("emit", True))
    return {"owner": thread["owner"]}


def get_sent(world: World, request: Request, body: Body) -> Any:
    """GET sent[?page_id][&psid]: the Pages' messages that reached customers, oldest first; psid or customer id."""
    page_id, psid = request.query_params.get("page_id"), request.query_params.get("psid")
    customer = world.find_customer(psid) if psid else None
    sent = [
        {**message_view(world, message), "page_id": thread["page"], "psid": thread["psid"]}
        for thread in world.store.threads.values()
        if page_id in (None, thread["page"]) and (psid is None or (customer and thread["customer"] == customer["id"]))
        for message in world.thread_messages(thread["key"])
        if message["from"] == "page"
    ]
    return {"data": sorted(sent, key=lambda message: message["ts"])}
