"""Access tokens: making and invalidating them, and finding the caller behind one.

Sources: LOGIN/guides/access-tokens, GRAPH/reference/debug_token, and Meta's table of the subcodes of error 190.
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
    "page_utility_messaging",
    "pages_user_locale",
    "pages_user_timezone",
    "pages_user_gender",
]
KNOWN_SCOPES = ["public_profile", "email", "business_management", *PAGE_SCOPES]


@dataclass
class Caller:
    """The owner of an access token. `kind` is USER, PAGE or APP.

    `doc` and `person` are None for an app token; `page` is None for all but a Page token.
    """

    kind: str
    token: str
    doc: Doc | None = None
    person: Doc | None = None
    page: Doc | None = None


def issue(world: World, kind: str, person: Doc, *, long_lived: bool, page: Doc | None = None) -> Doc:
    """Make a token. A Page token made from a long-lived user token does not expire (expires_at 0)."""
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
    """Return the Page token that belongs to a user token: the same string as long as it is valid, as Meta does.

    From a long-lived user token it does not expire; from another one it expires together with the user token.
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


def invalid_reason(world: World, doc: Doc) -> str | None:
    """Return why the token is invalid (a key of errors.INVALID_TOKENS), or None when it is valid."""
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


def invalidate(
    world: World, reason: str, *, person: str | None = None, page: str | None = None, kind: str | None = None
) -> int:
    """Make the tokens that match all filters permanently invalid, and return how many were valid before."""
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
    """Return whether the person's grant includes the Page."""
    return grant is not None and (grant["pages"] == "all" or page_id in grant["pages"])


def has_scope(world: World, person_id: str, scope: str) -> bool:
    """Return whether the person granted the permission and has not withdrawn it."""
    grant = world.store.grants.get(person_id)
    return grant is not None and grant["scopes"].get(scope) == "granted"


def invalid_error(world: World, doc: Doc, reason: str) -> errors.GraphError:
    """Return Meta's answer for an invalid token."""

    def stamp(seconds: float) -> str:
        return time.strftime("%A, %d-%b-%y %H:%M:%S UTC", time.gmtime(seconds))

    return errors.invalid_token(
        reason, app_id=world.config.app_id, expired=stamp(doc["expires_at"] or world.now()), now=stamp(world.now())
    )


def authenticate(world: World, token: str | None) -> Caller:
    """Return the caller behind an access token. Raise GraphError 2500 without one, 190 for an invalid one."""
    if not token:
        raise errors.no_token()
    if "|" in token:
        app_id, _, secret = token.partition("|")
        if app_id != world.config.app_id or not hmac.compare_digest(secret.encode(), world.config.app_secret.encode()):
            raise errors.GraphError(190, "Invalid OAuth access token signature.", status=401)
        return Caller("APP", token)
    doc = world.store.tokens.get(token)
    if doc is None:
        raise errors.unknown_token()
    reason = invalid_reason(world, doc)
    if reason is not None:
        raise invalid_error(world, doc, reason)
    page = world.store.pages[doc["page"]] if doc["page"] else None
    return Caller(doc["kind"], token, doc, world.store.people[doc["person"]], page)


def check_proof(world: World, caller: Caller, proof: str | None, proof_time: str | None) -> None:
    """Check appsecret_proof in its plain form and with a timestamp, which is valid for 5 minutes (LOGIN/security).

    Raise GraphError 100 for a wrong one, or a missing one where it is required.
    """
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
    expected = hmac.new(world.config.app_secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    if not fresh or not hmac.compare_digest(expected.encode(), proof.encode()):
        raise errors.GraphError(
            100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException"
        )
