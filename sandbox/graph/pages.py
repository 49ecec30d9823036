"""The Page: its node, picture and subscribed_apps (GRAPH/reference/page, DOC/webhooks#connect-your-app)."""

from typing import Any

from sandbox import errors, pictures, tokens, webhooks
from sandbox.config import ALL_FIELDS
from sandbox.graph.call import Call
from sandbox.graph.fields import Wanted, parse
from sandbox.store import Doc
from sandbox.world import World


def picture_node(world: World, kind: str, key: str) -> dict[str, Any]:
    """Return the `picture` field of a Page or person."""
    return {
        "data": {
            "height": pictures.SIZE,
            "is_silhouette": False,
            "url": pictures.signed_url(world, kind, key),
            "width": pictures.SIZE,
        }
    }


def render(call: Call, page: Doc, wanted: dict[str, Wanted]) -> dict[str, Any]:
    """Return the fields of a Page that this caller may see. The token comes only to a person with a role whose
    grant covers the Page; Pages marked `hide_token` are listed without one, as some business Pages are.
    """
    world, caller = call.world, call.caller
    answer: dict[str, Any] = {}
    for name, want in (wanted or parse("id,name")).items():
        if name in {"id", "name", "category", "username", "about"}:
            answer[name] = page[name]
        elif name == "category_list":
            answer[name] = [{"id": page["category_id"], "name": page["category"]}]
        elif name == "link":
            answer[name] = f"https://www.facebook.com/{page['id']}"
        elif name in {"fan_count", "followers_count"}:
            answer[name] = page["fans"]
        elif name == "is_published":
            answer[name] = page["published"]
        elif name == "is_webhooks_subscribed":
            answer[name] = page["id"] in world.store.subscriptions
        elif name == "business" and page["business"]:
            business = world.store.businesses[page["business"]]
            answer[name] = {"id": business["id"], "name": business["name"]}
        elif name == "picture":
            answer[name] = picture_node(world, "page", page["id"])
            if want is not None and want.inner:
                answer[name]["data"] = {k: v for k, v in answer[name]["data"].items() if k in want.inner}
        elif name == "tasks" and caller.person is not None:
            answer[name] = list(page["roles"].get(caller.person["id"], []))
        elif name == "access_token":
            token = _token_for(call, page)
            if token:
                answer[name] = token
        elif name == "messaging_feature_status":
            answer[name] = {"hop_v2": True, "USER": {"status": "on"}}
    answer["id"] = page["id"]
    return answer


def _token_for(call: Call, page: Doc) -> str | None:
    world, caller = call.world, call.caller
    if caller.kind == "PAGE":
        return caller.token if caller.page["id"] == page["id"] else None
    if caller.kind != "USER" or page["hide_token"] or caller.person["id"] not in page["roles"]:
        return None
    if not tokens.covers(world.store.grants.get(caller.person["id"]), page["id"]):
        return None
    if not tokens.has_scope(world, caller.person["id"], "pages_show_list"):
        return None
    return tokens.page_token(world, caller.person, page, parent=caller.doc)


def get_page(call: Call) -> dict[str, Any]:
    """GET /{page-id}, GET /me with a page token. A person sees only Pages in the grant (100/33 otherwise)."""
    page, caller = call.node, call.caller
    if caller.kind == "USER" and not (
        caller.person["id"] in page["roles"]
        and tokens.covers(call.world.store.grants.get(caller.person["id"]), page["id"])
    ):
        raise errors.missing_object(page["id"])
    if caller.kind == "PAGE" and caller.page["id"] != page["id"]:
        raise errors.missing_object(page["id"])
    return render(call, page, call.fields())


def get_subscribed_apps(call: Call) -> dict[str, Any]:
    """GET /{page-id}/subscribed_apps: our app with its fields, or an empty list."""
    _may_subscribe(call)
    subscription = call.world.store.subscriptions.get(call.node["id"])
    if subscription is None:
        return {"data": []}
    config = call.world.config
    return {
        "data": [
            {
                "category": "Business",
                "link": f"{config.public_url}/",
                "name": config.app_name,
                "id": config.app_id,
                "subscribed_fields": list(subscription["fields"]),
            }
        ]
    }


def post_subscribed_apps(call: Call) -> dict[str, Any]:
    """POST /{page-id}/subscribed_apps: replaces the fields. Needs pages_manage_metadata, for messages also
    pages_messaging, and the MODERATE task.
    """
    _may_subscribe(call)
    value = call.params.get("subscribed_fields")
    if isinstance(value, str) and value.strip().startswith("["):
        value = call.json("subscribed_fields")
    names = value if isinstance(value, list) else [part.strip() for part in (value or "").split(",") if part.strip()]
    if not names:
        raise errors.parameter("The parameter subscribed_fields is required.")
    unknown = [name for name in names if name not in ALL_FIELDS]
    if unknown:
        raise errors.parameter(
            f"Param subscribed_fields[0] must be one of {{{', '.join(ALL_FIELDS)}}}"
            f" - got value(s): {', '.join(unknown)}"
        )
    if any(name.startswith("messag") or name == "standby" for name in names) and not tokens.has_scope(
        call.world, call.caller.person["id"], "pages_messaging"
    ):
        raise errors.GraphError(
            200,
            "(#200) To subscribe to the messages field, one of these permissions is needed: pages_messaging",
            status=403,
        )
    subscribe(call.world, call.node, names)
    return {"success": True}


def subscribe(world: World, page: Doc, names: list[str]) -> None:
    """Install the app on the Page with these fields (they replace the former) and clear its webhook alert."""
    world.store.put("subscriptions", page["id"], {"page": page["id"], "fields": list(dict.fromkeys(names))})
    page["webhook"] = {"failing_since": None, "alert": None}
    world.store.put("pages", page["id"], page)


def delete_subscribed_apps(call: Call) -> dict[str, Any]:
    """DELETE /{page-id}/subscribed_apps: with the page token or the app token (restfb#1209)."""
    if call.caller.kind != "APP":
        _may_subscribe(call)
    call.world.store.drop("subscriptions", call.node["id"])
    return {"success": True}


def _may_subscribe(call: Call) -> None:
    call.page_caller(call.node)
    call.need("pages_manage_metadata")
    call.need_task(call.node, "MODERATE")


def page_state(world: World, page: Doc) -> dict[str, Any]:
    """Return what the panel and the control API say of a Page."""
    subscription = world.store.subscriptions.get(page["id"])
    return {
        **page,
        "subscribed_fields": subscription["fields"] if subscription else [],
        "effective_fields": sorted(webhooks.subscribed_fields(world, page["id"])),
        "granted_by": [key for key in page["roles"] if tokens.covers(world.store.grants.get(key), page["id"])],
        "queued_webhooks": sum(row["page"] == page["id"] for row in world.store.deliveries.values()),
    }
