"""No id in a path and no parameter of a query makes an error of the server, however large or odd."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factories as make

pytestmark = pytest.mark.django_db

IDS = ["0", "1", "32768", str(2**31), str(2**63 - 1), str(2**63), "9" * 40, "9" * 5000]
VALUES = [
    *IDS, "-1", "", "abc", "1e400", "NaN", "Infinity", "\0", "a\0b", "٣", "²", "1_0", " 1", "+1", "0x10", "[1]",
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "99999-01-01", "eyJh", "x" * 3000, "\ud800", "%00", "🙂",
]  # fmt: skip
PARAMETERS = [
    "page", "p", "q", "id", "open", "before", "since", "first", "last", "size", "view", "order", "channel", "assignee",
    "department", "next", "state", "cursor", "ordering", "page_size", "conversation", "ticket", "contact", "status",
    "updated_since", "until", "window", "unread", "blocked", "psid", "number", "mid", "o", "e", "_popup", "all",
    "id__exact", "user__id__exact", "content_type__id__exact", "departments__id__exact", "action_time__gte", "hub.mode",
    "hub.challenge", "hub.verify_token", "user", "agent", "is_active", "deleted", "search", "kind", "direction",
]  # fmt: skip
GROUP = re.compile(r"\(\?P<\w+>(?:[^()\\]|\\.|\([^()]*\))*\)|<(?:\w+:)?\w+>")


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route


ROUTES = sorted(
    {re.sub(r"[\^$]|\\Z", "", route).replace("\\.", ".").replace("/?", "/") for route in routes(get_resolver())}
    - {"readyz"}  # without a worker its answer is 503
)


def status(client: Client, method: str, path: str, query: dict[str, Any]) -> int:
    text = "&".join(f"{name}={quote(value, errors='surrogatepass')}" for name, value in query.items())
    url = f"{path}?{text}" if text else path
    response = client.generic(method, url, "" if method == "GET" else text, "application/x-www-form-urlencoded")
    return int(response.status_code)


@pytest.fixture
def client() -> Client:
    admin = make.make_admin()
    client = Client(raise_request_exception=False, headers={"Authorization": f"Token {make.make_token(admin)}"})
    client.force_login(admin)
    return client


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_address_is_an_error_of_the_server(client: Client, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(ROUTES))
    path = GROUP.sub(lambda _group: quote(data.draw(st.sampled_from(IDS))), route)
    names = data.draw(st.lists(st.sampled_from(PARAMETERS), max_size=4, unique=True))
    query = {name: data.draw(st.sampled_from(VALUES)) for name in names}
    assert status(client, data.draw(st.sampled_from(["GET", "POST"])), f"/{path}", query) < 500


@pytest.mark.slow
@pytest.mark.parametrize("value", ["32768", str(2**31), str(2**63), "9" * 5000])
def test_an_id_beyond_the_column_is_not_found_wherever_one_is_in_the_path(client: Client, value: str) -> None:
    found = {
        route: status(client, method, "/" + GROUP.sub(value, route), {})
        for route in ROUTES
        if GROUP.search(route)
        for method in ("GET", "POST")
    }
    assert not {route: code for route, code in found.items() if code >= 500}


@pytest.mark.slow
@pytest.mark.parametrize("value", [str(2**63), "9" * 5000, "\0"], ids=["2**63", "9 * 5000", "NUL"])
def test_every_list_answers_every_value_of_a_parameter(client: Client, value: str) -> None:
    """Where all parameters at once are refused, one refusal hides others: they are sent again in smaller parts."""
    found = {}
    for route in ROUTES:
        if GROUP.search(route) or not re.match(r"inbox|api/v1/|admin/", route):
            continue
        parts = [PARAMETERS]
        while parts:
            names = parts.pop()
            code = found[route, " ".join(names)] = status(client, "GET", f"/{route}", dict.fromkeys(names, value))
            if code != 200 and names is PARAMETERS:
                parts = [PARAMETERS[start::6] for start in range(6)]
    assert not {key: code for key, code in found.items() if code >= 500}
