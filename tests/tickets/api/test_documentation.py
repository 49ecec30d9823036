"""docs/api.md names every route, filter, event and code there is, and its snippet verifies what Desk signs."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tickets.models import EventType
from tickets.rules.sending import Refusal
from tickets.services.webhooks.http_call import signature

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()
SHARED = {"cursor", "ordering", "page_size", "Idempotency-Key", "If-Match", "If-None-Match", "id"}


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    return Client().get("/api/schema/?format=json").json()["paths"]


def test_every_address_is_described(paths: dict[str, Any]) -> None:
    described = {re.sub(r"/\d+/", "/{id}/", address) for address in re.findall(r"/api/v1/[\w/-]+/", TEXT)}
    rows = {f"{path}{{id}}/" for path in paths}  # one row is described for all lists at once
    assert not sorted(path for path in set(paths) - rows if path not in described)


def test_every_address_that_is_described_exists(paths: dict[str, Any]) -> None:
    for address in re.findall(r"/api/v1/[\w/-]+/", TEXT):
        assert re.sub(r"/\d+/", "/{id}/", address) in paths, address


def test_every_filter_is_named_beside_its_list(paths: dict[str, Any]) -> None:
    for path, methods in paths.items():
        names = {each["name"] for each in methods.get("get", {}).get("parameters", ())} - SHARED
        if names:
            [line] = [line for line in TEXT.splitlines() if line.startswith(f"| `{path}` |")]
            assert not [name for name in names if f"`{name}`" not in line], path


def test_every_field_of_a_body_is_named(paths: dict[str, Any]) -> None:
    schemas = Client().get("/api/schema/?format=json").json()["components"]["schemas"]
    for path, methods in paths.items():
        bodies = [method.get("requestBody", {}).get("content", {}) for method in methods.values()]
        for form in (form for body in bodies for form in body.values()):
            for field in schemas[form["schema"]["$ref"].rpartition("/")[2]]["properties"]:
                assert re.search(rf"\b{field}\b", TEXT), (path, field)


@pytest.mark.parametrize("name", [*EventType.values, *(code.value for code in Refusal), "test"])
def test_every_event_and_every_code_is_named(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_the_snippet_verifies_what_desk_signs() -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    known: dict[str, Any] = {}
    exec(snippet, known)  # noqa: S102 - our own document
    body, now = '{"text": "🚚"}'.encode(), int(time.time())
    verify = known["is_from_desk"]
    assert verify("secret", signature(["secret"], body, now), body)
    assert verify("secret", signature(["new", "secret"], body, now), body)
    assert not verify("secret", signature(["another"], body, now), body)
    assert not verify("secret", signature(["secret"], body, now), body + b" ")
    assert not verify("secret", signature(["secret"], body, now - 301), body)
