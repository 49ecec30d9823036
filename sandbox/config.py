"""Settings of the sandbox: defaults from the environment, and changes made at run time."""

import os
from typing import Any

ALL_FIELDS = [
    "messages",
    "message_echoes",
    "message_edits",
    "message_reactions",
    "message_reads",
    "message_deliveries",
    "message_context",
    "messaging_postbacks",
    "messaging_referrals",
    "messaging_optins",
    "messaging_optouts",
    "messaging_handovers",
    "messaging_account_linking",
    "messaging_policy_enforcement",
    "messaging_feedback",
    "messaging_integrity",
    "messaging_customer_information",
    "response_feedback",
    "standby",
    "send_cart",
    "feed",
    "mention",
    "inbox_labels",
    "conversations",
    "message_template_status_update",
    "calls",
]

SECRET_KEYS = {"app_secret", "verify_token"}


def defaults(env: dict[str, str] | None = None) -> dict[str, Any]:
    """Return every setting with its default; `env` defaults to the process environment.

    Times end in _s (seconds) or _ms (milliseconds). Everything here can be changed at run
    time through ``PATCH /_sandbox/config``.
    """
    env = dict(os.environ) if env is None else env
    port = int(env.get("SANDBOX_PORT") or 8090)
    redirects = env.get("SANDBOX_REDIRECT_URIS") or (
        "http://localhost:8000/accounts/facebook/login/callback/,"
        "http://127.0.0.1:8000/accounts/facebook/login/callback/"
    )
    return {
        "public_url": (env.get("SANDBOX_PUBLIC_URL") or f"http://localhost:{port}").rstrip("/"),
        "app_id": env.get("SANDBOX_APP_ID") or "100000000000001",
        "app_name": "Desk",
        "app_secret": env.get("SANDBOX_APP_SECRET") or "sandbox-app-secret",
        "verify_token": env.get("SANDBOX_VERIFY_TOKEN") or "sandbox-verify-token",
        "webhook_url": env.get("SANDBOX_WEBHOOK_URL") or "http://localhost:8000/webhooks/messenger/",
        "webhook_fields": list(ALL_FIELDS),
        "redirect_uris": [uri.strip() for uri in redirects.split(",") if uri.strip()],
        "deauthorize_url": env.get("SANDBOX_DEAUTHORIZE_URL") or "http://localhost:8000/meta/deauthorize/",
        "data_deletion_url": env.get("SANDBOX_DATA_DELETION_URL") or "http://localhost:8000/meta/data-deletion/",
        # What the app dashboard shows in Settings → Basic; empty: left out of answers, as Meta does.
        "app_domains": ["localhost"],
        "privacy_policy_url": "",
        # Whether the app's webhook is active, and the permissions that App Review has approved.
        "webhook_active": True,
        "approved_permissions": [],
        # App dashboard switches.
        "app_live": True,
        "require_appsecret_proof": True,
        "human_agent": True,
        # Whether a click-to-Messenger ad opens a window of 7 days for ordinary replies (Meta's policy of Sep 2026).
        "ad_window": True,
        # Whether the sandbox's app has the feature for stickers of the Send API.
        "stickers": True,
        # How long Facebook checks a new message template (Meta: seconds).
        "template_review_s": 1.0,
        "profile_access": True,
        "login_configs": {
            "300000000000001": [
                "public_profile",
                "pages_show_list",
                "pages_messaging",
                "pages_manage_metadata",
                "pages_read_engagement",
                "business_management",
            ]
        },
        # The clock, and how long codes, tokens and links are valid.
        "clock_offset_s": 0,
        "code_life_s": 600,
        "short_token_s": 5400,
        "long_token_s": 5184000,
        "data_access_s": 7776000,
        "cdn_life_s": 259200,
        # What the customer's Messenger does with a message of the Page.
        "auto_deliver": True,
        "auto_read": False,
        "delivery_delay_ms": 120,
        "read_delay_ms": 600,
        # Webhook sender (Meta: 5 s, a few immediate retries, alert after 15 min, disabled after 1 h).
        # Nothing is delivered, and what happens meanwhile is lost: only the Conversations API tells it.
        "webhooks_lost": False,
        "webhook_timeout_s": 5.0,
        "webhook_batch": 1,
        "webhook_immediate_retries": 3,
        "webhook_immediate_delay_s": 0.5,
        "webhook_backoff_base_s": 5.0,
        "webhook_backoff_max_s": 300.0,
        "webhook_alert_after_s": 900.0,
        "webhook_disable_after_s": 3600.0,
        # Meta: 2 calls/s per Page on the Conversations API; 0 switches the limit off.
        "conversations_per_second": 2,
        "hold_s": 30.0,
    }


class Config:
    """The settings: defaults from the environment, replaced by the changes made at run time (`overrides`, stored)."""

    def __init__(self, overrides: dict[str, Any], env: dict[str, str] | None = None):
        self._defaults = defaults(env)
        self.overrides = overrides

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._defaults:
            raise AttributeError(name)
        return self.overrides.get(name, self._defaults[name])

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def check(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Return `changes` with each value converted to the type of its default.

        Raise ValueError with a sentence for an unknown setting or an invalid value.
        """
        checked = {}
        for name, value in changes.items():
            if name not in self._defaults:
                raise ValueError(f"There is no setting called {name}. Known: {', '.join(sorted(self._defaults))}.")
            checked[name] = _coerce(name, value, self._defaults[name])
        return checked

    def public(self) -> dict[str, Any]:
        """Return all settings; secrets are shown only as *set* or *empty*."""
        shown = {name: getattr(self, name) for name in self._defaults}
        for name in SECRET_KEYS:
            shown[name] = "set" if shown[name] else "empty"
        return shown


def _coerce(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        if isinstance(value, str):
            return value.lower() in {"1", "true", "yes", "on"}
        return bool(value)
    if isinstance(default, int | float):
        try:
            return type(default)(float(value))
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be a number, not {value!r}.") from None
    if isinstance(default, list):
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list):
            raise ValueError(f"{name} must be a list.")
        return [str(part) for part in value]
    if isinstance(default, dict):
        if not isinstance(value, dict):
            raise ValueError(f"{name} must be an object.")
        return value
    return str(value)
