"""Control API: the world (all state of the sandbox), settings, people, Pages, grants and files."""

import asyncio
from typing import Any

from starlette.requests import Request

from sandbox import actions, files, grants, ids, seed_history, seed_people, tokens
from sandbox.control.endpoint import Body
from sandbox.graph import pages
from sandbox.store import Doc
from sandbox.world import World

LINK_SCOPES = [
    "public_profile",
    "pages_show_list",
    "pages_messaging",
    "pages_manage_metadata",
    "pages_read_engagement",
    "business_management",
]


async def reset(world: World, request: Request, body: Body) -> Any:
    """POST reset {history: true, config: {…}}: restore the state of the first start and remove run-time settings.

    It waits for webhook POSTs that are under way, so that none arrives after the reset.
    """
    world.store.clear()
    while world.posts_under_way:
        await asyncio.sleep(0.01)
    world.config.overrides.clear()
    world.store.put("config", "overrides", world.config.overrides)
    world.calls.clear()
    world.reads.clear()
    world.webhook_log.clear()
    world.reindex()
    seed_people.seed(world)
    if body.get("history", True):
        seed_history.seed(world)
    if body.get("config"):
        world.configure(body["config"])
    world.announce()
    return {"ok": True}


def get_config(world: World, request: Request, body: Body) -> Any:
    """GET config: all settings, without secrets."""
    return world.config.public()


def patch_config(world: World, request: Request, body: Body) -> Any:
    """PATCH config {setting: value, …}: change settings at run time."""
    world.configure(body)
    return world.config.public()


def get_world(world: World, request: Request, body: Body) -> Any:
    """GET world[?history=0]: people, pages, customers with their PSIDs, conversations with all messages."""
    history = request.query_params.get("history", "1") != "0"
    store = world.store
    return {
        "people": [person_view(world, person) for person in store.people.values()],
        "businesses": list(store.businesses.values()),
        "pages": [pages.page_state(world, page) for page in store.pages.values()],
        "customers": [customer_view(world, customer) for customer in store.customers.values()],
        "conversations": [conversation_view(world, thread, history) for thread in store.threads.values()],
    }


def person_view(world: World, person: Doc) -> Doc:
    """Return a person with their grant, the number of valid tokens, and whether they ever logged in."""
    grant = world.store.grants.get(person["id"])
    issued = [doc for doc in world.store.tokens.values() if doc["person"] == person["id"]]
    valid = [doc for doc in issued if not tokens.invalid_reason(world, doc)]
    return {
        **person,
        "grant": grant,
        "has_logged_in": bool(issued),
        "live_tokens": {kind: sum(doc["kind"] == kind for doc in valid) for kind in ("USER", "PAGE")},
    }


def customer_view(world: World, customer: Doc) -> Doc:
    """Return a customer with their PSID on each Page."""
    return {**customer, "psids": {page: ids.psid_for(customer["id"], page) for page in world.store.pages}}


def conversation_view(world: World, thread: Doc, history: bool = True) -> Doc:
    """Return a conversation, with its messages when `history` is true."""
    view = {
        key: thread[key]
        for key in ("id", "page", "psid", "customer", "last_action_at", "updated_at", "owner", "blocked", "spam")
    }
    view |= {
        "read_watermark": thread["read_watermark"],
        "typing": bool(thread["typing"]),
        "page_seen_at": thread["page_seen_at"],
    }
    if history:
        view["messages"] = [message_view(world, message) for message in world.thread_messages(thread["key"])]
    return view


def message_view(world: World, message: Doc) -> Doc:
    """Return a message for the control API: timestamps in ms, attachments with an unsigned link that never expires."""
    view = {key: value for key, value in message.items() if key not in {"thread", "attachments"}}
    view["attachments"] = []
    for item in message["attachments"]:
        shown = dict(item)
        if item.get("file"):
            file = world.store.files[item["file"]]
            shown |= {
                "name": file["name"],
                "content_type": file["content_type"],
                "size": file["size"],
                "url": f"{world.config.public_url}/media/{file['id']}",
                "cdn_url": files.cdn_url(world, file),
            }
        view["attachments"].append(shown)
    return view


def post_people(world: World, request: Request, body: Body) -> Any:
    """POST people {id, name, password?, email?, asid?}."""
    key = str(body["id"])
    if key in world.store.people:
        raise ValueError(f"There is a person {key} already.")
    return seed_people.add_person(
        world,
        key,
        str(body["name"]),
        asid=str(body.get("asid") or ids.new_number("2")),
        email=str(body.get("email") or f"{key}@example.com"),
        password=str(body.get("password") or key),
    )


def post_pages(world: World, request: Request, body: Body) -> Any:
    """POST pages {name, roles: {person: [tasks]} or person, id?, business?, hide_token?, glyph?, category?}."""
    roles = body.get("roles") or {str(body["person"]): list(actions.ALL_TASKS)}
    for person in roles:
        if person not in world.store.people:
            raise ValueError(f"There is no person {person}.")
    key = str(body.get("id") or ids.new_number("10"))
    options = {name: body[name] for name in ("category", "glyph", "business", "hide_token") if name in body}
    return seed_people.add_page(world, key, str(body["name"]), roles, **options)


def post_customers(world: World, request: Request, body: Body) -> Any:
    """POST customers {first_name?, last_name?, id?, profile?, app_role?}; without names, the next made-up customer."""
    if "first_name" not in body:
        return customer_view(world, seed_people.new_customer(world))
    first, last = str(body["first_name"]), str(body.get("last_name") or "")
    key = str(body.get("id") or ids.new_number("9"))
    if key in world.store.customers:
        raise ValueError(f"There is a customer {key} already.")
    options = {name: body[name] for name in ("locale", "timezone", "gender", "profile", "app_role") if name in body}
    return customer_view(world, seed_people.add_customer(world, key, first, last, **options))


def post_grants(world: World, request: Request, body: Body) -> Any:
    """POST grants {person, pages?: [ids] or "all", scopes?: [names], declined?: [names], long_lived?: true}.

    It does what the login dialog and the token exchange do, without a browser. Without `pages`: all Pages the person
    has now; "all": also future ones. Answers {user_token, expires_at, asid, pages: [{id, name, access_token, tasks}]}.
    """
    person = world.store.people.get(str(body["person"]))
    if person is None:
        raise ValueError(f"There is no person {body['person']}.")
    own = {page["id"]: page for page in grants.person_pages(world, person["id"])}
    chosen = body.get("pages")
    chosen = list(own) if chosen is None else chosen
    if chosen != "all" and not set(chosen) <= set(own):
        raise ValueError(f"{person['name']} has no role on: {', '.join(sorted(set(chosen) - set(own)))}.")
    scopes = dict.fromkeys(body.get("scopes") or LINK_SCOPES, "granted")
    scopes |= dict.fromkeys(body.get("declined") or [], "declined")
    unknown = set(scopes) - set(tokens.KNOWN_SCOPES)
    if unknown:
        raise ValueError(f"Unknown permissions: {', '.join(sorted(unknown))}.")
    grant = grants.grant(world, person, chosen, scopes)
    user = tokens.issue(world, "USER", person, long_lived=bool(body.get("long_lived", True)))
    world.announce()
    listed = [page for page in own.values() if tokens.covers(grant, page["id"])]
    return {
        "user_token": user["token"],
        "expires_at": user["expires_at"],
        "asid": person["asid"],
        "name": person["name"],
        "pages": [
            {
                "id": page["id"],
                "name": page["name"],
                "access_token": tokens.page_token(world, person, page, parent=user),
                "tasks": page["roles"][person["id"]],
            }
            for page in listed
        ],
    }


def post_files(world: World, request: Request, body: Body) -> Any:
    """POST files (multipart): store a file; `content_type` replaces its type, also by a wrong one on purpose.

    Answers {id, name, content_type, size, url (CDN, signed)}. `life_s` is the life of the link; negative: expired.
    """
    uploads = body.get("uploads")
    if not uploads:
        raise ValueError("Send the file as multipart/form-data.")
    upload = uploads[0]
    file = files.add(world, upload["name"], upload["data"], body.get("content_type") or upload["content_type"])
    life = float(body["life_s"]) if body.get("life_s") else None
    return {**file, "url": files.cdn_url(world, file, life)}


def post_subscriptions(world: World, request: Request, body: Body) -> Any:
    """POST pages/{page}/subscription {fields?}: subscribe the app to a Page, by default with all fields."""
    page = world.store.pages[request.path_params["page"]]
    pages.subscribe(world, page, body.get("fields") or world.config.webhook_fields)
    return {"subscribed_fields": world.store.subscriptions[page["id"]]["fields"]}
