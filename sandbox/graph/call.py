"""One call to the Graph API: what was asked, by whom, and the questions each handler asks first."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from sandbox import errors, tokens
from sandbox.errors import GraphError
from sandbox.graph.fields import Wanted, parse
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
    """`params` holds query and body laid over each other; `node` is the object of the path, `version` like v26.0."""

    world: World
    method: str
    version: str
    path: str
    params: dict[str, Any]
    uploads: dict[str, Upload] = field(default_factory=dict)
    caller: Caller | None = None
    node: Any = None

    @property
    def user(self) -> Doc:
        """The person behind a user token; GraphError 2500 for any other token."""
        if self.caller is None or self.caller.kind != "USER":
            raise GraphError(2500, "An active access token must be used to query information about the current user.")
        return self.caller.person

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return a parameter as text, or `default`."""
        value = self.params.get(name)
        if value is None or value == "":
            return default
        return value if isinstance(value, str) else json.dumps(value)

    def json(self, name: str) -> Any:
        """Return a parameter that is a JSON value or a string holding one; GraphError 100 when it is not JSON."""
        value = self.params.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise errors.parameter(f"param {name} must be a JSON object.") from None

    def flag(self, name: str) -> bool:
        """Return a parameter as yes or no."""
        return str(self.params.get(name, "")).lower() in {"1", "true", "yes"}

    def limit(self, default: int = 25, most: int = 100) -> int:
        """Return `limit` within 1 and `most`."""
        text = self.text("limit")
        if text is None:
            return default
        if not text.isdigit():
            raise errors.parameter("param limit must be a number.")
        return max(1, min(int(text), most))

    def fields(self) -> dict[str, Wanted]:
        """Return the parsed `fields` parameter."""
        return parse(self.text("fields"))

    def need(self, scope: str, *, as_error_10: bool = False) -> None:
        """Demand a permission of the person behind the token: error 200, or 10 where Meta uses that."""
        if self.caller is None or self.caller.person is None:
            raise errors.missing_permission(scope)
        if not tokens.has_scope(self.world, self.caller.person["id"], scope):
            raise errors.not_granted(scope) if as_error_10 else errors.missing_permission(scope)

    def page_caller(self, page: Doc | None = None) -> Doc:
        """Return the Page of the page token, which must be `page` when given; GraphError 190 or 100/33 otherwise."""
        if self.caller is None or self.caller.kind != "PAGE":
            raise GraphError(190, "(#190) This method must be called with a Page Access Token")
        if page is not None and page["id"] != self.caller.page["id"]:
            raise errors.missing_object(page["id"], self.method.lower())
        return self.caller.page

    def need_task(self, page: Doc, *names: str) -> None:
        """Demand that the person behind the token has one of the tasks on the Page: error 200."""
        granted = page["roles"].get(self.caller.person["id"], []) if self.caller and self.caller.person else []
        if not set(names) & set(granted):
            raise GraphError(
                200,
                f"(#200) User does not have sufficient administrative permission for this action on this page."
                f" One of these tasks is needed: {', '.join(names)}.",
                status=403,
            )


def paged(call: Call, rows: list[Any], key: Any, limit: int, path: str, after: str | None = None) -> dict[str, Any]:
    """Return one page of `rows` with cursors; `key(row)` names a row in the cursor, `path` goes into `paging.next`."""
    start = 0
    if after:
        try:
            mark = base64.urlsafe_b64decode(after.encode() + b"==").decode()
        except ValueError:
            raise errors.parameter("Invalid cursor value") from None
        start = next((place + 1 for place, row in enumerate(rows) if key(row) == mark), len(rows))
    part = rows[start : start + limit]
    if not part:
        return {"data": []}

    def cursor(row: Any) -> str:
        return base64.urlsafe_b64encode(key(row).encode()).decode().rstrip("=")

    paging: dict[str, Any] = {"cursors": {"before": cursor(part[0]), "after": cursor(part[-1])}}
    if start + limit < len(rows):
        token = call.caller.token if call.caller else ""
        fields = call.text("fields")
        paging["next"] = (
            f"{call.world.config.public_url}/{call.version}/{path}?access_token={token}"
            + (f"&fields={fields}" if fields else "")
            + f"&limit={limit}&after={paging['cursors']['after']}"
        )
    return {"data": part, "paging": paging}
