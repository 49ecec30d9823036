"""The person: /me, accounts, permissions and businesses (GRAPH/reference/user)."""

from typing import Any

from sandbox import errors, grants, tokens
from sandbox.graph import pages
from sandbox.graph.call import Call, paged
from sandbox.graph.fields import RequestedField, parse
from sandbox.store import Doc


def get_user(call: Call) -> dict[str, Any]:
    """GET /me with a user token, and GET /{user-id}: id and name, or the requested fields."""
    person = call.node
    if call.caller.kind == "USER" and call.user["id"] != person["id"]:
        raise errors.missing_object(person["asid"])
    first, _, last = person["name"].partition(" ")
    known = {"id": person["asid"], "name": person["name"], "first_name": first, "last_name": last}
    if tokens.has_scope(call.world, person["id"], "email"):
        known["email"] = person["email"]
    answer: dict[str, Any] = {"id": person["asid"]}
    for name, field in (call.fields() or parse("id,name")).items():
        if name in known:
            answer[name] = known[name]
        elif name == "picture":
            answer["picture"] = pages.picture_node(call.world, "person", person["id"])
        elif name == "accounts" and call.caller.kind == "USER":
            answer["accounts"] = accounts(call, fields=field.inner, limit=int(field.args.get("limit", 25)))
        elif name == "permissions":
            answer["permissions"] = get_permissions(call)
    return answer


def get_accounts(call: Call) -> dict[str, Any]:
    """GET /me/accounts: the Pages of the person's grant, each with its token and tasks, by cursor."""
    require_own_node(call)
    return accounts(call, fields=call.fields(), limit=call.limit(), after=call.text("after"))


def accounts(call: Call, *, fields: dict[str, RequestedField], limit: int, after: str | None = None) -> dict[str, Any]:
    """Return one page of the list, which is empty for people with the switch `empty_accounts`."""
    world, person = call.world, call.user
    if person["empty_accounts"] or not tokens.has_scope(world, person["id"], "pages_show_list"):
        return {"data": []}
    sees_business = tokens.has_scope(world, person["id"], "business_management")
    grant = world.store.grants[person["id"]]
    rows = [
        page
        for page in grants.person_pages(world, person["id"])
        if tokens.covers(grant, page["id"]) and (sees_business or not page["business"])
    ]
    fields = fields or parse("access_token,category,category_list,name,id,tasks")
    answer = paged(call, rows, lambda row: row["id"], limit, f"{person['asid']}/accounts", after)
    answer["data"] = [pages.render(call, page, fields) for page in answer["data"]]
    return answer


def get_permissions(call: Call) -> dict[str, Any]:
    """GET /me/permissions: each requested permission, granted or declined."""
    require_own_node(call)
    grant = call.world.store.grants.get(call.node["id"], {"scopes": {}})
    rows = [{"permission": name, "status": status} for name, status in grant["scopes"].items()]
    only = call.text("permission")
    return {"data": [row for row in rows if only in (None, row["permission"])]}


def delete_permissions(call: Call, name: str | None = None) -> dict[str, Any]:
    """DELETE /{user-id}/permissions[/{name}]: withdraw one permission, or remove the app."""
    require_own_node(call, app_too=True)
    name = name or call.text("permission")
    if name is None:
        grants.remove_app(call.world, call.node)
    elif name not in call.world.store.grants.get(call.node["id"], {"scopes": {}})["scopes"]:
        raise errors.parameter(f"Permission {name} was never granted")
    else:
        grants.revoke_permission(call.world, call.node, name)
    return {"success": True}


def get_businesses(call: Call) -> dict[str, Any]:
    """GET /me/businesses: the person's business portfolios; needs business_management."""
    require_own_node(call)
    call.require_permission("business_management")
    rows = [doc for doc in call.world.store.businesses.values() if call.node["id"] in doc["people"]]
    answer = paged(
        call, rows, lambda row: row["id"], call.limit(), f"{call.node['asid']}/businesses", call.text("after")
    )
    answer["data"] = [{"id": row["id"], "name": row["name"]} for row in answer["data"]]
    return answer


def get_business(call: Call) -> dict[str, Any]:
    """GET /{business-id}."""
    call.require_permission("business_management")
    return {"id": call.node["id"], "name": call.node["name"]}


def business_pages(call: Call, edge: str) -> dict[str, Any]:
    """GET /{business-id}/owned_pages and /client_pages."""
    call.require_permission("business_management")
    person = call.user
    if person["id"] not in call.node["people"]:
        raise errors.missing_object(call.node["id"])
    rows: list[Doc] = [
        page
        for page in call.world.store.pages.values()
        if (page["business"] if edge == "owned_pages" else page.get("client_of")) == call.node["id"]
    ]
    answer = paged(call, rows, lambda row: row["id"], call.limit(), f"{call.node['id']}/{edge}", call.text("after"))
    fields = call.fields() or parse("id,name")
    answer["data"] = [pages.render(call, page, fields) for page in answer["data"]]
    return answer


def require_own_node(call: Call, *, app_too: bool = False) -> None:
    """Raise GraphError unless the token is a user token of the person in the path or, with `app_too`, the app token."""
    if app_too and call.caller.kind == "APP":
        return
    if call.user["id"] != call.node["id"]:
        raise errors.missing_object(call.node["asid"], call.method.lower())
