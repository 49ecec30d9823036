"""Grants: the permissions and Pages that a person gave the app in the dialog, and how they are withdrawn."""

from typing import Any

from sandbox import ids, tokens
from sandbox.store import Doc
from sandbox.world import World


def person_pages(world: World, person_id: str) -> list[Doc]:
    """Return the Pages on which the person has a role, in id order."""
    return [world.store.pages[key] for key in sorted(world.store.pages) if person_id in world.store.pages[key]["roles"]]


def grant(world: World, person: Doc, pages: list[str] | str, scopes: dict[str, str]) -> Doc:
    """Store the result of a login.

    `pages` replaces the former choice; `scopes` (name -> granted or declined) is merged with the former ones.
    Tokens of Pages that are no longer ticked become permanently invalid (chatwoot#14729).
    """
    now = int(world.now())
    former = world.store.grants.get(person["id"])
    merged = {**(former["scopes"] if former else {}), **scopes}
    if pages == []:
        for scope in tokens.PAGE_SCOPES:
            if scope in merged:
                merged[scope] = "declined"
    doc = world.store.put(
        "grants",
        person["id"],
        {
            "person": person["id"],
            "pages": pages if pages == "all" else sorted(set(pages)),
            "scopes": merged,
            "granted_at": now,
            "data_access_expires_at": now + world.config.data_access_s,
        },
    )
    if former is not None:
        for page in person_pages(world, person["id"]):
            if tokens.covers(former, page["id"]) and not tokens.covers(doc, page["id"]):
                tokens.invalidate(world, "page_deselected", person=person["id"], page=page["id"], kind="PAGE")
    return doc


def change_pages(world: World, person: Doc, page: Doc, ticked: bool) -> None:
    """Tick or untick one Page in the person's grant. Raise ValueError when the person has not linked the app."""
    doc = world.store.grants.get(person["id"])
    if doc is None:
        raise ValueError(f"{person['name']} has not linked the app, so there is no Page to tick or untick.")
    pages = [item["id"] for item in person_pages(world, person["id"]) if tokens.covers(doc, item["id"])]
    pages = [*pages, page["id"]] if ticked else [key for key in pages if key != page["id"]]
    grant(world, person, pages, {})


def revoke_permission(world: World, person: Doc, scope: str) -> None:
    """Withdraw one permission; the tokens stay valid without it."""
    doc = world.store.grants.get(person["id"])
    if doc is None:
        raise ValueError(f"{person['name']} has not linked the app, so there is no permission to revoke.")
    doc["scopes"][scope] = "declined"
    world.store.put("grants", person["id"], doc)


def remove_app(world: World, person: Doc) -> None:
    """Remove the app from the person's Facebook settings: every token answers 190/458."""
    tokens.invalidate(world, "app_removed", person=person["id"])
    world.store.drop("grants", person["id"])
    for page in person_pages(world, person["id"]):
        others = [
            key
            for key in page["roles"]
            if key != person["id"] and tokens.covers(world.store.grants.get(key), page["id"])
        ]
        if not others:
            world.store.drop("subscriptions", page["id"])


def new_code(world: World, person: Doc, redirect_uri: str) -> str:
    """Make an OAuth code that works once, and only with this redirect URI."""
    code = ids.new_code()
    world.store.put(
        "codes",
        code,
        {
            "person": person["id"],
            "redirect_uri": redirect_uri,
            "expires_at": world.now() + world.config.code_life_s,
            "used": False,
        },
    )
    return code


def granular_scopes(world: World, person_id: str) -> list[dict[str, Any]]:
    """Return debug_token's granular_scopes: `target_ids` is absent where a permission covers everything."""
    doc = world.store.grants.get(person_id)
    if doc is None:
        return []
    rows = []
    for scope, status in doc["scopes"].items():
        if status != "granted" or scope in {"public_profile", "email"}:
            continue
        row: dict[str, Any] = {"scope": scope}
        if scope in tokens.PAGE_SCOPES and doc["pages"] != "all":
            row["target_ids"] = list(doc["pages"])
        elif scope == "business_management" and doc["pages"] != "all":
            businesses = {world.store.pages[key].get("business") for key in doc["pages"] if key in world.store.pages}
            targets = sorted(key for key in businesses if key)
            if targets:
                row["target_ids"] = targets
        rows.append(row)
    return rows
