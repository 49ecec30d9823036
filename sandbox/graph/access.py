"""OAuth's token endpoint, debug_token, and the app's own webhook subscriptions."""

import asyncio
import hmac
from typing import Any
from urllib.parse import urlencode

import requests

from sandbox import errors, grants, ids, tokens
from sandbox.config import ALL_FIELDS
from sandbox.errors import GraphError
from sandbox.graph.call import Call, paged


def access_token(call: Call) -> dict[str, Any]:
    """/oauth/access_token: code -> short-lived token, fb_exchange_token -> 60 days, client_credentials -> app token.

    Sources: LOGIN/guides/advanced/manual-flow, LOGIN/guides/access-tokens/get-long-lived. A code works once, with the
    redirect URI it was made for.
    """
    world, config = call.world, call.world.config
    if call.text("client_id") != config.app_id:
        raise GraphError(101, "Error validating application. Cannot get application info due to a system error.")
    if not hmac.compare_digest((call.text("client_secret") or "").encode(), config.app_secret.encode()):
        raise GraphError(1, "Error validating client secret.")
    grant_type = call.text("grant_type")
    if grant_type == "client_credentials":
        return {"access_token": f"{config.app_id}|{config.app_secret}", "token_type": "bearer"}
    if grant_type == "fb_exchange_token":
        caller = tokens.authenticate(world, call.text("fb_exchange_token"))
        if caller.kind != "USER" or caller.person is None:
            raise GraphError(190, "Only a user access token can be exchanged.")
        doc = tokens.issue(world, "USER", caller.person, long_lived=True)
        return _answer(call, doc)
    code = call.text("code")
    if code is None:
        raise errors.parameter("Missing authorization code")
    known = world.store.codes.get(code)
    if known is None:
        raise GraphError(100, "Invalid verification code format.", 36008)
    if known["redirect_uri"] != call.text("redirect_uri"):
        raise GraphError(
            100,
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in"
            " the OAuth dialog request",
            36008,
        )
    if known["used"]:
        raise GraphError(100, "This authorization code has been used.", 36009)
    if known["expires_at"] <= world.now():
        raise GraphError(100, "This authorization code has expired.", 36007)
    known["used"] = True
    world.store.put("codes", code, known)
    return _answer(call, tokens.issue(world, "USER", world.store.people[known["person"]], long_lived=False))


def _answer(call: Call, doc: dict[str, Any]) -> dict[str, Any]:
    return {
        "access_token": doc["token"],
        "token_type": "bearer",
        "expires_in": int(doc["expires_at"] - call.world.now()),
    }


def debug_token(call: Call) -> dict[str, Any]:
    """GET /debug_token: the data of a token; for an invalid one, is_valid is false and data has the error."""
    world, config = call.world, call.world.config
    token = call.text("input_token")
    if token is None:
        raise errors.parameter("The parameter input_token is required.")
    if token == f"{config.app_id}|{config.app_secret}":
        return {
            "data": {
                "app_id": config.app_id,
                "type": "APP",
                "application": config.app_name,
                "is_valid": True,
                "scopes": [],
            }
        }
    doc = world.store.tokens.get(token)
    if doc is None:
        unknown = {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"}
        return {"data": {"error": unknown, "is_valid": False, "scopes": []}}
    person = world.store.people[doc["person"]]
    grant = world.store.grants.get(doc["person"])
    data: dict[str, Any] = {
        "app_id": config.app_id,
        "type": doc["kind"],
        "application": config.app_name,
        "data_access_expires_at": grant["data_access_expires_at"] if grant else 0,
        "expires_at": doc["expires_at"],
        "is_valid": True,
        "issued_at": doc["issued_at"],
        "scopes": [name for name, status in grant["scopes"].items() if status == "granted"] if grant else [],
        "granular_scopes": grants.granular_scopes(world, doc["person"]),
        "user_id": person["asid"],
    }
    if doc["kind"] == "PAGE":
        data["profile_id"] = doc["page"]
    reason = tokens.invalid_reason(world, doc)
    if reason is not None:
        error = tokens.invalid_error(world, doc, reason)
        data["is_valid"] = False
        data["error"] = {"code": error.code, "message": error.message}
        if error.subcode is not None:
            data["error"]["subcode"] = error.subcode
    return {"data": data}


def get_app(call: Call) -> dict[str, Any]:
    """GET /{app-id} or /app. The settings of the dashboard are for the app's own token; empty ones are left out."""
    config = call.world.config
    shown = {"id": config.app_id, "name": config.app_name, "link": f"{config.public_url}/", "category": "Business"}
    if not call.fields():
        return shown
    if call.authenticated is not None and call.authenticated.kind == "APP":
        shown |= {
            "app_domains": config.app_domains,
            "privacy_policy_url": config.privacy_policy_url,
            "deauth_callback_url": config.deauthorize_url,
        }
    return {"id": config.app_id, **{name: shown[name] for name in call.fields() if shown.get(name)}}


def get_app_permissions(call: Call) -> dict[str, Any]:
    """GET /{app-id}/permissions with the app token: what App Review has approved."""
    _app_only(call)
    rows = [{"permission": name, "status": "live"} for name in call.world.config.approved_permissions]
    return paged(call, rows, lambda row: row["permission"], call.limit(), call.path, call.text("after"))


def get_subscriptions(call: Call) -> dict[str, Any]:
    """GET /{app-id}/subscriptions with the app token."""
    _app_only(call)
    doc = call.world.store.app_subscriptions.get("page")
    config = call.world.config
    doc = doc or {"callback_url": config.webhook_url, "fields": config.webhook_fields}
    fields = [{"name": name, "version": "v27.0"} for name in doc["fields"]]
    return {
        "data": [
            {"object": "page", "callback_url": doc["callback_url"], "active": config.webhook_active, "fields": fields}
        ]
    }


async def post_subscriptions(call: Call) -> dict[str, Any]:
    """POST /{app-id}/subscriptions: verify the callback by hub.challenge, then store it (DOC/webhooks)."""
    _app_only(call)
    if call.text("object") != "page":
        raise errors.parameter("The sandbox plays only object=page.")
    callback = call.text("callback_url")
    if not callback:
        raise errors.parameter("The parameter callback_url is required.")
    names = [part.strip() for part in (call.text("fields") or "").split(",") if part.strip()]
    unknown = [name for name in names if name not in ALL_FIELDS]
    if unknown or not names:
        raise errors.parameter(f"Param fields must be a list of known fields - got: {', '.join(unknown) or 'nothing'}")
    problem = await asyncio.to_thread(verify_callback, callback, call.text("verify_token") or "")
    if problem:
        raise GraphError(2200, f"(#2200) Callback verification failed with the following errors: {problem}")
    call.world.store.put("app_subscriptions", "page", {"callback_url": callback, "fields": names})
    return {"success": True}


def delete_subscriptions(call: Call) -> dict[str, Any]:
    """DELETE /{app-id}/subscriptions."""
    _app_only(call)
    call.world.store.put("app_subscriptions", "page", {"callback_url": call.world.config.webhook_url, "fields": []})
    return {"success": True}


def verify_callback(url: str, verify_token: str) -> str | None:
    """Send the hub.challenge GET; return None when the answer is right, else what is wrong with it. Blocking."""
    challenge = ids.new_number("1")[:10]
    query = urlencode({"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token})
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{url}{'&' if '?' in url else '?'}{query}", timeout=5, allow_redirects=False)
    except requests.RequestException as error:
        return f"The URL couldn't be reached ({type(error).__name__})."
    if answer.status_code != 200:
        return f"HTTP Status Code = {answer.status_code}."
    if answer.text.strip() != challenge:
        return "The response does not match the challenge."
    return None


def _app_only(call: Call) -> None:
    if call.authenticated is None or call.authenticated.kind != "APP":
        raise GraphError(15, "(#15) This method must be called with an app access_token.")
