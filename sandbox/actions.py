"""Actions of the faults page: what can happen to people, Pages and the app. The control API has them too."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox import callbacks, grants, tokens
from sandbox.config import ALL_FIELDS
from sandbox.graph import pages
from sandbox.store import Doc
from sandbox.world import World


@dataclass(frozen=True)
class Action:
    """An action: `target` is person, page, both, customer or app; `extra` names its other parameters.

    `run` returns a sentence that says what happened.
    """

    run: Callable[..., str]
    target: str
    extra: tuple[str, ...] = ()


def run(world: World, name: str, params: dict[str, Any]) -> str:
    """Do the action of this name and return a sentence that says what happened.

    Raise ValueError with a sentence when it cannot be done.
    """
    action = ACTIONS.get(name)
    if action is None:
        raise ValueError(f"There is no action called {name}. Known: {', '.join(ACTIONS)}.")
    given: dict[str, Any] = {}
    if action.target in {"person", "both"}:
        given["person"] = _find(world, "people", params.get("person"), "person")
    if action.target in {"page", "both"}:
        given["page"] = _find(world, "pages", params.get("page") or params.get("page_id"), "Page")
    if action.target == "customer":
        given["customer"] = _find(world, "customers", params.get("customer"), "customer")
    for extra in action.extra:
        if params.get(extra) not in (None, ""):
            given[extra] = params[extra]
    sentence = action.run(world, **given)
    world.announce()
    return sentence


def _find(world: World, table: str, key: Any, word: str) -> Doc:
    doc = getattr(world.store, table).get(str(key or ""))
    if doc is None:
        raise ValueError(f"There is no {word} {key!r}.")
    return doc


def _is_true(value: Any) -> bool:
    return str(value).lower() in {"1", "true", "yes", "on"}


def expire_user_token(world: World, person: Doc) -> str:
    count = tokens.invalidate(world, "expired", person=person["id"], kind="USER")
    return f"{count} user tokens of {person['name']} are expired (190/463). Page tokens made from them live on."


def expire_page_token(world: World, page: Doc) -> str:
    count = tokens.invalidate(world, "expired", page=page["id"], kind="PAGE")
    return f"{count} tokens of {page['name']} are expired (190/463)."


def expire_all_tokens(world: World, person: Doc) -> str:
    count = tokens.invalidate(world, "expired", person=person["id"])
    return f"All {count} tokens of {person['name']}, including those of Pages, are expired (190/463)."


def log_out(world: World, person: Doc) -> str:
    count = tokens.invalidate(world, "logged_out", person=person["id"])
    return f"{person['name']} logged out everywhere: {count} tokens are invalid (190/467)."


def revoke_permission(world: World, person: Doc, scope: str = "pages_messaging") -> str:
    if scope not in tokens.KNOWN_SCOPES:
        raise ValueError(f"There is no permission {scope}.")
    grants.revoke_permission(world, person, scope)
    return f"{person['name']} withdrew {scope}."


def restore_permission(world: World, person: Doc, scope: str = "pages_messaging") -> str:
    if scope not in tokens.KNOWN_SCOPES:
        raise ValueError(f"There is no permission {scope}.")
    grants.revoke_permission(world, person, scope)
    world.store.grants[person["id"]]["scopes"][scope] = "granted"
    return f"{person['name']} granted {scope} again."


def untick_page(world: World, person: Doc, page: Doc) -> str:
    grants.change_pages(world, person, page, False)
    return f"{page['name']} is no longer ticked in {person['name']}'s grant: its token answers 190 without a subcode."


def tick_page(world: World, person: Doc, page: Doc) -> str:
    grants.change_pages(world, person, page, True)
    return (
        f"{page['name']} is ticked in {person['name']}'s grant. Its old token stays invalid; the next login gives a new"
        " one."
    )


def remove_app(world: World, person: Doc, callback: Any = True) -> str:
    grants.remove_app(world, person)
    if _is_true(callback):
        callbacks.call_back(world, "deauthorize", person)
    return f"{person['name']} removed the app: tokens answer 190/458." + (
        " The deauthorize callback was sent." if _is_true(callback) else " No callback was sent."
    )


def request_deletion(world: World, person: Doc) -> str:
    callbacks.call_back(world, "deletion", person)
    return f"{person['name']} asked for the deletion of their data; the callback was sent."


def change_password(world: World, person: Doc, password: str = "") -> str:
    if password:
        person["password"] = password
        world.store.put("people", person["id"], person)
    for key, session in list(world.store.sessions.items()):
        if session["person"] == person["id"]:
            world.store.drop("sessions", key)
    count = tokens.invalidate(world, "password_changed", person=person["id"])
    return f"{person['name']} changed the password: {count} tokens answer 190/460."


def _switch(name: str, on: str, off: str) -> Callable[..., str]:
    def change(world: World, person: Doc, value: Any = True) -> str:
        person[name] = _is_true(value)
        world.store.put("people", person["id"], person)
        return f"{person['name']} {on if person[name] else off}."

    return change


def lose_role(world: World, person: Doc, page: Doc) -> str:
    if person["id"] not in page["roles"]:
        raise ValueError(f"{person['name']} has no role on {page['name']}.")
    page.setdefault("lost_roles", {})[person["id"]] = page["roles"].pop(person["id"])
    world.store.put("pages", page["id"], page)
    return f"{person['name']} has no role on {page['name']} any more: its token answers 190/492."


def restore_role(world: World, person: Doc, page: Doc, tasks: Any = None) -> str:
    if isinstance(tasks, str):
        tasks = [task.strip().upper() for task in tasks.split(",") if task.strip()]
    lost = page.get("lost_roles", {}).pop(person["id"], None)
    page["roles"][person["id"]] = tasks or lost or page["roles"].get(person["id"]) or list(ALL_TASKS)
    world.store.put("pages", page["id"], page)
    return f"{person['name']} has the tasks {', '.join(page['roles'][person['id']])} on {page['name']}."


ALL_TASKS = ["ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE"]


def restrict_page(world: World, page: Doc, value: Any = True) -> str:
    page["restricted"] = _is_true(value)
    world.store.put("pages", page["id"], page)
    return (
        f"{page['name']} is {'restricted from sending (10/1893063)' if page['restricted'] else 'free to send again'}."
    )


def unpublish(world: World, page: Doc, value: Any = True) -> str:
    page["published"] = not _is_true(value)
    world.store.put("pages", page["id"], page)
    return f"{page['name']} is {'published' if page['published'] else 'not published: customers cannot write to it'}."


def default_app(world: World, page: Doc, value: Any = True) -> str:
    page["default_app"] = _is_true(value)
    world.store.put("pages", page["id"], page)
    return f"{page['name']} has {'this app' if page['default_app'] else 'no app'} as its default app."


def unsubscribe(world: World, page: Doc) -> str:
    world.store.drop("subscriptions", page["id"])
    return f"The app is unsubscribed from {page['name']}: no webhooks."


def set_fields(world: World, page: Doc, fields: Any = "") -> str:
    names = [name.strip() for name in fields.split(",") if name.strip()] if isinstance(fields, str) else list(fields)
    unknown = [name for name in names if name not in ALL_FIELDS]
    if unknown:
        raise ValueError(f"Unknown fields: {', '.join(unknown)}.")
    pages.subscribe(world, page, names)
    return f"{page['name']} is subscribed to: {', '.join(names) or 'nothing'}."


def drop_fields(world: World, page: Doc, fields: Any = "message_echoes") -> str:
    subscription = world.store.subscriptions.get(page["id"])
    if subscription is None:
        raise ValueError(f"The app is not subscribed to {page['name']}.")
    dropped = {name.strip() for name in fields.split(",")} if isinstance(fields, str) else set(fields)
    subscription["fields"] = [name for name in subscription["fields"] if name not in dropped]
    world.store.put("subscriptions", page["id"], subscription)
    return f"{page['name']} is no longer subscribed to {', '.join(sorted(dropped))}."


def app_mode(world: World, value: Any = "development") -> str:
    world.configure({"app_live": value == "live"})
    return f"The app is {'live' if value == 'live' else 'in development mode: only people with a role in it count'}."


def availability(world: World, customer: Doc, value: Any = "available") -> str:
    if value not in AVAILABILITY:
        raise ValueError(f"Availability is one of {', '.join(AVAILABILITY)}.")
    customer["availability"] = value
    world.store.put("customers", customer["id"], customer)
    return f"{customer['name']}: {AVAILABILITY[value]}."


AVAILABILITY = {
    "available": "can be reached",
    "blocked_page": "has blocked the Page (551/1545041)",
    "deactivated": "has deactivated the account (551/1545041)",
    "cannot_receive": "cannot receive messages now (10/2018108)",
}


def profile(world: World, customer: Doc, value: Any = "full") -> str:
    if value not in {"full", "name_only", "empty", "error"}:
        raise ValueError("A profile is full, name_only, empty or error.")
    customer["profile"] = value
    world.store.put("customers", customer["id"], customer)
    return f"{customer['name']}'s profile is now {value.replace('_', ' ')}."


ACTIONS: dict[str, Action] = {
    "expire_user_token": Action(expire_user_token, "person"),
    "expire_all_tokens": Action(expire_all_tokens, "person"),
    "log_out": Action(log_out, "person"),
    "revoke_permission": Action(revoke_permission, "person", ("scope",)),
    "restore_permission": Action(restore_permission, "person", ("scope",)),
    "remove_app": Action(remove_app, "person", ("callback",)),
    "request_deletion": Action(request_deletion, "person"),
    "change_password": Action(change_password, "person", ("password",)),
    "checkpoint": Action(
        _switch("checkpoint", "must confirm on facebook.com first (190/459)", "passed the checkpoint"),
        "person",
        ("value",),
    ),
    "unconfirmed": Action(
        _switch("unconfirmed", "is an unconfirmed user (190/464)", "is a confirmed user"), "person", ("value",)
    ),
    "empty_accounts": Action(
        _switch("empty_accounts", "gets an empty /me/accounts under granular scopes", "gets the list of Pages again"),
        "person",
        ("value",),
    ),
    "expire_page_token": Action(expire_page_token, "page"),
    "untick_page": Action(untick_page, "both"),
    "tick_page": Action(tick_page, "both"),
    "lose_role": Action(lose_role, "both"),
    "restore_role": Action(restore_role, "both", ("tasks",)),
    "restrict_page": Action(restrict_page, "page", ("value",)),
    "unpublish": Action(unpublish, "page", ("value",)),
    "default_app": Action(default_app, "page", ("value",)),
    "unsubscribe": Action(unsubscribe, "page"),
    "set_fields": Action(set_fields, "page", ("fields",)),
    "drop_fields": Action(drop_fields, "page", ("fields",)),
    "app_mode": Action(app_mode, "app", ("value",)),
    "availability": Action(availability, "customer", ("value",)),
    "profile": Action(profile, "customer", ("value",)),
}
