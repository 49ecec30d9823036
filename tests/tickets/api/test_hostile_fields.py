"""Every field of every write takes any JSON without an error of the server, and a check of its own refuses it."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from tests import factories

from .conftest import Shop, client_of

NUL = r'"a\u0000b"'
VALUES = [NUL, f"[{NUL}]", f"{{{NUL}: {NUL}}}", "9223372036854775808", "[9223372036854775808]", "1e400", "[[{}]]"]


def writes(schema: Any) -> Iterator[tuple[str, str, dict[str, Any], list[str]]]:
    """Yield the method, the path, a body with what is required, and the fields of each operation that takes JSON."""
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content:
                body = resolved(schema, content["schema"])
                fields = body.get("properties", {})
                required = {name: sample(schema, fields[name]) for name in body.get("required", ())}
                yield method.upper(), path, required, list(fields)


def resolved(schema: Any, spec: Any) -> Any:
    while "$ref" in spec or len(spec.get("allOf", ())) == 1:
        found = spec["$ref"].rsplit("/", 1)[1] if "$ref" in spec else None
        spec = schema["components"]["schemas"][found] if found else spec["allOf"][0]
    return spec


def sample(schema: Any, spec: Any) -> Any:
    """Return a value of the right type."""
    spec = resolved(schema, spec)
    if "enum" in spec:
        return spec["enum"][0]
    if spec.get("format") == "date-time":
        return "2030-01-01T00:00:00Z"
    if spec.get("type") == "array":
        return [sample(schema, spec["items"])]
    if spec.get("type") == "object":
        return {name: sample(schema, spec["properties"][name]) for name in spec.get("required", ())}
    return {"integer": 1, "number": 1, "boolean": True}.get(spec.get("type"), "One")


@pytest.mark.slow
def test_no_value_of_a_field_is_an_error_of_the_server(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(factories.make_admin())
    client.raise_request_exception = False
    ids = {
        "contacts": shop.conversation.contact_id,
        "conversations": shop.conversation.pk,
        "messages": shop.message.pk,
        "channels": shop.channel.pk,
        "departments": shop.channel.department_id,
        "tickets": shop.message.ticket_id,
    }
    wrong: set[tuple[str, ...]] = set()
    count = 0
    for method, path, required, fields in writes(SchemaGenerator().get_schema(request=None, public=True)):
        address = re.sub(r"\{\w+\}", str(ids.get(path.split("/")[3], 1)), path)
        for field in fields:
            for value in VALUES:
                body = json.dumps({**required, field: "VALUE"}).replace('"VALUE"', value)
                with caplog.at_level(logging.ERROR), transaction.atomic():
                    answer = client.generic(method, address, body, content_type="application/json")
                    transaction.set_rollback(True)
                count += 1
                if answer.status_code >= 500 or (answer.status_code >= 400 and not answer.json()):
                    wrong.add((method, path, field, value))
                if caplog.records:
                    wrong.add((method, path, field, value, caplog.records[0].getMessage()))
                    caplog.clear()
    assert count > 500
    assert not wrong
