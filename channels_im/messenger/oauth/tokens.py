"""Exchange access tokens for long-lived ones, and check tokens.

Sources: Meta, "Get long-lived tokens" and "Debug token". Meta defines both calls with secrets in the query; `desk.http`
keeps queries out of the log.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient
from channels_im.messenger.errors import GraphOutcomeUnknown, Verdict, classify
from channels_im.messenger.scopes import REQUIRED_SCOPES, UTILITY_SCOPES
from channels_im.messenger.values import as_account_id, as_code, as_dict, as_duration_s, as_list, as_moment, as_text


@dataclass(frozen=True)
class LongLivedToken:
    """A user token of about 60 days; `expires_in_s` is None when Meta names no expiry."""

    token: str = field(repr=False)
    expires_in_s: int | None


@dataclass(frozen=True)
class TokenInfo:
    """The answer of `debug_token`. Times are aware, None means never; `profile_id` is the Page of a Page token.

    `granular_scopes` maps a permission to the ids it covers, or to None when it covers all.
    """

    app_id: str | None
    type: str | None
    user_id: str | None
    profile_id: str | None
    is_valid: bool
    expires_at: datetime | None
    data_access_expires_at: datetime | None
    scopes: frozenset[str]
    granular_scopes: dict[str, frozenset[str] | None]
    error_code: int | None = None
    error_subcode: int | None = None
    issued_at: datetime | None = None

    @property
    def is_ours(self) -> bool:
        """Return whether the token belongs to this installation's app."""
        return self.app_id == settings.META_APP_ID

    @property
    def verdict(self) -> Verdict | None:
        """Return why the token is invalid, or None when it is valid."""
        if self.is_valid:
            return None
        return classify(190 if self.error_code is None else self.error_code, self.error_subcode)

    def missing_scopes(self, page_id: str) -> tuple[str, ...]:
        """Return the required permissions that are not granted, or not for this Page."""
        return tuple(scope for scope in REQUIRED_SCOPES if not self._has(scope, page_id))

    def covers(self, page_id: str) -> bool:
        """Return whether the token is valid, is not another Page's, and has all required permissions for this Page."""
        return self.is_valid and self.profile_id in (None, page_id) and not self.missing_scopes(page_id)

    def may_send_utility_messages(self, page_id: str) -> bool:
        """Return whether utility messages are allowed for this Page, under either name of the permission."""
        return any(self._has(scope, page_id) for scope in UTILITY_SCOPES)

    def _has(self, scope: str, page_id: str) -> bool:
        targets = self.granular_scopes.get(scope)
        return scope in self.scopes and (targets is None or page_id in targets)


@sensitive_variables()
def exchange_long_lived(short_token: str) -> LongLivedToken:
    """Return the long-lived user token for a valid short-lived one. Raises the errors of GraphClient."""
    answer = GraphClient(None).get(
        "oauth/access_token",
        grant_type="fb_exchange_token",
        client_id=settings.META_APP_ID,
        client_secret=settings.META_APP_SECRET,
        fb_exchange_token=short_token,
    )
    token = as_text(answer.get("access_token"))
    if token is None:
        raise GraphOutcomeUnknown(  # English only: for the log
            "The token exchange answered without a token", http_status=200
        )
    return LongLivedToken(token, as_duration_s(answer.get("expires_in")))


@sensitive_variables()
def debug_token(token: str) -> TokenInfo:
    """Return what Meta knows of `token`. For an invalid token `is_valid` is False; this is not an error.

    Raises GraphOutcomeUnknown when the answer does not say whether the token is valid, and the errors of GraphClient.
    """
    data = as_dict(GraphClient.for_app().get("debug_token", input_token=token).get("data"))
    if not isinstance(data.get("is_valid"), bool):
        raise GraphOutcomeUnknown("debug_token answered without is_valid", http_status=200)  # English only: for the log
    error = as_dict(data.get("error"))
    return TokenInfo(
        app_id=as_account_id(data.get("app_id")),
        type=as_text(data.get("type")),
        user_id=as_account_id(data.get("user_id")),
        profile_id=as_account_id(data.get("profile_id")),
        is_valid=data.get("is_valid") is True,
        expires_at=as_moment(data.get("expires_at")),
        data_access_expires_at=as_moment(data.get("data_access_expires_at")),
        scopes=frozenset(_texts(data.get("scopes"))),
        granular_scopes=_granular(data.get("granular_scopes")),
        error_code=as_code(error.get("code")),
        error_subcode=as_code(error.get("subcode")) or as_code(error.get("error_subcode")),
        issued_at=as_moment(data.get("issued_at")),
    )


def _granular(rows: Any) -> dict[str, frozenset[str] | None]:
    granted: dict[str, frozenset[str] | None] = {}
    for row in map(as_dict, as_list(rows)):
        scope = as_text(row.get("scope"))
        if scope is None:
            continue
        targets = row.get("target_ids")
        granted[scope] = None if targets is None else frozenset(_texts(targets))
    return granted


def _texts(values: Any) -> list[str]:
    return [text for text in map(as_text, values if isinstance(values, list) else []) if text]
