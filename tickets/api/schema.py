"""The OpenAPI description of the two headers for an API token, and of the scope that each operation needs."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse

from tickets.api.authentication import scope_of
from tickets.models import Scope

USES = {
    Scope.READ: "read everything that the user may see, download files and export conversations",
    Scope.REPLY: "send replies and reactions, act on replies that were not sent, write notes",
    Scope.MANAGE: "assign, transfer, close, reopen, block, mark as read, and edit contacts",
    Scope.ERASE: "erase contacts",
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
    """Add the scope to each operation: in the description, as `x-scope`, and as the reason of a 403."""

    def _scope(self) -> Scope | None:
        return scope_of(self.view, self.method)

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
        if "403" not in bodies and self._scope():
            bodies["403"] = self._get_response_for_code(NO_SCOPE, "403", direction=direction)
        return dict(sorted(bodies.items()))


NO_SCOPE = OpenApiResponse(
    {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]},
    description="The token lacks the scope.",
)
