"""Access tokens: making them, judging them, and what each may do.

Sources: LOGIN/guides/access-tokens, GRAPH/reference/debug_token, and section 5.5 of the contract for how tokens die.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass

from sandbox import errors, ids
from sandbox.store import Doc
from sandbox.world import World

PAGE_SCOPES = [
    "pages_show_list",
    "pages_messaging",
    "pages_manage_metadata",
    "pages_read_engagement",
    "pages_manage_engagement",
    "pages_manage_posts",
    "pages_read_user_content",
    "pages_utility_messaging",
    "pages_user_locale",
    "pages_user_timezone",
    "pages_user_gender",
]
KNOWN_SCOPES = ["public_profile", "email", "business_management", *PAGE_SCOPES]


@dataclass
class Caller:
    """Who a token speaks for: `kind` is USER, PAGE or APP; `person` and `page` are documents or None."""

    kind: str
    token: str
    doc: Doc | None = None
    person: Doc | None = None
    page: Doc | None = None


def issue(world: World, kind: str, person: Doc, *, long_lived: bool, page: Doc | None = None) -> Doc:
    """Make a token. A page token made from a long-lived user token has no expiry (expires_at 0)."""
    now = int(world.now())
    if kind == "PAGE":
        expires_at = 0 if long_lived else now + world.config.short_token_s
    else:
        expires_at = now + (world.config.long_token_s if long_lived else world.config.short_token_s)
    token = ids.new_token(kind)
    return world.store.put(
        "tokens",
        token,
        {
            "token": token,
            "kind": kind,
            "person": person["id"],
            "page": page["id"] if page else None,
            "long": long_lived,
            "issued_at": now,
            "expires_at": expires_at,
            "dead": None,
        },
    )


def page_token(world: World, person: Doc, page: Doc, *, parent: Doc) -> str:
    """Return the page token a user token gives: the same string again while it lives, as Meta does.

    It inherits the parent's life: without expiry from a long-lived user token, else the parent's end.
    """
    for doc in world.store.tokens.values():
        if (
            doc["kind"] == "PAGE"
            and doc["person"] == person["id"]
            and doc["page"] == page["id"]
            and doc["long"] == parent["long"]
            and doc["dead"] is None
            and (doc["expires_at"] == 0 or doc["expires_at"] > world.now())
        ):
            return doc["token"]
    doc = issue(world, "PAGE", person, long_lived=parent["long"], page=page)
    if not parent["long"]:
        doc["expires_at"] = parent["expires_at"]
    return doc["token"]


def death(world: World, doc: Doc) -> str | None:
    """Return why the token is dead (a key of errors.DEAD_TOKENS), or None while it lives."""
    person = world.store.people.get(doc["person"])
    grant = world.store.grants.get(doc["person"])
    if person is None:
        return "logged_out"
    if doc["dead"]:
        return doc["dead"]
    if person["checkpoint"]:
        return "checkpoint"
    if person["unconfirmed"]:
        return "unconfirmed"
    if grant is None:
        return "app_removed"
    if doc["expires_at"] and doc["expires_at"] <= world.now():
        return "expired"
    if doc["kind"] == "PAGE":
        page = world.store.pages.get(doc["page"])
        if page is None or doc["person"] not in page["roles"]:
            return "role_lost"
        if not covers(grant, doc["page"]):
            return "page_deselected"
    return None


def kill(
    world: World, reason: str, *, person: str | None = None, page: str | None = None, kind: str | None = None
) -> int:
    """Mark living tokens dead for good; the filters are joined by *and*. Return how many."""
    count = 0
    for token, doc in list(world.store.tokens.items()):
        if person is not None and doc["person"] != person:
            continue
        if page is not None and doc["page"] != page:
            continue
        if (kind is not None and doc["kind"] != kind) or doc["dead"]:
            continue
        doc["dead"] = reason
        if reason == "expired":
            doc["expires_at"] = min(doc["expires_at"] or int(world.now()), int(world.now()) - 60)
        world.store.put("tokens", token, doc)
        count += 1
    return count


def covers(grant: Doc | None, page_id: str) -> bool:
    """Return whether the person's grant reaches the Page."""
    return grant is not None and (grant["pages"] == "all" or page_id in grant["pages"])


def has_scope(world: World, person_id: str, scope: str) -> bool:
    """Return whether the person granted the permission and has not withdrawn it."""
    grant = world.store.grants.get(person_id)
    return grant is not None and grant["scopes"].get(scope) == "granted"


def dead_error(world: World, doc: Doc, reason: str) -> errors.GraphError:
    """Return Meta's answer for a dead token."""

    def stamp(seconds: float) -> str:
        return time.strftime("%A, %d-%b-%y %H:%M:%S UTC", time.gmtime(seconds))

    return errors.dead_token(
        reason, app_id=world.config.app_id, expired=stamp(doc["expires_at"] or world.now()), now=stamp(world.now())
    )


def authenticate(world: World, token: str | None) -> Caller:
    """Return the caller behind an access token; GraphError 2500 without one, 190 with a bad or dead one."""
    if not token:
        raise errors.no_token()
    if "|" in token:
        app_id, _, secret = token.partition("|")
        if app_id != world.config.app_id or not hmac.compare_digest(secret.encode(), world.config.app_secret.encode()):
            raise errors.GraphError(190, "Invalid OAuth access token signature.", status=401)
        return Caller("APP", token)
    doc = world.store.tokens.get(token)
    if doc is None:
        raise errors.bad_token()
    reason = death(world, doc)
    if reason is not None:
        raise dead_error(world, doc, reason)
    page = world.store.pages[doc["page"]] if doc["page"] else None
    return Caller(doc["kind"], token, doc, world.store.people[doc["person"]], page)


def check_proof(world: World, caller: Caller, proof: str | None, proof_time: str | None) -> None:
    """Check appsecret_proof in its plain and its time-stamped form (LOGIN/security; the latter lives 5 minutes)."""
    if not proof:
        if world.config.require_appsecret_proof and caller.kind != "APP":
            raise errors.GraphError(
                100,
                "API calls from the server require an appsecret_proof argument",
                kind="GraphMethodException",
            )
        return
    message = caller.token
    fresh = True
    if proof_time:
        message = f"{caller.token}|{proof_time}"
        fresh = proof_time.isdigit() and abs(time.time() - int(proof_time)) <= 300
    wanted = hmac.new(world.config.app_secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    if not fresh or not hmac.compare_digest(wanted.encode(), proof.encode()):
        raise errors.GraphError(
            100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException"
        )
