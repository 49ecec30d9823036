"""Facebook at its HTTP edge: two people with Pages, the login's code and tokens, and what Graph answers."""

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import responses
from django.test import Client

from channels_im.messenger.oauth import SCOPES
from tests.http import Response

GRAPH = "https://graph.facebook.com/v27.0/"
CALLBACK = "/accounts/facebook/login/callback/"
TASKS = ["MESSAGING", "MODERATE", "MANAGE"]
EXPIRES_AT = 4_000_000_000
APP_ID = "100000000000001"


@dataclass
class Person:
    """Someone with a Facebook account: `pages` are (id, name, tasks), `ticked` the ids granted at the last login."""

    id: str
    name: str
    pages: list[tuple[str, str, list[str]]]
    ticked: list[str] = field(default_factory=list)
    declined: tuple[str, ...] = ()


class FakeMeta:
    """Answers Graph calls. `calls` keeps (method, path) of each; `broken` maps a path's ending to an error answer."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.anna = Person("2001", "Anna Berg", [("1001", "Berg Bikes", TASKS), ("1002", "Berg Bakery", TASKS)])
        self.omar = Person("2002", "Omar Haddad", [("1003", "Haddad Travel", TASKS), ("1005", "Archive", ["ANALYZE"])])
        self.codes: dict[str, Person] = {}
        self.tokens: dict[str, Person] = {}
        self.subscribed: dict[str, list[str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.broken: dict[str, tuple[int, dict[str, Any]]] = {}
        self.without_token: set[str] = set()  # ids of Pages that /me/accounts lists without their token
        self.keeps_tokens = False  # those Pages do not give it when they are asked themselves either
        self.hides_accounts = False  # granular permissions: /me/accounts is empty, debug_token names the Pages
        self._numbers = itertools.count(1)
        for method in ("GET", "POST", "DELETE"):
            mock.add_callback(method, re.compile(re.escape(GRAPH)), callback=self._answer)

    # --- The login in the browser
    def start(self, client: Client, **fields: Any) -> str:
        """Press *Link Facebook* (or *Re-authenticate*, with `channel`); return the state Facebook would hand back."""
        response = client.post("/admin/instant-messaging/messenger/link/", fields)
        assert response.status_code == 302, response.content.decode()[-2000:]
        self.dialog = parse_qs(urlsplit(response["Location"]).query)
        return self.dialog["state"][0]

    def code(self, person: Person, pages: list[str] | None = None, declined: tuple[str, ...] = ()) -> str:
        """Let the person finish the dialog with these Pages ticked (all when None); return the code."""
        person.ticked = [page[0] for page in person.pages] if pages is None else pages
        person.declined = declined
        code = f"code-{next(self._numbers)}-secret"
        self.codes[code] = person
        return code

    def log_in(
        self,
        client: Client,
        person: Person,
        pages: list[str] | None = None,
        declined: tuple[str, ...] = (),
        **fields: Any,
    ) -> Response:
        """The whole trip; return the answer of the page that the browser ends on."""
        state = self.start(client, **fields)
        return client.get(CALLBACK, {"code": self.code(person, pages, declined), "state": state}, follow=True)

    def long_token(self, person: Person, pages: list[str] | None = None) -> str:
        self.code(person, pages)
        return self._token("long", person)

    # --- Graph
    def _token(self, kind: str, person: Person) -> str:
        token = f"{kind}-token-{person.id}-{next(self._numbers)}"
        self.tokens[token] = person
        return token

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        assert request.method is not None
        url = urlsplit(str(request.url))
        path = url.path.removeprefix("/v27.0/")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.calls.append((request.method, path))
        for ending, (status, body) in self.broken.items():
            if path.endswith(ending):
                return status, {}, json.dumps(body)
        token = query.get("access_token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        status, body = self._route(request.method, path, query, token)
        return status, {"Content-Type": "application/json"}, json.dumps(body)

    def _route(self, method: str, path: str, query: dict[str, str], token: str) -> tuple[int, dict[str, Any]]:
        if path == "oauth/access_token":
            return self._oauth(query)
        if path == "debug_token":
            return 200, {"data": self._debug(query["input_token"])}
        page_id, _, edge = path.partition("/")
        if edge == "subscribed_apps":
            return 200, self._subscription(method, page_id, query)
        person = self.tokens.get(token)
        if person is None:
            return 400, error(190)
        if path == "me":
            return 200, {"id": person.id, "name": person.name}
        if path == "me/permissions":
            rows = [{"permission": s, "status": "declined" if s in person.declined else "granted"} for s in SCOPES]
            return 200, {"data": rows}
        if path == "me/accounts":
            return 200, self._accounts(person, int(query.get("after", "0")))
        if path == "me/businesses":
            return 200, {"data": []}
        pages = [page for page in person.pages if page[0] == path and path in person.ticked]
        return (200, self._page(pages[0])) if pages else (400, error(100, 33))

    def _oauth(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if query.get("grant_type") == "fb_exchange_token":
            person = self.tokens.get(query["fb_exchange_token"])
            if person is None:
                return 400, error(190, 463)
            return 200, {"access_token": self._token("long", person), "expires_in": 5_183_944}
        person = self.codes.pop(query.get("code", ""), None)
        if person is None:
            return 400, error(100, 36009)
        return 200, {"access_token": self._token("short", person), "expires_in": 3600}

    def _accounts(self, person: Person, after: int) -> dict[str, Any]:
        rows = [] if self.hides_accounts else [row for row in person.pages if row[0] in person.ticked]
        listed = [self._page(row, is_listed=True) for row in rows[after : after + 2]]
        answer: dict[str, Any] = {"data": listed}
        if len(rows) > after + 2:
            answer["paging"] = {"cursors": {"after": str(after + 2)}, "next": "https://evil.example/never"}
        return answer

    def _page(self, row: tuple[str, str, list[str]], *, is_listed: bool = False) -> dict[str, Any]:
        page = {"id": row[0], "name": row[1], "tasks": row[2]}
        if row[0] in self.without_token and (is_listed or self.keeps_tokens):
            return page
        return page | {"access_token": f"page-token-{row[0]}"}

    def _debug(self, token: str) -> dict[str, Any]:
        if token.startswith("page-token-"):
            page_id = token.removeprefix("page-token-")
            return {"app_id": APP_ID, "type": "PAGE", "profile_id": page_id, "is_valid": True, "expires_at": 0}
        person = self.tokens.get(token)
        if person is None:
            return {"app_id": APP_ID, "is_valid": False, "error": {"code": 190, "subcode": 463}}
        granted = [scope for scope in SCOPES if scope not in person.declined]
        granular = [{"scope": s, "target_ids": person.ticked} for s in granted if s.startswith("pages_")]
        return {
            "app_id": APP_ID,
            "type": "USER",
            "user_id": person.id,
            "is_valid": True,
            "expires_at": EXPIRES_AT,
            "scopes": granted,
            "granular_scopes": granular,
        }

    def _subscription(self, method: str, page_id: str, query: dict[str, str]) -> dict[str, Any]:
        if method == "POST":
            self.subscribed[page_id] = query["subscribed_fields"].split(",")
        elif method == "DELETE":
            self.subscribed.pop(page_id, None)
        else:
            fields = self.subscribed.get(page_id)
            return {"data": [] if fields is None else [{"id": APP_ID, "name": "Desk", "subscribed_fields": fields}]}
        return {"success": True}


def error(code: int, subcode: int | None = None) -> dict[str, Any]:
    """Return Graph's error answer."""
    body = {"message": "Sandboxed error", "type": "OAuthException", "code": code, "fbtrace_id": "AbC"}
    return {"error": body | ({"error_subcode": subcode} if subcode else {})}
