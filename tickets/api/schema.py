"""The OpenAPI description of the two headers for an API token, and of the scope that each operation needs."""

import inspect
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse

from tickets.api import conditional
from tickets.api.authentication import scope_of
from tickets.models import Scope

STANDARD_ACTIONS = frozenset({"list", "create", "retrieve", "update", "partial_update", "destroy"})
USES = {
    Scope.READ: "read everything that the user may see, download files and export conversations",
    Scope.REPLY: "send replies and reactions, act on replies that were not sent, write notes",
    Scope.MANAGE: "change conversations, tickets and contacts; add, change and delete labels, macros, canned replies "
    "and views; change the assignment of departments",
    Scope.ERASE: "erase contacts",
    Scope.WEBHOOKS: "see, add, change and delete webhooks",
}


class ApiTokenScheme(OpenApiAuthenticationExtension):
    """`Authorization: Token …`, or the same token as `Authorization: Bearer …`."""

    target_class = "tickets.api.authentication.ApiTokenAuthentication"
    name = ["tokenAuth", "bearerAuth"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        scopes = " ".join(f"`{scope}`: {use}." for scope, use in USES.items())
        return [
            {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": f"`Token`, a space and an API token from Setup. Scopes of a token: {scopes}",
            },
            {"type": "http", "scheme": "bearer", "description": "The same API token."},
        ]


class ApiSchema(AutoSchema):
    """Add to each operation what Desk answers besides its view: the scope, the errors of every operation, a name."""

    def _scope(self) -> Scope | None:
        return scope_of(self.view, self.method)

    def get_operation_id(self) -> str:
        """Return a name like `messages_list`, and `messages_react` for an action: it becomes a function of clients."""
        name = getattr(self.view, "action", None)
        if name is None or name in STANDARD_ACTIONS:
            return super().get_operation_id().replace("_content_retrieve", "_content")
        return f"{self._tokenize_path()[0].replace('-', '_')}_{name}"

    def get_description(self) -> str:  # type: ignore[override]  # as in AutoSchema itself
        """Return the description of the operation, else that of its view, else its summary as a sentence."""
        return super().get_description() or inspect.getdoc(type(self.view)) or f"{self.get_summary()}."

    def map_parsers(self) -> list[Any]:
        """Return JSON only: an operation that takes files names multipart/form-data in its description itself."""
        return ["application/json"]

    def get_override_parameters(self) -> list[Any]:
        return [*super().get_override_parameters(), *conditional.parameters(self.view, self.method)]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None and (scope := self._scope()):
            description = operation.get("description", "")
            operation["description"] = f"{description}\n\nNeeds a token with the scope `{scope}`.".strip()
        return operation

    def get_extensions(self) -> dict[str, Any]:
        scope = self._scope()
        return {**super().get_extensions(), **({"x-scope": scope.value} if scope else {})}

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        if not self._scope():
            return bodies
        for code, response in {**EVERYWHERE, **conditional.responses(self.view, self.method)}.items():
            if code not in bodies:
                bodies[code] = self._get_response_for_code(response, code, direction=direction)
        for code in ("429", "503"):
            bodies[code]["headers"] = {"Retry-After": RETRY_AFTER}
        return dict(sorted(bodies.items()))


def with_servers(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Name the public address of the installation when it was set, else the address of the description itself."""
    return {**result, "servers": [{"url": settings.PUBLIC_URL if settings.PUBLIC_URL_IS_SET else "/"}]}


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(
        {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]},
        description=description,
    )


#: The answers that every operation can give.
EVERYWHERE = {
    "403": _problem("The token lacks the scope."),
    "429": _problem("Too many requests of this user; see the header Retry-After."),
    "503": _problem("Desk cannot reach its database or storage at the moment; see the header Retry-After."),
}
RETRY_AFTER = {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 1}}
