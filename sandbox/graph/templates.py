"""Message templates of utility messages (DOC/send-messages/utility-messages, GRAPH/reference/page/message_templates).

A new template is PENDING and is decided after `template_review_s`: REJECTED when its text advertises, else APPROVED.
Meta documents neither the words nor the number of an error; the sandbox answers code 100.
"""

import re
from typing import Any

from sandbox import errors, ids, tokens, webhooks
from sandbox.graph.call import Call, paged
from sandbox.store import Doc
from sandbox.world import World

SCOPES = ("pages_utility_messaging", "page_utility_messaging")
ADVERTISING = ("discount", "sale", "% off", "promo", "free gift")
PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
LIBRARY = {
    "order_shipped": "Hi {{1}}, your order {{2}} is on its way. It should arrive by {{3}}.",
    "appointment_reminder": "Hello {{1}}, this is a reminder of your appointment on {{2}}.",
    "payment_received": "Hi {{1}}, we have received your payment of {{2}}. Thank you.",
    "delivery_failed": "We could not deliver your parcel {{1}} today. We will try again on {{2}}.",
}


def require_permission(call: Call) -> None:
    """Raise GraphError 10 unless the person behind the token granted utility messages, under either name."""
    if not any(tokens.has_scope(call.world, call.person["id"], scope) for scope in SCOPES):
        raise errors.not_granted(SCOPES[0])


def decided(world: World, row: Doc) -> Doc:
    """Return the template after its review, when that time has come."""
    if row["status"] == "PENDING" and row["decided_at"] <= world.now():
        row["status"], row["rejected_reason"] = row["verdict"], row["verdict_reason"]
        world.store.put("templates", row["id"], row)
    return row


def of_page(world: World, page_id: str) -> list[Doc]:
    """Return the templates of a Page, oldest first."""
    return [decided(world, row) for row in world.store.templates.values() if row["page"] == page_id]


def list_templates(call: Call) -> dict[str, Any]:
    """GET /{page-id}/message_templates[?name=]."""
    page = call.require_page_token(call.node)
    require_permission(call)
    name = call.text("name")
    rows = [row for row in of_page(call.world, page["id"]) if name in (None, row["name"])]
    answer = paged(
        call, rows, lambda row: row["id"], call.limit(), f"{page['id']}/message_templates", call.text("after")
    )
    shown = ("id", "name", "language", "category", "status", "components", "rejected_reason")
    answer["data"] = [{key: row[key] for key in shown} for row in answer["data"]]
    return answer


def create_template(call: Call) -> dict[str, Any]:
    """POST /{page-id}/message_templates {name, category, language, components}; answers {id, status, category}."""
    world, page = call.world, call.require_page_token(call.node)
    require_permission(call)
    name, language, category = call.text("name") or "", call.text("language") or "", call.text("category") or ""
    components = call.json("components")
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise errors.parameter("Param name must have lower-case letters, digits and underscores only.")
    if category.upper() != "UTILITY" or not language:
        raise errors.parameter("Param category must be UTILITY, and param language is required.")
    if any(row["name"] == name and row["language"] == language for row in of_page(world, page["id"])):
        raise errors.parameter("There is already a template of this name in this language.")
    text = body_of(components)
    example = body_example(components)
    if not text:
        raise errors.parameter("Param components must have a BODY with a text.")
    if len(example) != len(set(PLACEHOLDER.findall(text))):
        raise errors.parameter("The BODY needs an example for each placeholder.")
    advertises = any(word in text.lower() for word in ADVERTISING)
    row = {
        "id": ids.new_number("2"),
        "page": page["id"],
        "name": name,
        "language": language,
        "category": "UTILITY",
        "status": "PENDING",
        "components": components,
        "rejected_reason": "NONE",
        "verdict": "REJECTED" if advertises else "APPROVED",
        "verdict_reason": "PROMOTIONAL" if advertises else "NONE",
        "decided_at": world.now() + world.config.template_review_s,
    }
    world.store.put("templates", row["id"], row)
    value = {
        "event": row["verdict"],
        "message_template_id": int(row["id"]),
        "message_template_name": name,
        "message_template_language": language,
        "reason": row["verdict_reason"],
    }
    field = "message_template_status_update"
    change = {"field": field, "value": value}
    delay_ms = int(world.config.template_review_s * 1000)
    webhooks.enqueue(world, page["id"], "changes", change, field, delay_ms=delay_ms)
    return {"id": row["id"], "status": "PENDING", "category": "UTILITY"}


def delete_template(call: Call) -> dict[str, Any]:
    """DELETE /{page-id}/message_templates?name=[&hsm_id=]: all languages of the name, or the one with this id."""
    page = call.require_page_token(call.node)
    require_permission(call)
    wanted = call.text("hsm_id")
    rows = [
        row
        for row in of_page(call.world, page["id"])
        if row["name"] == call.text("name") and wanted in (None, row["id"])
    ]
    if not rows:
        raise errors.parameter("There is no such template.")
    for row in rows:
        call.world.store.drop("templates", row["id"])
    return {"success": True}


def library(call: Call) -> dict[str, Any]:
    """GET /message_template_library[?search=&language=]."""
    require_permission(call)
    words, language = (call.text("search") or "").lower(), call.text("language") or "en_US"
    rows = [
        {"id": str(9000 + number), "name": name, "language": language, "category": "UTILITY", "body": text}
        for number, (name, text) in enumerate(LIBRARY.items())
        if language.startswith("en") and (words in name or words in text.lower())
    ]
    return {"data": rows}


def content_of(call: Call, page: Doc, template: Any) -> dict[str, Any]:
    """Return the text of a utility message. Raise GraphError for a template or values that cannot be sent."""
    require_permission(call)
    template = template if isinstance(template, dict) else {}
    code = (template.get("language") or {}).get("code") if isinstance(template.get("language"), dict) else None
    row = next(
        (
            row
            for row in of_page(call.world, page["id"])
            if row["name"] == template.get("name") and row["language"] == code and row["status"] == "APPROVED"
        ),
        None,
    )
    if row is None:
        raise errors.parameter("There is no approved template of this name in this language.")
    components = template.get("components") or []
    body: dict[str, Any] = next((part for part in components if str(part.get("type")).lower() == "body"), {})
    values = [str(parameter.get("text")) for parameter in body.get("parameters") or []]
    text = body_of(row["components"])
    names = list(dict.fromkeys(PLACEHOLDER.findall(text)))
    if len(values) != len(names):
        raise errors.parameter(f"The number of parameters ({len(values)}) does not match the template ({len(names)}).")
    by_name = dict(zip(sorted(names, key=lambda name: (len(name), name)), values, strict=True))
    return {"text": PLACEHOLDER.sub(lambda found: by_name[found[1]], text)}


def body_of(components: Any) -> str:
    """Return the text of the BODY among the components of a template."""
    return str(_body(components).get("text") or "")


def body_example(components: Any) -> list[str]:
    """Return the examples of the BODY."""
    example = _body(components).get("example")
    rows = example.get("body_text") if isinstance(example, dict) else None
    return list(rows[0]) if isinstance(rows, list) and rows and isinstance(rows[0], list) else []


def _body(components: Any) -> dict[str, Any]:
    parts = components if isinstance(components, list) else []
    return next((part for part in parts if isinstance(part, dict) and str(part.get("type")).upper() == "BODY"), {})
