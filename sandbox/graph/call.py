"""One call to the Graph API: its parameters, its caller, and the checks that handlers make first."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox import errors, tokens
from sandbox.errors import GraphError
from sandbox.graph.fields import RequestedField, parse
from sandbox.store import Doc
from sandbox.tokens import Caller
from sandbox.world import World


@dataclass
class Upload:
    """A file of a multipart body."""

    name: str
    content_type: str
    data: bytes


@dataclass
class Call:
    """A call. `params` holds query and body, `node` the object of the path ({} for /me); `version` is like v27.0.

    `authenticated` is the caller, once the router has checked the access token.
    """

    world: World
    method: str
    version: str
    path: str
    params: dict[str, Any]
    uploads: dict[str, Upload] = field(default_factory=dict)
    authenticated: Caller | None = None
    node: Doc = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        """The caller behind the access token. Raise GraphError 2500 when none was checked."""
        if self.authenticated is None:
            raise errors.no_token()
        return self.authenticated

    @property
    def person(self) -> Doc:
        """The person behind a user or Page token. Raise GraphError 2500 for an app token."""
        if self.caller.person is None:
            raise errors.no_token()
        return self.caller.person

    @property
    def user(self) -> Doc:
        """The person behind a user token. Raise GraphError 2500 for any other token."""
        if self.caller.kind != "USER":
            raise errors.no_token()
        return self.person

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return a parameter as text, or `default`."""
        value = self.params.get(name)
        if value is None or value == "":
            return default
        return value if isinstance(value, str) else json.dumps(value)

    def json(self, name: str) -> Any:
        """Return a parameter that is a JSON value or a string with one. Raise GraphError 100 when it is not JSON."""
        value = self.params.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise errors.parameter(f"param {name} must be a JSON object.") from None

    def limit(self, default: int = 25, maximum: int = 100) -> int:
        """Return the parameter `limit`, at least 1 and at most `maximum`."""
        text = self.text("limit")
        if text is None:
            return default
        if not text.isdigit():
            raise errors.parameter("param limit must be a number.")
        return max(1, min(int(text), maximum))

    def fields(self) -> dict[str, RequestedField]:
        """Return the parsed `fields` parameter."""
        return parse(self.text("fields"))

    def require_permission(self, scope: str, *, as_error_10: bool = False) -> None:
        """Raise GraphError 200 unless the person behind the token granted `scope`; 10 where Meta answers that."""
        person = self.authenticated.person if self.authenticated else None
        if person is None:
            raise errors.missing_permission(scope)
        if not tokens.has_scope(self.world, person["id"], scope):
            raise errors.not_granted(scope) if as_error_10 else errors.missing_permission(scope)

    def require_page_token(self, page: Doc | None = None) -> Doc:
        """Return the Page of the Page token. Raise GraphError 190 for any other token, 100/33 when it is not `page`."""
        own = self.authenticated.page if self.authenticated else None
        if own is None:
            raise GraphError(190, "(#190) This method must be called with a Page Access Token")
        if page is not None and page["id"] != own["id"]:
            raise errors.missing_object(page["id"], self.method.lower())
        return own

    def require_task(self, page: Doc, *names: str) -> None:
        """Raise GraphError 200 unless the person behind the token has one of the tasks on the Page."""
        person = self.authenticated.person if self.authenticated else None
        granted = page["roles"].get(person["id"], []) if person else []
        if not set(names) & set(granted):
            raise GraphError(
                200,
                f"(#200) User does not have sufficient administrative permission for this action on this page."
                f" One of these tasks is needed: {', '.join(names)}.",
                status=403,
            )


def paged(
    call: Call, rows: list[Doc], key: Callable[[Doc], str], limit: int, path: str, after: str | None = None
) -> dict[str, Any]:
    """Return one page of `rows` with cursors; `key(row)` names a row in a cursor, `path` is for `paging.next`."""
    start = 0
    if after:
        try:
            last_key = base64.urlsafe_b64decode(after.encode() + b"==").decode()
        except ValueError:
            raise errors.parameter("Invalid cursor value") from None
        start = next((place + 1 for place, row in enumerate(rows) if key(row) == last_key), len(rows))
    part = rows[start : start + limit]
    if not part:
        return {"data": []}

    def cursor(row: Doc) -> str:
        return base64.urlsafe_b64encode(key(row).encode()).decode().rstrip("=")

    paging: dict[str, Any] = {"cursors": {"before": cursor(part[0]), "after": cursor(part[-1])}}
    if start + limit < len(rows):
        token = call.caller.token
        fields = call.text("fields")
        paging["next"] = (
            f"{call.world.config.public_url}/{call.version}/{path}?access_token={token}"
            + (f"&fields={fields}" if fields else "")
            + f"&limit={limit}&after={paging['cursors']['after']}"
        )
    return {"data": part, "paging": paging}
