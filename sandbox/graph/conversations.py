"""The Conversations API and the User Profile API (DOC/conversations, DOC/identity/user-profile)."""

import time
from typing import Any

from sandbox import chat, errors, files, ids, pictures
from sandbox.errors import GraphError
from sandbox.graph.call import Call, paged
from sandbox.graph.fields import RequestedField, parse
from sandbox.store import Doc

WITH_DETAILS = 20  # Meta gives details only of the newest 20 messages of a conversation


def iso(milliseconds: int) -> str:
    """Return a time in Meta's format, to the second: 2026-07-12T19:11:07+0000."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(milliseconds / 1000))


def _require_access(call: Call, page: Doc) -> None:
    """Raise GraphError unless the caller may read the Page's conversations now."""
    call.require_page_token(page)
    for scope in ("pages_messaging", "pages_manage_metadata", "pages_read_engagement"):
        call.require_permission(scope)
    call.require_task(page, "MESSAGING", "MODERATE")
    allowed = call.world.config.conversations_per_second
    if allowed:
        now, recent = time.monotonic(), call.world.reads[page["id"]]
        while recent and recent[0] < now - 1:
            recent.popleft()
        if len(recent) >= allowed:
            raise GraphError(613, "(#613) Calls to this api have exceeded the rate limit.")
        recent.append(now)


def list_conversations(call: Call) -> dict[str, Any]:
    """GET /{page-id}/conversations?platform=messenger[&user_id=PSID]: newest first."""
    page = call.node
    _require_access(call, page)
    if (call.text("platform") or "messenger").lower() != "messenger":
        return {"data": []}
    user, folder = call.text("user_id"), call.text("folder", "inbox")
    threads = [
        thread
        for thread in call.world.store.threads.values()
        if thread["page"] == page["id"]
        and call.world.thread_messages(thread["key"])
        and user in (None, thread["psid"])
        and thread["spam"] == (folder == "spam")
    ]
    threads.sort(key=lambda thread: thread["updated_at"], reverse=True)
    answer = paged(
        call, threads, lambda row: row["id"], call.limit(), f"{page['id']}/conversations", call.text("after")
    )
    fields = call.fields() or parse("id,link,updated_time")
    answer["data"] = [_conversation(call, thread, fields) for thread in answer["data"]]
    return answer


def get_conversation(call: Call) -> dict[str, Any]:
    """GET /{conversation-id}?fields=…"""
    thread = call.node
    _require_access(call, call.world.store.pages[thread["page"]])
    return _conversation(call, thread, call.fields() or parse("id,link,updated_time"))


def list_messages(call: Call) -> dict[str, Any]:
    """GET /{conversation-id}/messages: newest first."""
    thread = call.node
    _require_access(call, call.world.store.pages[thread["page"]])
    return _messages(call, thread, call.fields(), call.limit(), call.text("after"))


def get_message(call: Call) -> dict[str, Any]:
    """GET /{message-id}: one of the newest 20 messages of a conversation; older ones answer as if deleted."""
    message = call.node
    thread = call.world.store.threads[message["thread"]]
    _require_access(call, call.world.store.pages[thread["page"]])
    if message["deleted"] or message["mid"] not in call.world.newest_mids(thread["key"], WITH_DETAILS):
        raise GraphError(100, "(#100) The message was deleted by the user or the business.", 9000001)
    return _message(call, thread, message, call.fields() or parse("id,created_time"))


def _conversation(call: Call, thread: Doc, fields: dict[str, RequestedField]) -> dict[str, Any]:
    world = call.world
    messages = world.thread_messages(thread["key"])
    page, customer = world.store.pages[thread["page"]], world.store.customers[thread["customer"]]
    answer: dict[str, Any] = {}
    for name, field in fields.items():
        if name == "updated_time":
            answer[name] = iso(thread["updated_at"])
        elif name == "link":
            answer[name] = f"/{page['id']}/inbox/{thread['psid']}/"
        elif name in {"participants", "senders"}:
            rows = [_person(thread["psid"], customer["name"]), _person(page["id"], page["name"])]
            answer[name] = {"data": rows}
        elif name == "snippet":
            answer[name] = next(
                (row["text"] for row in reversed(messages) if row.get("text") and not row["deleted"]), ""
            )
        elif name == "message_count":
            answer[name] = len(messages)
        elif name == "unread_count":
            seen = thread["page_seen_at"]
            answer[name] = sum(row["from"] == "customer" and row["ts"] > seen for row in messages)
        elif name == "can_reply":
            answer[name] = world.now_ms() - thread["last_action_at"] < 24 * 3600 * 1000
        elif name == "is_subscribed":
            answer[name] = True
        elif name == "is_owner":
            answer[name] = chat.owner(world, thread) in (None, world.config.app_id)
        elif name == "folder":
            answer[name] = "spam" if thread["spam"] else "inbox"
        elif name == "messages":
            limit = int(field.args.get("limit", 25))
            answer[name] = _messages(call, thread, field.inner, limit, field.args.get("after"))
    answer["id"] = thread["id"]
    return answer


def _person(key: str, name: str) -> dict[str, str]:
    return {"name": name, "email": f"{key}@facebook.com", "id": key}


def _messages(
    call: Call, thread: Doc, fields: dict[str, RequestedField], limit: int, after: str | None
) -> dict[str, Any]:
    rows = [row for row in reversed(call.world.thread_messages(thread["key"])) if not row["deleted"]]
    answer = paged(call, rows, lambda row: row["mid"], limit, f"{thread['id']}/messages", after)
    newest = call.world.newest_mids(thread["key"], WITH_DETAILS)
    brief = parse("id,created_time")
    answer["data"] = [
        _message(call, thread, row, (fields or brief) if row["mid"] in newest else brief) for row in answer["data"]
    ]
    return answer


def _message(call: Call, thread: Doc, message: Doc, fields: dict[str, RequestedField]) -> dict[str, Any]:
    world = call.world
    page, customer = world.store.pages[thread["page"]], world.store.customers[thread["customer"]]
    sides = [_person(thread["psid"], customer["name"]), _person(page["id"], page["name"])]
    if message["from"] == "page":
        sides.reverse()
    answer: dict[str, Any] = {}
    for name in fields:
        if name == "created_time":
            answer[name] = iso(message["ts"])
        elif name == "message":
            answer[name] = message.get("text") or ""
        elif name == "from":
            answer[name] = sides[0]
        elif name == "to":
            answer[name] = {"data": [sides[1]]}
        elif name == "reply_to" and message.get("reply_to"):
            answer[name] = {"mid": message["reply_to"], "is_self_reply": False}
        elif name == "attachments" and message.get("attachments"):
            rows = [_attachment(call, item) for item in message["attachments"]]
            answer[name] = {"data": [row for row in rows if row]}
        elif name == "shares":
            shares = [_share(item["raw"]) for item in message.get("attachments") or [] if item.get("raw")]
            if any(shares):
                answer[name] = {"data": [share for share in shares if share]}
        elif name == "sticker":
            sticker = next((item for item in message.get("attachments") or [] if item["type"] == "sticker"), None)
            if sticker:
                answer[name] = pictures.signed_url(world, "sticker", sticker["sticker_id"])
        elif name == "tags":
            answer[name] = {"data": [{"name": "inbox"}, {"name": "source:chat"}]}
    answer["id"] = message["mid"]
    return answer


def _share(raw: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the customer shared: a link, a post, a reel. A template is an attachment instead."""
    payload = raw.get("payload") or {}
    link, title = payload.get("url") or raw.get("url"), payload.get("title") or raw.get("title")
    if raw["type"] == "template" or not (link or title):
        return None
    return {name: value for name, value in (("link", link), ("name", title)) if value}


def _template(raw: dict[str, Any]) -> dict[str, Any] | None:
    elements = (raw.get("payload") or {}).get("elements") or [{}]
    if raw["type"] != "template" or not elements[0].get("title"):
        return None
    shown = {name: elements[0].get(name) for name in ("title", "subtitle")}
    shown["media_url"] = elements[0].get("image_url")
    shown["cta"] = [
        {"title": button.get("title"), "type": "OPEN_URL", "url": button.get("url")}
        for button in elements[0].get("buttons", [])
    ]
    return {"id": ids.new_number("9"), "generic_template": {name: value for name, value in shown.items() if value}}


def _attachment(call: Call, item: Doc) -> dict[str, Any] | None:
    if item.get("raw"):
        return _template(item["raw"])
    if not item.get("file"):
        return None
    file = call.world.store.files[item["file"]]
    url = files.cdn_url(call.world, file)
    answer: dict[str, Any] = {
        "id": file["id"],
        "mime_type": file["content_type"],
        "name": file["name"],
        "size": file["size"],
    }
    if item["type"] == "image":
        width, height = pictures.measure(call.world.store.read_file(file["id"]) or b"")
        answer["image_data"] = {
            "width": width,
            "height": height,
            "max_width": width,
            "max_height": height,
            "url": url,
            "preview_url": url,
            "image_type": 1,
            "render_as_sticker": False,
        }
    elif item["type"] == "video":
        answer["video_data"] = {"width": 0, "height": 0, "length": 0, "video_type": 1, "url": url, "preview_url": url}
    else:
        answer["file_url"] = url
    return answer


def get_profile(call: Call) -> dict[str, Any]:
    """GET /{psid}?fields=…: the profile; {} without the feature and for some customers, an error for others."""
    known, world = call.node, call.world
    page = call.require_page_token()
    if known["page"] != page["id"] or f"{page['id']}:{known['psid']}" not in world.store.threads:
        raise errors.missing_object(known["psid"])
    call.require_permission("pages_messaging", as_error_10=True)
    customer = world.store.customers[known["customer"]]
    mode = customer["profile"] if world.config.profile_access else "empty"
    if mode == "empty":
        return {}
    if mode == "error":
        raise GraphError(100, "(#100) No profile available for this user.", 2018218)
    fields = call.fields() or parse("first_name,last_name,profile_pic")
    answer: dict[str, Any] = {}
    for name in fields:
        if name == "name":
            answer[name] = customer["name"]
        elif mode == "name_only":
            continue
        elif name in {"first_name", "last_name"}:
            answer[name] = customer[name]
        elif name == "profile_pic":
            answer[name] = pictures.signed_url(world, "customer", customer["id"], psid=known["psid"])
        elif name in {"locale", "timezone", "gender"}:
            scope = f"pages_user_{name}"
            if scope not in world.store.grants[call.person["id"]]["scopes"]:
                raise GraphError(100, f"(#100) Insufficient permission to access user profile field {name}.", 2018247)
            answer[name] = customer[name]
    answer["id"] = known["psid"]
    return answer
