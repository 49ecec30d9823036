"""Graph API errors in Meta's shape (DOC/error-codes, GRAPH/guides/error-handling)."""

from typing import Any

from sandbox import ids


class GraphError(Exception):
    """An error answer of the Graph API: `code`, `subcode` (or None), `message`, `kind` (its type), HTTP `status`."""

    def __init__(
        self,
        code: int,
        message: str,
        subcode: int | None = None,
        *,
        kind: str = "OAuthException",
        status: int = 400,
        transient: bool | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.code = code
        self.subcode = subcode
        self.message = message
        self.kind = kind
        self.status = status
        self.transient = transient
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient is not None:
            error["is_transient"] = self.transient
        error["fbtrace_id"] = ids.trace_id()
        return {"error": error}


def no_token() -> GraphError:
    return GraphError(
        2500, "An active access token must be used to query information about the current user.", status=400
    )


def unknown_token() -> GraphError:
    return GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=401)


def missing_object(node_id: str, verb: str = "get") -> GraphError:
    return GraphError(
        100,
        f"Unsupported {verb} request. Object with ID '{node_id}' does not exist, cannot be loaded due to missing"
        " permissions, or does not support this operation. Please read the Graph API documentation at"
        " https://developers.facebook.com/docs/graph-api",
        33,
        kind="GraphMethodException",
    )


def parameter(message: str, subcode: int | None = None) -> GraphError:
    return GraphError(100, f"(#100) {message}", subcode)


def missing_permission(name: str) -> GraphError:
    return GraphError(200, f"(#200) Requires {name} permission to manage the object", status=403)


def not_granted(name: str) -> GraphError:
    return GraphError(
        10,
        f"(#10) This endpoint requires the '{name}' permission or the 'Page Public Content Access' feature."
        " Refer to https://developers.facebook.com/docs/apps/review/login-permissions for details.",
    )


# Why a token is invalid: name -> (subcode, message). Meta's table of the subcodes of 190.
INVALID_TOKENS: dict[str, tuple[int | None, str]] = {
    "app_removed": (
        458,
        "Error validating access token: The user has not authorized application {app_id}.",
    ),
    "checkpoint": (
        459,
        "Error validating access token: You cannot access the app till you log in to www.facebook.com and follow the"
        " instructions given.",
    ),
    "password_changed": (
        460,
        "Error validating access token: The session has been invalidated because the user changed their password or"
        " Facebook has changed the session for security reasons.",
    ),
    "expired": (463, "Error validating access token: Session has expired on {expired}. The current time is {now}."),
    "unconfirmed": (
        464,
        "Error validating access token: Sessions for the user are not allowed because the user is not a confirmed"
        " user.",
    ),
    "logged_out": (
        467,
        "Error validating access token: This may be because the user logged out or may be due to a system error.",
    ),
    "role_lost": (492, "Error validating access token: The user does not have a role on the Page behind this token."),
    "page_deselected": (
        None,
        "The permission(s) pages_show_list,pages_messaging must be granted before impersonating a user's page.",
    ),
}


def invalid_token(reason: str, **details: str) -> GraphError:
    """Return the 190 answer for a token that is invalid for `reason` (a key of INVALID_TOKENS)."""
    subcode, message = INVALID_TOKENS[reason]
    return GraphError(190, message.format_map(details), subcode, status=401 if subcode else 400)
