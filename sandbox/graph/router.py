"""The entry point of the Graph API: read a request, find its handler, check token and proof, log the call."""

import base64
import inspect
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from sandbox import errors, faults, ids, pictures, tokens
from sandbox.errors import GraphError
from sandbox.graph import access, attachments, conversations, pages, send, templates, threads, users
from sandbox.graph.call import Call, Upload
from sandbox.store import Doc
from sandbox.world import World

VERSION = re.compile(r"v(\d+)\.(\d+)")
NEWEST_VERSION = 27  # of 4 Nov 2026; calls of a retired version are answered as the oldest available one
OLDEST_VERSION = 21
# What v27.0 no longer offers (Meta, "Graph API v27.0"): several ids in a call, formatted dates, the method as a
# parameter, JSONP. Field aliases, ".as(name)", are looked for in the fields.
ENDED_PARAMETERS = ("ids", "date_format", "method", "callback")
ENDED_IN_VERSION = 27
MAX_LOGGED_CALLS = 1000
CONTROL_EDGES = [
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "release_thread_control",
    "extend_thread_control",
]

# (kind of node, edge or None, method) -> (handler, name of the endpoint for faults and the log)
Handler = Callable[..., Any]
ROUTES: dict[tuple[str, str | None, str], tuple[Handler, str]] = {
    ("person", None, "GET"): (users.get_user, "me"),
    ("person", "accounts", "GET"): (users.get_accounts, "accounts"),
    ("person", "permissions", "GET"): (users.get_permissions, "permissions"),
    ("person", "permissions", "DELETE"): (users.delete_permissions, "permissions"),
    ("person", "businesses", "GET"): (users.get_businesses, "accounts"),
    ("business", None, "GET"): (users.get_business, "accounts"),
    ("business", "owned_pages", "GET"): (lambda call: users.business_pages(call, "owned_pages"), "accounts"),
    ("business", "client_pages", "GET"): (lambda call: users.business_pages(call, "client_pages"), "accounts"),
    ("page", None, "GET"): (pages.get_page, "page"),
    ("page", "subscribed_apps", "GET"): (pages.get_subscribed_apps, "subscribed_apps"),
    ("page", "subscribed_apps", "POST"): (pages.post_subscribed_apps, "subscribed_apps"),
    ("page", "subscribed_apps", "DELETE"): (pages.delete_subscribed_apps, "subscribed_apps"),
    ("page", "messages", "POST"): (send.post_messages, "messages"),
    ("page", "message_templates", "GET"): (templates.list_templates, "message_templates"),
    ("page", "message_templates", "POST"): (templates.create_template, "message_templates"),
    ("page", "message_templates", "DELETE"): (templates.delete_template, "message_templates"),
    ("page", "message_attachments", "POST"): (attachments.post_message_attachments, "message_attachments"),
    ("page", "conversations", "GET"): (conversations.list_conversations, "conversations"),
    ("page", "moderate_conversations", "POST"): (threads.moderate, "moderate_conversations"),
    ("page", "blocked", "GET"): (threads.blocked, "moderate_conversations"),
    ("page", "blocked", "POST"): (threads.blocked, "moderate_conversations"),
    ("page", "blocked", "DELETE"): (threads.blocked, "moderate_conversations"),
    ("page", "thread_owner", "GET"): (threads.thread_owner, "thread_control"),
    ("thread", None, "GET"): (conversations.get_conversation, "conversations"),
    ("thread", "messages", "GET"): (conversations.list_messages, "conversations"),
    ("message", None, "GET"): (conversations.get_message, "conversations"),
    ("psid", None, "GET"): (conversations.get_profile, "profile"),
    ("app", None, "GET"): (access.get_app, "app"),
    ("app", "permissions", "GET"): (access.get_app_permissions, "app"),
    ("app", "subscriptions", "GET"): (access.get_subscriptions, "app"),
    ("app", "subscriptions", "POST"): (access.post_subscriptions, "app"),
    ("app", "subscriptions", "DELETE"): (access.delete_subscriptions, "app"),
}
for _edge in CONTROL_EDGES:
    ROUTES[("page", _edge, "POST")] = (lambda call, edge=_edge: threads.control(call, edge), "thread_control")


async def graph(request: Request) -> Response:
    """Answer any Graph API request."""
    world: World = request.app.state.world
    started = time.monotonic()
    call, error, endpoint, page_id = None, None, "other", None
    try:
        call = await read_call(request, world)
        parts = call.path.split("/")
        handler, endpoint = find(call, parts)
        page_id = _page_of(call)
        fault = faults.graph_fault(world, endpoint, page_id)
        answer = await _answer(call, handler, endpoint, fault, page_id)
    except GraphError as raised:
        error = raised
        answer = JSONResponse(raised.body(), status_code=raised.status, headers=raised.headers)
        answer.headers["WWW-Authenticate"] = f'OAuth "Facebook Platform" "{raised.kind}" "{raised.message[:60]}"'
    took_ms = round((time.monotonic() - started) * 1000)
    _log(world, request, call, endpoint, page_id, answer.status_code, error, took_ms)
    answer.headers["facebook-api-version"] = call.version if call else "v27.0"
    answer.headers["x-fb-trace-id"] = ids.trace_id()
    if call is not None and "X-Business-Use-Case-Usage" not in answer.headers:
        _usage(call, answer)
    return answer


async def _answer(call: Call, handler: Handler, endpoint: str, fault: Any, page_id: str | None) -> Response:
    world = call.world
    kind = fault["kind"] if fault else None
    if kind == "slow":
        await faults.hold(world, {"params": {"hold_s": fault["params"].get("ms", 3000) / 1000}})
    elif kind == "http_500":
        return Response("<html><body>Sorry, something went wrong.</body></html>", 500, media_type="text/html")
    elif kind == "timeout_before":
        await faults.hold(world, fault)
        return Response("", 504)
    elif kind in {"error", "rate_limit"}:
        raise faults.graph_error(fault, page_id)
    if endpoint != "oauth":
        authenticate(call)
        call.node = call.node or _me(call)
    body = handler(call)
    if inspect.isawaitable(body):
        body = await body
    if kind == "timeout_after":
        # Save what was done, although the client gets no answer.
        world.store.commit()
        await faults.hold(world, fault)
        return Response("", 504)
    return body if isinstance(body, Response) else JSONResponse(body)


async def read_call(request: Request, world: World) -> Call:
    """Return the Call for a request: its path, query and body (JSON, form or multipart).

    Raise GraphError for a version that does not exist, or a body that is not a JSON object.
    """
    path = request.path_params["path"].strip("/")
    version = f"v{NEWEST_VERSION}.0"
    first, _, rest = path.partition("/")
    if match := VERSION.fullmatch(first):
        number = int(match[1])
        if number > NEWEST_VERSION or (match[2] != "0" and number > 2):
            raise GraphError(2500, f"Unknown path components: /{path}")
        version = f"v{max(number, OLDEST_VERSION)}.0"
        path = rest
    params: dict[str, Any] = dict(request.query_params.multi_items())
    uploads: dict[str, Upload] = {}
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in {"POST", "PUT", "DELETE"}:
        if content_type == "application/json":
            body = await request.body()
            try:
                parsed = json.loads(body) if body else {}
            except ValueError:
                raise GraphError(100, "(#100) The body is not valid JSON.") from None
            if not isinstance(parsed, dict):
                raise GraphError(100, "(#100) The body must be a JSON object.")
            params |= parsed
        elif content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
            form = await request.form(max_part_size=2 * 1024 * 1024)
            for name, value in form.multi_items():
                if isinstance(value, str):
                    _put(params, name, value)
                else:
                    uploads[name] = Upload(value.filename or "file", value.content_type or "", await value.read())
    _refuse_what_ended(version, params)
    method = str(params.pop("method", request.method)).upper()
    call = Call(world, method if request.method == "POST" else request.method, version, path, params, uploads)
    header = request.headers.get("authorization", "")
    if "access_token" not in params and header.lower().startswith("bearer "):
        params["access_token"] = header[7:].strip()
    if header.lower().startswith("basic "):
        _basic(params, header[6:].strip())
    return call


def _refuse_what_ended(version: str, params: dict[str, Any]) -> None:
    if int(version[1:].partition(".")[0]) < ENDED_IN_VERSION:
        return
    ended = [name for name in ENDED_PARAMETERS if name in params]
    if ".as(" in str(params.get("fields", "")):
        ended.append("fields with an alias")
    if ended:
        # Meta does not document the number of this error.
        raise GraphError(100, f"(#100) {', '.join(ended)}: no longer supported since v{ENDED_IN_VERSION}.0.")


def _basic(params: dict[str, Any], encoded: str) -> None:
    """Read the client's id and secret from HTTP Basic, as OAuth libraries send them (RFC 6749, 2.3.1)."""
    try:
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return
    params.setdefault("client_id", unquote_plus(name))
    params.setdefault("client_secret", unquote_plus(secret))


def _put(params: dict[str, Any], name: str, value: str) -> None:
    if name.endswith("[]"):
        params.setdefault(name[:-2], []).append(value)
    else:
        params[name] = value


def find(call: Call, parts: list[str]) -> tuple[Handler, str]:
    """Return the handler of a path and the name of its endpoint, and set `call.node` except for /me.

    Raise GraphError for a path that does not exist.
    """
    if parts == ["oauth", "access_token"]:
        return access.access_token, "oauth"
    if parts == ["debug_token"]:
        return access.debug_token, "debug_token"
    if parts == ["message_template_library"] and call.method == "GET":
        return templates.library, "message_templates"
    name, edge = parts[0], parts[1] if len(parts) > 1 else None
    kind = "me"
    if name == "me":
        caller = tokens.authenticate(call.world, call.text("access_token"))
        kind = {"USER": "person", "PAGE": "page"}.get(caller.kind, "")
    else:
        kind, call.node = _node(call.world, name)
    if edge == "picture" and len(parts) == 2 and kind in {"person", "page"} and call.method == "GET":
        return lambda inner: _picture(inner, kind), "page"
    if edge == "permissions" and len(parts) == 3 and kind == "person" and call.method == "DELETE":
        return lambda inner: users.delete_permissions(inner, parts[2]), "permissions"
    route = ROUTES.get((kind, edge, call.method))
    if route is None or len(parts) > 2:
        if not call.text("access_token"):
            raise errors.no_token()
        if kind and len(parts) > 1 and call.method == "GET":
            raise errors.parameter(f"Tried accessing nonexisting field ({edge}) on node type ({kind.title()})")
        raise errors.missing_object(name, call.method.lower())
    return route


def _node(world: World, name: str) -> tuple[str, Doc]:
    """Return the kind and the document of the object with this id; ("", {}) when there is none."""
    store = world.store
    if name in {"app", world.config.app_id}:
        return "app", {"id": world.config.app_id}
    if name in store.pages:
        return "page", store.pages[name]
    if name in store.businesses:
        return "business", store.businesses[name]
    if name in store.psids:
        return "psid", {**store.psids[name], "psid": name}
    if name in store.messages:
        return "message", store.messages[name]
    if person := world.person_by_asid(name):
        return "person", person
    if name.startswith("t_"):
        thread = next((thread for thread in store.threads.values() if thread["id"] == name), None)
        if thread:
            return "thread", thread
    return "", {}


def _me(call: Call) -> Doc:
    return call.caller.page or call.caller.person or {}


def authenticate(call: Call) -> None:
    """Set the caller behind the access token, and check appsecret_proof. Raise GraphError when one is invalid."""
    call.authenticated = tokens.authenticate(call.world, call.text("access_token"))
    tokens.check_proof(call.world, call.caller, call.text("appsecret_proof"), call.text("appsecret_time"))


def _picture(call: Call, kind: str) -> Any:
    if str(call.params.get("redirect")).lower() in {"0", "false"}:
        return pages.picture_node(call.world, kind, call.node["id"])
    return RedirectResponse(pictures.signed_url(call.world, kind, call.node["id"]), 302)


def _page_of(call: Call) -> str | None:
    doc = call.world.store.tokens.get(call.text("access_token") or "")
    return doc["page"] if doc else None


def _usage(call: Call, answer: Response) -> None:
    caller = call.authenticated
    if caller and caller.page:
        row = {
            "type": "messenger",
            "call_count": 1,
            "total_cputime": 1,
            "total_time": 1,
            "estimated_time_to_regain_access": 0,
        }
        answer.headers["X-Business-Use-Case-Usage"] = json.dumps({caller.page["id"]: [row]})
    elif caller:
        answer.headers["X-App-Usage"] = json.dumps({"call_count": 1, "total_time": 1, "total_cputime": 1})


def _log(
    world: World,
    request: Request,
    call: Call | None,
    endpoint: str,
    page_id: str | None,
    status: int,
    error: GraphError | None,
    took_ms: int,
) -> None:
    """Log the call for GET /_sandbox/calls, with the names of its parameters but no value that could be a secret."""
    world.calls.append(
        {
            "at": world.now(),
            "method": call.method if call else request.method,
            "path": request.url.path,
            "endpoint": endpoint,
            "page_id": page_id,
            "params": sorted(call.params) if call else [],
            "status": status,
            "code": error.code if error else None,
            "subcode": error.subcode if error else None,
            "message": error.message if error else None,
            "ms": took_ms,
        }
    )
    del world.calls[:-MAX_LOGGED_CALLS]
